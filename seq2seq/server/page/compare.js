/** Two explanations beside each other: where the translations part, both graphs, and the difference of their attention. */

import { el, scrollByKeys } from "./dom.js";
import { Emphasis } from "./emphasis.js";
import { commonStart, compared, percent, shown, unitsOf, weightsBetween, wordsOf } from "./explanation.js";
import { drawGraph } from "./graph.js";
import { drawMatrix } from "./matrix.js";

const SAME = 0.005; // a difference that rounds to no percent point

/** Draw two explanations into a place.

titles: one for each; subtract: explanations of the same words on both sides, whose attention is compared; names: what
the difference is of; notes: further sentences. */
export function drawComparison(place, { pair, titles, unit, mass, subtract, names, notes = [] }) {
  const texts = pair.map((each) => wordsOf(each.target.text));
  const marked = compared(...texts);
  const lights = [new Emphasis(), new Emphasis()];
  const columns = pair.map((each, side) => {
    const graph = el("div", { class: "scroll" });
    const words = marked[side].flatMap(([word, same]) => [same ? word : el("mark", {}, word), " "]);
    const score = `Score ${each.target.score.toFixed(2)}, log-probability ${each.target.log_prob.toFixed(2)}`.replaceAll("-0", "−0").replaceAll(/ -/g, " −");
    const column = el("div", {}, el("h3", {}, titles[side]), el("p", { class: "said", dir: "auto" }, words), el("p", { class: "soft" }, score), graph);
    return { column, graph, explanation: each, emphasis: lights[side] };
  });
  const differing = subtract && difference(subtract, unit);
  const isSame = differing && differing.rows.flat().every((each) => Math.abs(each) < SAME);
  const told = [parting(...texts), ...notes, isSame && "Up to there their attention is the same to half a percent point."].filter(Boolean);
  const drawing = el("div", { class: "scroll" });
  const colours = [el("span", { class: "key more" }, "more"), " ", el("span", { class: "key less" }, "less")];
  const explained = el("div", {}, el("h3", {}, "The difference of their attention"), el("p", { class: "soft" }, `In percent points, ${names}: `, colours));
  place.replaceChildren(
    el("div", { class: "beside" }, columns.map((each) => each.column)),
    ...told.map((text) => el("p", { class: "parting" }, text)),
    differing && !isSame ? el("figure", { class: "difference" }, explained, drawing) : "",
  );
  for (const { graph, explanation, emphasis } of columns) {
    const given = parts(explanation, unit);
    graph.append(drawGraph({ ...given, mass, emphasis, width: Math.min(480, graph.clientWidth), label: "Attention between the source, left, and the translation, right" }));
  }
  if (drawing.isConnected) {
    drawing.append(drawMatrix({ ...differing, emphasis: new Emphasis(), width: Math.min(620, drawing.clientWidth), label: "Difference of the attention of both, in percent points", signed: true }));
    scrollByKeys(drawing);
  }
}

function parts(explanation, unit) {
  const [sources, targets] = ["source", "target"].map((side) => unitsOf(explanation, side, unit));
  return { sources, targets, rows: weightsBetween(explanation, targets, sources) };
}

function parting(first, second) {
  const at = commonStart(first, second);
  if (at === first.length && at === second.length) return "Both translations are the same.";
  const word = (words) => (at < words.length ? `“${words[at]}”` : "the end");
  return `They part at word ${at + 1}: ${word(first)} against ${word(second)}.`;
}

/** Return two explanations if their attention can be subtracted, as both read the same words; else null. */
export function subtractable(first, second, unit) {
  const sources = [first, second].map((each) => unitsOf(each, "source", unit).map(({ label }) => label));
  const isSame = sources[0].length === sources[1].length && commonStart(...sources) === sources[0].length;
  return isSame ? [first, second] : null;
}

/** Where they part is compared, too: both had written the same until then. */
function difference([first, second], unit) {
  const [a, b] = [parts(first, unit), parts(second, unit)];
  const common = commonStart(...[a, b].map((each) => each.targets.map(({ label }) => label)));
  const count = Math.min(common + 1, a.rows.length, b.rows.length);
  const rows = a.rows.slice(0, count).map((row, y) => row.map((weight, x) => b.rows[y][x] - weight));
  const targets = a.targets.slice(0, count).map((each, index) => (index < common ? each : { ...each, label: `${each.label} / ${b.targets[index].label}` }));
  return { sources: a.sources, targets, rows };
}

/** Return what edited steps would have said when the translation is held. */
export function saidAtSteps(base, variant, edits) {
  const steps = edits.some((each) => each.step < 0) ? base.steps.map((_, index) => index) : edits.map((each) => each.step);
  return steps
    .filter((step) => variant.steps[step])
    .map((step) => {
      const [piece, now] = [shown(base.steps[step].piece), variant.steps[step]];
      const [best] = now.best;
      const change = `“${piece}” from ${percent(Math.exp(base.steps[step].log_prob))} to ${percent(Math.exp(now.log_prob))}`;
      const instead = shown(best.piece) === piece ? "it would still say it" : `it would say “${shown(best.piece)}” (${percent(Math.exp(best.log_prob))})`;
      return `Step ${step + 1}: ${change}; ${instead}.`;
    });
}
