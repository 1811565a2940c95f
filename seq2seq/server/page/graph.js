/** The attention as a graph of two columns: source words, target words, and lines as wide as the weights. */

import { fit, moveByArrows, shape, textWidth } from "./dom.js";
import { strongest, told } from "./explanation.js";

const SIZE = 15;
const FONT = `${SIZE}px system-ui, sans-serif`;
const ROW = 34;
const GAP = 12; // between a word and its lines
const WIDEST = 11; // a line of weight 1

/** Return the graph as an SVG of a width in pixels.

sources, targets: units; rows: weights [target, source]; mass: percent of each row whose lines are drawn. */
export function drawGraph({ sources, targets, rows, mass, emphasis, width, label }) {
  const room = width * 0.38;
  const left = Math.min(room, Math.max(...sources.map((each) => textWidth(each.label, FONT)))) + 14;
  const right = Math.min(room, Math.max(...targets.map((each) => textWidth(each.label, FONT)))) + 14;
  const most = Math.max(sources.length, targets.length);
  const height = most * ROW;
  const middle = (index, count) => ((most - count) / 2 + index + 0.5) * ROW;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "graph", role: "group", "aria-label": label });

  const lines = strongest(rows, mass).sort((a, b) => a.weight - b.weight);
  const paths = lines.map(({ weight, source, target }) => {
    const [x0, y0] = [left + GAP, middle(source, sources.length)];
    const [x1, y1] = [width - right - GAP, middle(target, targets.length)];
    const bend = (x1 - x0) * 0.45;
    return shape("path", {
      class: "line",
      d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`,
      "stroke-width": (0.6 + weight * (WIDEST - 0.6)).toFixed(2),
      "stroke-opacity": (0.22 + 0.6 * weight).toFixed(3),
    });
  });
  svg.append(shape("g", { "aria-hidden": "true", fill: "none" }, paths));

  const word = (unit, index, others, weights) => {
    const isSource = unit.side === "source";
    const [x, wide, y] = [isSource ? 0 : width - right, isSource ? left : right, middle(index, isSource ? sources.length : targets.length)];
    const letters = Math.min(room, textWidth(unit.label, FONT));
    const reads = isSource ? "read by" : "reads";
    const group = shape(
      "g",
      {
        class: `word${unit.isEnd ? " end" : ""}`,
        role: "button",
        "aria-label": `${unit.label}: ${reads} ${told(weights, others)}`,
        "aria-pressed": "false",
        onclick: () => emphasis.pin(unit),
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          emphasis.pin(unit);
        },
      },
      shape("rect", { x: isSource ? wide - letters - 13 : x + 1, y: y - ROW / 2 + 4, width: letters + 12, height: ROW - 8, rx: 7 }),
      fit(shape("text", { x: isSource ? left - 7 : x + 7, y, dy: "0.35em", "text-anchor": isSource ? "end" : "start" }, unit.label), room, SIZE),
      shape("title", {}, `${unit.label}: ${reads} ${told(weights, others)}`),
    );
    emphasis.follow(group, unit);
    return group;
  };
  const columns = [
    sources.map((unit, index) => word(unit, index, targets, rows.map((row) => row[index]))),
    targets.map((unit, index) => word(unit, index, sources, rows[index])),
  ];
  moveByArrows(columns);
  svg.append(...columns.map((column) => shape("g", {}, column)));

  emphasis.show((isLit) => {
    const near = new Set();
    lines.forEach(({ source, target }, index) => {
      const on = isLit && [...isLit.sides].every((side) => isLit(side === "source" ? sources[source] : targets[target]));
      paths[index].classList.toggle("lit", Boolean(on));
      paths[index].classList.toggle("dim", Boolean(isLit) && !on);
      if (on) near.add(sources[source]).add(targets[target]);
    });
    columns.forEach((column, side) => {
      column.forEach((group, index) => {
        const unit = (side ? targets : sources)[index];
        group.classList.toggle("lit", Boolean(isLit?.(unit)));
        group.classList.toggle("dim", Boolean(isLit) && !isLit(unit) && !near.has(unit));
        group.setAttribute("aria-pressed", String(emphasis.isPinned(unit)));
      });
    });
  });
  return svg;
}
