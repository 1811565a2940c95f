/** The view that translates: while typing, after a pause, and never with an answer that was overtaken. */

import { overtaking, post, translateFile } from "./api.js";
import { byId, el, later } from "./dom.js";
import { AUTO, delay, fillMenu, findPair, nameOf, served } from "./served.js";
import { change, state } from "./state.js";

const LONGEST_LINK = 1000; // characters of a text that is kept in the address
const MOST_ALTERNATIVES = 9;
const ask = overtaking();
let detected = "";
let asked = ""; // the last question

/** Fill the menus and listen. say: is called with what a screen reader should hear. */
export function startTranslate(say) {
  const source = byId("source");
  fillMenu(byId("from"), [[AUTO, "Detect language"], ...codes("source")], state.from || AUTO);
  fillTargets(state.to || served.settings.language?.target?.code);
  source.value = state.q;
  byId("file").accept = (served.settings.supportedFilesFormat ?? []).join(",");

  const soon = later(translate, delay);
  source.addEventListener("input", () => {
    tellLength();
    if (source.value.trim()) byId("translation").classList.add("old");
    soon();
  });
  byId("from").addEventListener("change", () => {
    fillTargets(byId("to").value);
    fillAlternatives();
    translate();
  });
  byId("to").addEventListener("change", () => {
    fillAlternatives();
    translate();
  });
  byId("alternatives").addEventListener("change", translate);
  byId("swap").addEventListener("click", swap);
  byId("clear").addEventListener("click", () => {
    source.value = "";
    translate();
    source.focus();
  });
  byId("copy").addEventListener("click", () => copy(byId("translation").textContent, say));
  byId("look-inside").addEventListener("click", lookInside);
  byId("file").addEventListener("change", sendFile);
  fillAlternatives();
  tellLength();
}

/** Show the state, which came by a link, by Back or from the other view. A long text, which no link has, stays. */
export function showTranslate() {
  const source = byId("source");
  const isThere = state.q ? source.value.includes(state.q) : source.value.length > LONGEST_LINK;
  if (!isThere) source.value = state.q;
  if (JSON.stringify(question()) !== asked) translate();
}

function question() {
  const [q, source, target] = ["source", "from", "to"].map((id) => byId(id).value);
  return { q, source, target, alternatives: Number(byId("alternatives").value || 0) };
}

function codes(side) {
  return [...new Set(served.pairs.map((each) => each[side]))].map((code) => [code, nameOf(code)]);
}

function fillTargets(chosen) {
  const from = byId("from").value;
  const possible = new Set(served.pairs.filter((each) => from === AUTO || each.source === from).map((each) => each.target));
  fillMenu(byId("to"), codes("target").filter(([code]) => possible.has(code)), chosen);
}

function fillAlternatives() {
  const [from, to] = [byId("from").value, byId("to").value];
  const counts = served.pairs.filter((each) => each.target === to && (from === AUTO || each.source === from)).map((each) => each.alternatives);
  const most = Math.min(MOST_ALTERNATIVES, ...counts);
  const numbers = Array.from({ length: most + 1 }, (_, number) => [String(number), number ? `up to ${number}` : "none"]);
  fillMenu(byId("alternatives"), numbers, byId("alternatives").value || String(Math.min(2, most)));
}

function tellLength() {
  const length = byId("source").value.length;
  byId("count").textContent = length ? `${length.toLocaleString("en")} / ${served.settings.charLimit?.toLocaleString("en")}` : "";
  byId("count").classList.toggle("over", length > served.settings.charLimit);
  byId("clear").hidden = !length;
}

async function translate() {
  const wanted = question();
  const { q, source, target } = wanted;
  asked = JSON.stringify(wanted);
  change({ q: q.length > LONGEST_LINK ? "" : q, from: source, to: target });
  tellLength();
  problem("");
  if (!q.trim()) {
    ask(null);
    show({ translatedText: "" });
    return;
  }
  byId("translation").classList.add("old");
  try {
    const answer = await ask((signal) => post("translate", wanted, signal));
    if (answer) show(answer);
  } catch (error) {
    asked = "";
    show({ translatedText: "" });
    problem(error.message);
  }
}

function show({ translatedText, alternatives = [], detectedLanguage }) {
  const box = byId("translation");
  box.classList.remove("old");
  box.lang = byId("to").value;
  box.textContent = translatedText;
  detected = detectedLanguage?.language ?? "";
  const { confidence } = detectedLanguage ?? {};
  byId("detected").textContent = detected ? `${nameOf(detected)}, ${confidence >= 1 ? Math.round(confidence) : "<1"} % sure` : "";
  byId("copy").hidden = byId("look-inside").hidden = !translatedText;
  byId("alternative-list").replaceChildren(...alternatives.map((text) => el("li", { lang: box.lang, dir: "auto" }, text)));
}

function problem(text) {
  byId("translate-problem").textContent = text;
  byId("translate-problem").hidden = !text;
}

function swap() {
  const [from, to] = [byId("from").value === AUTO ? detected : byId("from").value, byId("to").value];
  const back = served.pairs.find((each) => each.source === to && (!from || each.target === from));
  if (!back) {
    problem(`This server does not translate from ${nameOf(to)}${from ? ` to ${nameOf(from)}` : ""}.`);
    return;
  }
  const text = byId("translation").textContent;
  byId("from").value = back.source;
  fillTargets(back.target);
  fillAlternatives();
  if (text) byId("source").value = text;
  translate();
}

/** Put a text on the clipboard, and say so. */
export async function copy(text, say) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not let this page copy.");
  }
}

function lookInside() {
  const [line] = byId("source").value.split("\n").map((each) => each.trim()).filter(Boolean);
  const pair = findPair(detected || byId("from").value, byId("to").value);
  change({ view: "look", q: line, from: pair.source, to: pair.target, pieces: [], trail: [], edits: [], changed: "", pin: "" }, { step: true });
}

async function sendFile() {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  const answer = byId("file-answer");
  answer.hidden = false;
  answer.textContent = `${file.name} is being translated.`;
  problem("");
  try {
    const address = await translateFile(file, byId("from").value, byId("to").value);
    answer.replaceChildren(`${file.name} is translated: `, el("a", { href: address, download: true }, "save it"), ". The server keeps it for ten minutes.");
  } catch (error) {
    answer.hidden = true;
    problem(error.message);
  }
}
