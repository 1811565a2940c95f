/** The beam: one column for each step, its hypotheses in the order in which the search compares them. */

import { fit, moveByArrows, shape } from "./dom.js";
import { ancestors, pathTo, shown, spoken } from "./explanation.js";

const NODE = 112; // the width of a hypothesis
const STEP = NODE + 46; // and of the lines before the next one
const ROW = 27;
const TOP = 30; // for the numbers of the steps
const WORDS = { winner: "on the path of the best", finished: "finished", kept: "kept", pruned: "pruned", open: "begins" };

/** Return the beam as an SVG. force: is called with the pieces of a hypothesis that is chosen. */
export function drawTree({ explanation, pruned, force, label }) {
  const nodes = explanation.tree.filter((node) => pruned || node.state !== "pruned");
  const columns = new Map();
  for (const node of nodes) columns.set(node.step, [...(columns.get(node.step) ?? []), node]);
  const places = new Map();
  const last = Math.max(...columns.keys());
  let most = 1;
  for (const [step, column] of columns) {
    column.sort((a, b) => Number(a.state === "pruned") - Number(b.state === "pruned") || b.score - a.score);
    column.forEach((node, index) => places.set(node.id, { x: placeOf(step), y: TOP + (index + 0.5) * ROW }));
    most = Math.max(most, column.length);
  }
  const [width, height] = [placeOf(last) + NODE, TOP + most * ROW + 4];
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "tree", role: "group", "aria-label": label });
  const numbers = [...columns.keys()].filter((step) => step >= 0).map((step) => shape("text", { class: "number", x: placeOf(step), y: 14 }, `step ${step + 1}`));
  const links = nodes
    .filter((node) => places.has(node.parent))
    .sort((a, b) => order(a) - order(b))
    .map((node) => {
      const [from, to] = [places.get(node.parent), places.get(node.id)];
      const start = from.x + (node.step > 0 ? NODE - 6 : 8);
      const bend = (to.x - 6 - start) / 2;
      return shape("path", { "data-to": node.id, class: `link ${node.state}`, d: `M${start} ${from.y}C${start + bend} ${from.y} ${to.x - 6 - bend} ${to.y} ${to.x - 6} ${to.y}` });
    });
  const drawn = nodes.map((node) => ({ node, group: drawNode(node, places.get(node.id), explanation.tree, force) }));
  const buttons = [...columns.keys()].sort((a, b) => a - b).filter((step) => step >= 0);
  moveByArrows(buttons.map((step) => columns.get(step).map((node) => drawn.find((each) => each.node === node).group)));
  for (const { node, group } of drawn) {
    const light = (on) => () => lightPath(node, explanation.tree, links, drawn, on);
    for (const name of ["pointerenter", "focus"]) group.addEventListener(name, light(true));
    for (const name of ["pointerleave", "blur"]) group.addEventListener(name, light(false));
  }
  svg.append(shape("g", { "aria-hidden": "true" }, numbers), shape("g", { "aria-hidden": "true", fill: "none" }, links), ...drawn.map((each) => each.group));
  return svg;
}

function lightPath(node, tree, links, drawn, on) {
  const ids = new Set(ancestors(tree, node.id).map((each) => each.id));
  for (const link of links) link.classList.toggle("path", on && ids.has(Number(link.dataset.to)));
  for (const each of drawn) each.group.classList.toggle("path", on && ids.has(each.node.id));
}

const placeOf = (step) => (step < 0 ? 10 : 56 + step * STEP);
const order = (node) => ({ pruned: 0, kept: 1, finished: 2, winner: 3 })[node.state] ?? 0;

function drawNode(node, { x, y }, tree, force) {
  if (node.step < 0) return shape("circle", { class: "root", cx: x, cy: y, r: 5 });
  const path = pathTo(tree, node.id);
  const isEnd = node.piece === "</s>";
  const score = node.score.toFixed(2).replace("-", "−");
  const told = `${shown(node.piece)} ${score}: “${path.map(spoken).join(" ")}”, log-probability ${node.log_prob.toFixed(2).replace("-", "−")}, ${WORDS[node.state] ?? node.state}`;
  const act = () => force(path);
  return shape(
    "g",
    {
      class: `node ${node.state}`,
      role: "button",
      "aria-label": told,
      onclick: act,
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        act();
      },
    },
    shape("rect", { x: x - 6, y: y - ROW / 2 + 2, width: NODE, height: ROW - 4, rx: 6 }),
    fit(shape("text", { x, y, dy: "0.35em", class: isEnd ? "end" : null }, shown(node.piece)), NODE - 50, 13),
    shape("text", { class: "score", x: x + NODE - 12, y, dy: "0.35em", "text-anchor": "end" }, score),
    shape("title", {}, told),
  );
}
