/** What the page shows, kept in the address after #, so that a link shows the same to somebody else. */

const DEFAULTS = {
  view: "translate", // or look
  q: "", // the sentence
  from: "", // codes of languages
  to: "",
  unit: "words", // or pieces
  mass: 80, // percent of each word's attention whose lines are drawn
  pieces: [], // target pieces that are forced
  trail: [], // lengths of the forced beginning, one for each choice, so that each can be undone
  pruned: true, // whether the beam's pruned branches are shown
  pin: "", // what stays lit, as s3-5 or t0-2: pieces from the first to before the last
  what: "word", // the question of "What if": word, attention or model
  changed: "", // the changed sentence
  step: 0, // whose attention is edited; -1 is every step
  edits: [],
  state: "following", // or fixed
  other: "", // the pair of the other model, as de:en
};

export const state = { ...DEFAULTS };
const watchers = new Set();

/** Return the state that an address after # names; whatever is malformed has its default. */
export function parse(hash) {
  const [view, query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const found = { ...DEFAULTS, view: view === "look" ? "look" : "translate" };
  for (const [name, text] of new URLSearchParams(query)) {
    if (!(name in DEFAULTS) || name === "view") continue;
    const value = typeof DEFAULTS[name] === "string" ? text : readJson(text);
    if (typeof value === typeof DEFAULTS[name] && Array.isArray(value) === Array.isArray(DEFAULTS[name])) found[name] = value;
  }
  return repaired(found);
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function repaired(found) {
  found.pieces = found.pieces.filter((piece) => typeof piece === "string");
  found.trail = found.trail.filter((length) => Number.isInteger(length) && length > 0 && length <= found.pieces.length);
  found.edits = found.edits.filter((edit) => edit && Number.isInteger(edit.step) && (Array.isArray(edit.weights) || Array.isArray(edit.mask)));
  found.mass = Math.min(100, Math.max(30, Math.round(found.mass)));
  found.unit = found.unit === "pieces" ? "pieces" : "words";
  found.state = found.state === "fixed" ? "fixed" : "following";
  found.what = ["word", "attention", "model"].includes(found.what) ? found.what : "word";
  return found;
}

/** Return a state as an address after #, without what has its default. */
export function format(given) {
  const query = new URLSearchParams();
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    const text = typeof usual === "string" ? given[name] : JSON.stringify(given[name]);
    if (name !== "view" && text !== (typeof usual === "string" ? usual : JSON.stringify(usual))) query.set(name, text);
  }
  const told = query.toString();
  return `#${given.view}${told ? `?${told}` : ""}`;
}

/** Change some of the state, write it into the address and tell whoever watches; `step` makes Back undo it. */
export function change(part, { step = false } = {}) {
  const before = { ...state };
  Object.assign(state, part);
  const address = format(state);
  if (address !== location.hash) history[step ? "pushState" : "replaceState"](null, "", address);
  tell(before);
}

/** Call a function with the names of what changed, each time that something did. */
export function watch(act) {
  watchers.add(act);
}

function tell(before) {
  const changed = new Set(Object.keys(DEFAULTS).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(state[name])));
  if (changed.size) watchers.forEach((act) => act(changed));
}

/** Take the state from the address, now and whenever it is changed by a link or by Back. */
export function followAddress() {
  Object.assign(state, parse(location.hash));
  window.addEventListener("popstate", () => {
    const before = { ...state };
    Object.assign(state, parse(location.hash));
    tell(before);
  });
}
