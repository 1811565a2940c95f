/** The view that looks inside: asks for an explanation, and draws it as a graph, a matrix, steps and a beam. */

import { overtaking, post } from "./api.js";
import { byId, el, grow, later, oneLine, scrollByKeys } from "./dom.js";
import { Emphasis } from "./emphasis.js";
import { compared, unitsOf, weightsBetween, wordsOf } from "./explanation.js";
import { savePng, saveJson, saveSvg } from "./export.js";
import { drawGraph } from "./graph.js";
import { drawMatrix, tableOf } from "./matrix.js";
import { showNeighbours } from "./neighbours.js";
import { delay, fillMenu, findPair, namePair, pairCode, served } from "./served.js";
import { change, state } from "./state.js";
import { drawSteps, drawTrail } from "./steps.js";
import { copy } from "./translate.js";
import { drawTree } from "./tree.js";
import { currentVariant, showWhatIf } from "./whatif.js";

const ask = overtaking();
const emphasis = new Emphasis((span) => change({ pin: span ? `${span.side[0]}${span.first}-${span.last}` : "" }));
let explanation = null;

/** Listen. say: is called with what a screen reader should hear. */
export function startLook(say) {
  const sentence = byId("sentence");
  fillMenu(byId("pair"), served.pairs.map((each) => [pairCode(each), namePair(each)]), "");
  const changed = () => change({ q: sentence.value, ...nothingForced(), changed: "" });
  oneLine(sentence);
  sentence.addEventListener("input", later(changed, delay));
  byId("pair").addEventListener("change", () => {
    const [from, to] = byId("pair").value.split(":");
    change({ from, to, ...nothingForced(), other: "" });
  });
  byId("mass").addEventListener("input", () => change({ mass: Number(byId("mass").value) }));
  for (const radio of document.getElementsByName("unit")) {
    radio.addEventListener("change", () => change({ unit: radio.value, pin: "" }));
  }
  byId("pruned").addEventListener("change", () => change({ pruned: byId("pruned").checked }));
  byId("copy-link").addEventListener("click", () => copy(location.href, say));
  byId("save-json").addEventListener("click", () => saveJson({ explanation, whatIf: currentVariant() }, "explanation"));
  byId("print").addEventListener("click", () => window.print());
  for (const caption of document.querySelectorAll("figcaption[data-of]")) addSaving(caption);
  new ResizeObserver(later(draw, 100)).observe(byId("views"));
}

const nothingForced = () => ({ pieces: [], trail: [], edits: [], step: 0, pin: "" });

function addSaving(caption) {
  const { of, name } = caption.dataset;
  const drawing = () => byId(of).querySelector("svg");
  const button = (text, act) => el("button", { type: "button", class: "plain", "aria-label": `Save this drawing as ${text}`, onclick: () => drawing() && act(drawing(), name) }, text);
  caption.append(button("SVG", saveSvg), button("PNG", savePng));
}

/** Show the state. changed: the names of what is new in it. */
export function showLook(changed) {
  const pair = findPair(state.from, state.to);
  byId("pair").value = pairCode(pair);
  if (byId("sentence").value.trim() !== state.q.trim()) byId("sentence").value = state.q;
  grow(byId("sentence"));
  for (const radio of document.getElementsByName("unit")) radio.checked = radio.value === state.unit;
  byId("mass").value = state.mass;
  byId("mass-told").textContent = `${state.mass} %`;
  byId("pruned").checked = state.pruned;
  if (["view", "q", "from", "to", "pieces"].some((name) => changed.has(name)) && needsAsking(pair)) askAgain(pair);
  else if (["unit", "mass", "pruned"].some((name) => changed.has(name))) draw();
  else if (explanation) showWhatIf(explanation, pair, changed);
  if (changed.has("pin") && state.pin === "") emphasis.restore(null);
  if (changed.has("pin") && explanation) showNeighbours(explanation, pair, readPin());
}

let asked = "";

function needsAsking(pair) {
  const wanted = JSON.stringify([state.q, pair, state.pieces]);
  if (wanted === asked) return false;
  asked = wanted;
  return true;
}

/** Return the fields with which the sentence of the state is explained. */
function fieldsOf(pair) {
  const pieces = state.pieces.length ? { pieces: state.pieces } : {};
  return { q: state.q, source: pair.source, target: pair.target, ...pieces };
}

async function askAgain(pair) {
  problem("");
  byId("invitation").hidden = state.q.trim() !== "";
  if (!state.q.trim()) {
    ask(null);
    explanation = null;
    byId("views").hidden = true;
    byId("trail").hidden = true;
    byId("answer").textContent = byId("numbers").textContent = "";
    return;
  }
  byId("look").classList.add("waiting");
  try {
    const found = await ask((signal) => post("explain", fieldsOf(pair), signal));
    if (!found) return;
    const before = explanation?.target.text ?? "";
    explanation = found;
    byId("views").hidden = false;
    showAnswer(before);
    emphasis.restore(readPin());
    draw();
    showNeighbours(found, pair, readPin());
  } catch (error) {
    asked = "";
    problem(error.message);
  }
  byId("look").classList.remove("waiting");
}

function readPin() {
  const found = /^([st])(\d+)-(\d+)$/.exec(state.pin);
  return found && { side: found[1] === "s" ? "source" : "target", first: Number(found[2]), last: Number(found[3]) };
}

function showAnswer(before) {
  const { target, source } = explanation;
  const [, words] = compared(state.pieces.length ? wordsOf(before) : wordsOf(target.text), wordsOf(target.text));
  byId("answer").lang = state.to;
  byId("answer").replaceChildren(...words.flatMap(([word, same]) => [same ? word : el("mark", {}, word), " "]));
  const ending = target.finished ? "" : " The translation is cut off at the greatest length.";
  const cut = explanation.truncated ? " The sentence was too long, and its end was not read." : "";
  byId("numbers").textContent = `Log-probability ${minus(target.log_prob)}, score ${minus(target.score)}. Attention ${explanation.score}, wiring ${explanation.wiring}, beam ${explanation.beam}.${ending}${cut}`;
  byId("sentence").lang = state.from;
  byId("trail").hidden = !state.pieces.length;
  byId("trail").replaceChildren(drawTrail({ pieces: state.pieces, trail: state.trail, undo }));
  return source;
}

/** Return a number with two decimals and a real minus. */
function minus(number) {
  return number.toFixed(2).replace("-", "−");
}

function problem(text) {
  byId("look-problem").textContent = text;
  byId("look-problem").hidden = !text;
}

function force(pieces) {
  const trail = [...state.trail.filter((length) => length < pieces.length && sameStart(pieces, length)), pieces.length];
  change({ pieces, trail, edits: [], step: 0, pin: "" }, { step: true });
}

const sameStart = (pieces, length) => state.pieces.slice(0, length).every((piece, index) => piece === pieces[index]);

function undo(length) {
  const trail = state.trail.filter((each) => each <= length);
  change({ pieces: state.pieces.slice(0, length), trail, edits: [], step: 0, pin: "" }, { step: true });
}

function draw() {
  if (!explanation || byId("look").hidden) return;
  emphasis.forget();
  const [sources, targets] = ["source", "target"].map((side) => unitsOf(explanation, side, state.unit));
  const given = { sources, targets, rows: weightsBetween(explanation, targets, sources), mass: state.mass, emphasis };
  const width = (id) => byId(id).clientWidth || byId("look").clientWidth - 32;
  byId("graph").replaceChildren(drawGraph({ ...given, width: Math.min(560, width("graph")), label: "Attention between the source, left, and the translation, right" }));
  byId("matrix").replaceChildren(drawMatrix({ ...given, width: width("matrix"), label: "Attention: a row for each target word, a column for each source word, in percent. The numbers are in the table below." }));
  byId("table").replaceChildren(tableOf({ ...given, label: "Percent of the attention of each target word, a row, to each source word, a column" }));
  replaceKeepingFocus(byId("steps"), drawSteps({ explanation, emphasis, force: (step, piece) => force([...explanation.target.pieces.slice(0, step), piece]) }));
  byId("tree").replaceChildren(explanation.tree.length ? drawTree({ explanation, pruned: state.pruned, force, label: "The hypotheses of the beam, one column for each step" }) : "");
  for (const id of ["graph", "matrix", "tree"]) scrollByKeys(byId(id));
  showWhatIf(explanation, findPair(state.from, state.to), null);
}

/** Put a new drawing in the place of the old one, with the focus on the button of the same place. */
function replaceKeepingFocus(place, drawing) {
  const index = [...place.querySelectorAll("button")].indexOf(document.activeElement);
  place.replaceChildren(drawing);
  if (index >= 0) place.querySelectorAll("button")[index]?.focus();
}
