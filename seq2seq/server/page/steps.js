/** The next-best pieces of each step; a choice of one forces it, and the model decodes on. */

import { el } from "./dom.js";
import { END, percent, shown, spoken } from "./explanation.js";

const SHOWN = 5;

/** Return a list with a card for each step. force: is called with the step and the piece that is chosen. */
export function drawSteps({ explanation, emphasis, force }) {
  const forced = explanation.target.forced;
  const cards = explanation.steps.map((step, index) => {
    const unit = { side: "target", first: index, last: index + 1 };
    const choices = step.best.slice(0, SHOWN).map((each) => choice(each, step, index, force));
    const card = el(
      "li",
      { class: `card${index < forced ? " forced" : ""}` },
      el("h4", {}, el("span", { class: "number" }, String(index + 1)), el("span", { class: endClass(step.piece) }, shown(step.piece))),
      rankOf(step, index < forced) && el("p", { class: "rank" }, rankOf(step, index < forced)),
      el("ul", {}, choices.map((each) => el("li", {}, each))),
    );
    emphasis.follow(card, unit);
    card.addEventListener("focusin", () => card.dispatchEvent(new Event("pointerenter")));
    card.addEventListener("focusout", () => card.dispatchEvent(new Event("pointerleave")));
    emphasis.show((isLit) => {
      card.classList.toggle("lit", Boolean(isLit?.(unit)));
    });
    return card;
  });
  return el("ol", { class: "steps" }, cards);
}

function rankOf(step, forced) {
  const share = percent(Math.exp(step.log_prob));
  const rank = step.rank === 1 ? "" : `, rank ${step.rank}`;
  return forced ? `forced: ${share}${rank}` : rank && `${share}${rank}`;
}

function choice(each, step, index, force) {
  const share = Math.exp(each.log_prob);
  const taken = each.piece === step.piece;
  const parts = [el("span", { class: `piece ${endClass(each.piece)}` }, shown(each.piece)), el("span", { class: "share" }, percent(share))];
  const attributes = { class: `choice${taken ? " taken" : ""}`, type: "button", "aria-current": taken ? "true" : null, title: "Force this piece and decode on" };
  const node = el("button", { ...attributes, onclick: () => force(index, each.piece) }, parts);
  node.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
  return node;
}

function endClass(piece) {
  return shown(piece) === END ? "end" : "";
}

/** Return the way to what is forced: a button for each choice undoes those after it. */
export function drawTrail({ pieces, trail, undo }) {
  const crumb = (text, length, current) =>
    el("li", {}, el("button", { type: "button", "aria-current": current ? "step" : null, onclick: () => undo(length) }, text));
  return el(
    "ol",
    {},
    crumb("The model’s own choice", 0, trail.length === 0),
    trail.map((length, index) => crumb(spoken(pieces[length - 1]), length, index === trail.length - 1)),
  );
}
