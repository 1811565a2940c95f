/** The page: asks the server what it offers, then shows one of two views of the state in the address. */

import { keepKey, key } from "./api.js";
import { byId, later } from "./dom.js";
import { showLook, startLook } from "./look.js";
import { askWhatIsServed, served } from "./served.js";
import { change, followAddress, state, watch } from "./state.js";
import { showTranslate, startTranslate } from "./translate.js";
import { startWhatIf } from "./whatif.js";

const VIEWS = ["translate", "look"];
const EVERYTHING = new Set(["view", "q", "from", "to", "pieces"]);

function say(text) {
  byId("said").textContent = "";
  setTimeout(() => {
    byId("said").textContent = text;
  }, 50);
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function show(changed) {
  for (const view of VIEWS) {
    byId(view).hidden = view !== state.view;
    const link = byId(`go-${view}`);
    if (view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = state.view === "look" ? "seq2seq: look inside" : "seq2seq: translate";
  if (state.view === "look") showLook(changed);
  else showTranslate();
}

function listen() {
  for (const link of document.querySelectorAll("header a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const view = link.hash === "#look" ? "look" : "translate";
      const q = view === "look" ? state.q.split("\n").find((line) => line.trim()) ?? "" : state.q;
      change({ view, q }, { step: true });
    });
  }
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("content").focus();
  });
  byId("key-row").hidden = !served.settings.keyRequired;
  byId("key-row").addEventListener("submit", (event) => event.preventDefault());
  byId("key").value = key();
  byId("key").addEventListener("input", later(() => {
    keepKey(byId("key").value);
    show(EVERYTHING);
  }, 500));
}

async function start() {
  followAddress();
  try {
    await askWhatIsServed((text) => notice(text));
  } catch (error) {
    notice(error.message);
    return;
  }
  notice("");
  listen();
  startTranslate(say);
  startLook(say);
  startWhatIf();
  watch(show);
  show(EVERYTHING);
  document.documentElement.dataset.ready = "true";
}

start();
