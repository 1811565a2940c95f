/** What the server offers: languages, pairs and settings, and the menus that are made of them. */

import { getWhenReady } from "./api.js";
import { el } from "./dom.js";

export const AUTO = "auto";
export const served = { languages: [], pairs: [], settings: {} };

/** Ask the server what it offers. waiting: is called with a sentence while its models are being loaded. */
export async function askWhatIsServed(waiting) {
  const paths = ["languages", "frontend/pairs", "frontend/settings"];
  [served.languages, served.pairs, served.settings] = await Promise.all(paths.map((path) => getWhenReady(path, waiting)));
}

/** Return the milliseconds after the last key before the page asks. */
export function delay() {
  return served.settings.frontendTimeout ?? 500;
}

/** Return the name of a language; two models' languages of the same name are told apart by their codes. */
export function nameOf(code) {
  const name = served.languages.find((each) => each.code === code)?.name ?? code;
  return served.languages.filter((each) => each.name === name).length > 1 ? `${name} (${code})` : name;
}

/** Return the name of a pair. */
export function namePair({ source, target }) {
  return `${nameOf(source)} to ${nameOf(target)}`;
}

/** Return a pair as it is written in the address. */
export function pairCode({ source, target }) {
  return `${source}:${target}`;
}

/** Return the pair of two codes; of a source that is detected, or of codes that are not served, the nearest one. */
export function findPair(from, to) {
  const { pairs } = served;
  return pairs.find((each) => each.source === from && each.target === to) ?? pairs.find((each) => each.target === to) ?? pairs[0];
}

const primary = (code) => code.split("-")[0];

/** Return the other pairs of the same languages: other models for the same sentence. */
export function rivals(pair) {
  const same = (each) => primary(each.source) === primary(pair.source) && primary(each.target) === primary(pair.target);
  return served.pairs.filter((each) => each !== pair && same(each));
}

/** Fill a menu with [value, text] and choose one of them. */
export function fillMenu(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  select.value = entries.some(([value]) => value === chosen) ? chosen : (entries[0]?.[0] ?? "");
}
