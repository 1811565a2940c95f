/** The words of the training text at which the model was nearly as at the chosen word, with their sentences. */

import { overtaking, post } from "./api.js";
import { byId, el } from "./dom.js";
import { spoken } from "./explanation.js";

const COUNT = 6;
const ask = overtaking();
let asked = "";

/** Show the nearest training words of a span, {side, first, last} in pieces; null: none is chosen. */
export async function showNeighbours(explanation, pair, span) {
  byId("nearest").hidden = !pair?.neighbours;
  if (!pair?.neighbours) return;
  const { pieces, text } = explanation.target;
  const own = span && explanation[span.side].pieces.slice(span.first, span.last);
  const isWord = own?.length && span.last <= (span.side === "source" ? explanation.source.pieces.length - 1 : pieces.length);
  // Of a word of several pieces, the state at its last one has read or written all of it.
  const question = isWord && { q: explanation.source.text, source: pair.source, target: pair.target, pieces, side: span.side, position: span.last - 1, count: COUNT };
  const wanted = JSON.stringify(question || null);
  if (wanted === asked) return;
  asked = wanted;
  byId("nearest-problem").hidden = true;
  byId("nearest-of").textContent = question ? spoken(own.join("")) : "";
  byId("nearest-list").replaceChildren();
  if (!question || !text) return void ask(null);
  try {
    const found = await ask((signal) => post("neighbours", question, signal));
    if (found) byId("nearest-list").replaceChildren(...found.neighbours.map(pairOf));
  } catch (error) {
    asked = "";
    byId("nearest-problem").textContent = error.message;
    byId("nearest-problem").hidden = false;
  }
}

function pairOf(each) {
  const line = (side) => el("p", { class: side }, side === each.side ? marked(each[`${side}_pieces`], each.position) : each[side]);
  return el("li", {}, el("span", { class: "share", title: "cosine of the two states" }, each.similarity.toFixed(2)), el("div", {}, line("source"), line("target")));
}

/** Return a sentence from its pieces, the word of one of them marked. */
function marked(pieces, position) {
  const begins = (index) => index === 0 || pieces[index].startsWith("▁");
  let first = position;
  while (!begins(first)) first -= 1;
  let last = position + 1;
  while (last < pieces.length && !begins(last)) last += 1;
  const plain = (from, to) => pieces.slice(from, to).join("").replaceAll("▁", " ");
  return [plain(0, first).trimStart(), " ", el("mark", {}, plain(first, last).trim()), plain(last)];
}
