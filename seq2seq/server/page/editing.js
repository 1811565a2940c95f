/** The hand on the attention: bars that are dragged or moved by arrow keys, for one step of the translation. */

import { el } from "./dom.js";
import { percent, shown, spoken } from "./explanation.js";

const SMALL = 0.05; // of an arrow key
const LARGE = 0.2; // of Page Up and Page Down

const QUESTIONS = [
  ["following", "Follow", "What would the model write on from here? The changed context goes wherever contexts go, and the search decodes on with it."],
  ["fixed", "Hold", "What would this step alone have said? The translation and the decoder’s states stay; only the output of the step reads the changed context."],
];

/** Return the controls. edits, state: as the server takes them; change: is called with what is new of step, edits, state. */
export function drawEditor({ explanation, step, edits, state, change }) {
  const edit = edits.find((each) => each.step === step) ?? null;
  const own = explanation.attention[step] ?? null;
  const put = (next) => change({ edits: [...edits.filter((each) => each.step !== step), ...(next ? [next] : [])].sort((a, b) => a.step - b.step) });
  return el(
    "div",
    { class: "editor" },
    el("fieldset", { class: "chips" }, el("legend", {}, "Step"), stepChips(explanation, step, edits, change)),
    el("div", { class: "bars" }, bars({ explanation, step, own, edit, put })),
    el(
      "p",
      { class: "tools" },
      own && el("button", { type: "button", id: "flatten", onclick: () => put({ step, weights: own.map(() => round(1 / own.length)) }) }, "Flatten"),
      el("button", { type: "button", id: "own", disabled: !edit, onclick: () => put(null) }, "The model’s own"),
      edits.length > (edit ? 1 : 0) && el("button", { type: "button", onclick: () => change({ edits: [] }) }, "Undo all steps"),
    ),
    el(
      "fieldset",
      { class: "questions" },
      el("legend", {}, "The decoder’s state"),
      QUESTIONS.map(([value, name, question]) =>
        el("label", {}, el("input", { type: "radio", name: "state", value, checked: state === value, onchange: () => change({ state: value }) }), el("span", {}, el("b", {}, `${name} (${value})`), ` ${question}`)),
      ),
    ),
  );
}

function stepChips(explanation, step, edits, change) {
  const names = explanation.attention.map((_, index) => [index, shown(explanation.target.pieces[index])]);
  return [[-1, "every step"], ...names].map(([index, name]) => {
    const edited = edits.some((each) => each.step === index);
    const input = el("input", { type: "radio", name: "step", value: index, checked: index === step, onchange: () => change({ step: index }) });
    return el("label", { class: `${edited ? "edited" : ""}${index < 0 ? " all" : ""}` }, input, el("span", {}, name, edited && el("span", { class: "unseen" }, ", changed")));
  });
}

function bars({ explanation, step, own, edit, put }) {
  const pieces = explanation.source.pieces;
  const mask = new Set(edit?.mask ?? []);
  const weights = edit?.weights ?? own?.map((weight, index) => (mask.has(index) ? 0 : weight)) ?? pieces.map(() => null);
  const total = weights.reduce((all, each) => all + each, 0) || 1;
  const count = own?.length ?? pieces.length;
  return Array.from({ length: count }, (_, index) => {
    const name = pieces[index];
    const share = weights[index] === null ? null : weights[index] / total;
    const move = (to) => put({ step, weights: moved(weights.map((each) => each / total), index, to) });
    const masked = mask.has(index);
    const toggled = new Set(mask);
    if (!toggled.delete(index)) toggled.add(index);
    const canMask = masked || toggled.size < count;
    return el(
      "div",
      { class: `bar${masked ? " masked" : ""}` },
      el("span", { class: `name${name === "</s>" ? " end" : ""}` }, shown(name)),
      own ? slider({ name, share, own: own[index], move }) : el("span", { class: "track every" }, masked ? "never looked at" : ""),
      own && el("button", { type: "button", title: "All of the attention to this piece", "aria-label": `Only ${spoken(name)}`, onclick: () => put({ step, weights: own.map((_, other) => (other === index ? 1 : 0)) }) }, "only"),
      el("button", { type: "button", title: "None of the attention to this piece", "aria-pressed": String(masked), "aria-label": `Mask ${spoken(name)}`, disabled: !canMask, onclick: () => put(toggled.size ? { step, mask: [...toggled].sort((a, b) => a - b) } : null) }, "mask"),
    );
  });
}

function slider({ name, share, own, move }) {
  const track = el(
    "div",
    {
      class: "track",
      role: "slider",
      tabindex: "0",
      "aria-label": `Attention to ${spoken(name)}`,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      onkeydown: (event) => {
        const by = { ArrowRight: SMALL, ArrowUp: SMALL, ArrowLeft: -SMALL, ArrowDown: -SMALL, PageUp: LARGE, PageDown: -LARGE, Home: -1, End: 1 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        move(share + by);
      },
    },
    el("span", { class: "fill" }),
    el("span", { class: "own", hidden: Math.abs(own - share) < 0.005 }),
    el("span", { class: "told" }),
  );
  const show = (value) => {
    track.style.setProperty("--share", `${100 * value}%`);
    track.setAttribute("aria-valuenow", String(Math.round(100 * value)));
    track.setAttribute("aria-valuetext", percent(value));
    track.lastChild.textContent = percent(value);
  };
  track.style.setProperty("--own", `${100 * own}%`);
  show(share);
  const at = (event) => {
    const { left, width } = track.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width));
  };
  track.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    track.focus();
    track.setPointerCapture(event.pointerId);
    show(at(event));
  });
  track.addEventListener("pointermove", (event) => track.hasPointerCapture(event.pointerId) && show(at(event)));
  track.addEventListener("pointerup", (event) => move(at(event)));
  track.addEventListener("pointercancel", () => show(share));
  return track;
}

/** Return the weights with one of them moved, the others in their old proportions to each other, so that all sum to 1. */
export function moved(weights, index, to) {
  const value = Math.min(1, Math.max(0, to));
  const rest = weights.reduce((all, each, other) => all + (other === index ? 0 : each), 0);
  const share = (each) => (rest > 1e-9 ? (each / rest) * (1 - value) : (1 - value) / Math.max(1, weights.length - 1));
  return weights.map((each, other) => round(other === index ? value : share(each)));
}

const round = (number) => Math.round(number * 10000) / 10000;
