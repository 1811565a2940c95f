/** The question "What if": a changed word, a changed attention or another model, answered beside the explanation. */

import { overtaking, post } from "./api.js";
import { drawComparison, saidAtSteps, subtractable } from "./compare.js";
import { byId, grow, later, oneLine } from "./dom.js";
import { drawEditor } from "./editing.js";
import { delay, fillMenu, namePair, pairCode, rivals } from "./served.js";
import { change, state } from "./state.js";

const ask = overtaking();
let variant = null;
let asked = "";

/** Listen. */
export function startWhatIf() {
  const changed = byId("changed");
  oneLine(changed);
  changed.addEventListener("input", later(() => change({ changed: changed.value }), delay));
  for (const radio of document.getElementsByName("what")) radio.addEventListener("change", () => change({ what: radio.value }));
  byId("other").addEventListener("change", () => change({ other: byId("other").value }));
}

/** Return the explanation of the changed question, or null. */
export function currentVariant() {
  return variant?.explanations[0] ?? null;
}

/** Show the question of the state beside an explanation of a pair's model. changed: what is new; null for all. */
export function showWhatIf(base, pair, changed) {
  const { what } = state;
  for (const radio of document.getElementsByName("what")) radio.checked = radio.value === what;
  for (const each of ["word", "attention", "model"]) byId(`what-${each}`).hidden = each !== what;
  if (what === "word") {
    const field = byId("changed");
    const wanted = state.changed || state.q;
    if (document.activeElement !== field || !changed) field.value = field.value.trim() === wanted.trim() ? field.value : wanted;
    grow(field);
  }
  if (what === "attention") redrawEditor(base);
  const others = rivals(pair);
  if (what === "model") {
    const entries = [["", "no other model"], ...others.map((each) => [pairCode(each), namePair(each)])];
    fillMenu(byId("other"), entries, state.other);
    byId("other").parentElement.hidden = !others.length;
    byId("no-other").hidden = others.length > 0;
  }
  const question = questions[what](base, pair, others);
  const wanted = JSON.stringify([what, question?.map((each) => each.fields), base.target, base.source]);
  if (wanted === asked && question) {
    if (variant) draw(base, pair);
    return;
  }
  asked = wanted;
  problem("");
  if (question) answer(base, pair, question);
  else {
    ask(null);
    variant = null;
    byId("comparison").replaceChildren();
  }
}

/** What is asked of the server for each question, and how it is called; null where there is nothing to ask yet. */
const questions = {
  word: (base, pair) => (state.changed.trim() && state.changed.trim() !== state.q.trim() ? [{ title: state.changed, fields: fields(pair, state.changed) }] : null),
  attention: (base, pair) =>
    state.edits.length
      ? [{ title: "With your attention", fields: { ...fields(pair, state.q), pieces: state.pieces, edits: state.edits, state: state.state } }]
      : null,
  model: (base, pair, others) => {
    const other = others.find((each) => pairCode(each) === state.other);
    if (!other) return null;
    const own = { title: namePair(other), fields: fields(other, state.q) };
    return [own, { title: "", fields: { ...own.fields, prefix: base.target.text } }]; // the second reads the first's words
  },
};

function fields(pair, q) {
  return { q, source: pair.source, target: pair.target };
}

async function answer(base, pair, question) {
  byId("comparison").classList.add("waiting");
  try {
    const explanations = await ask((signal) => Promise.all(question.map((each) => post("explain", tidy(each.fields), signal))));
    if (!explanations) return;
    variant = { question, explanations, what: state.what };
    draw(base, pair);
  } catch (error) {
    asked = "";
    variant = null;
    byId("comparison").replaceChildren();
    problem(error.message);
  }
  byId("comparison").classList.remove("waiting");
}

/** Return the fields without empty lists, which mean nothing. */
function tidy(given) {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => !(Array.isArray(value) && !value.length)));
}

function draw(base, pair) {
  const [found, forced] = variant.explanations;
  const { what } = variant;
  const kind = (each) => `${each.score}, ${each.wiring}`;
  const first = { word: state.q, attention: "The model’s own", model: `${namePair(pair)}: ${kind(base)}` }[what];
  const second = what === "model" ? `${variant.question[0].title}: ${kind(found)}` : variant.question[0].title;
  const unit = what === "attention" ? state.unit : what === "model" ? "words" : state.unit;
  const isFixed = what === "attention" && state.state === "fixed";
  const subtract = what === "word" ? null : subtractable(base, forced ?? found, unit);
  const names = { attention: "yours less the model’s own, up to where they part", model: "the second model’s less the first’s, both on the first’s translation" }[what];
  drawComparison(byId("comparison"), {
    pair: [base, found],
    titles: [first, second],
    unit,
    mass: state.mass,
    subtract,
    names,
    notes: isFixed ? saidAtSteps(base, found, state.edits) : [],
  });
}

function redrawEditor(base) {
  const place = byId("editor");
  const step = state.step < base.attention.length ? state.step : 0;
  const index = controls(place).indexOf(document.activeElement);
  place.replaceChildren(drawEditor({ explanation: base, step, edits: state.edits, state: state.state, change }));
  if (index >= 0) controls(place)[index]?.focus(); // where it was, so that a key can be pressed again
}

const controls = (place) => [...place.querySelectorAll("input, [role=slider], .bars button")];

function problem(text) {
  byId("what-problem").textContent = text;
  byId("what-problem").hidden = !text;
}
