/** The attention as a matrix, and the difference of two; both as a picture and as a table of numbers. */

import { el, fit, shape, textWidth } from "./dom.js";
import { percent } from "./explanation.js";

const SIZE = 13;
const FONT = `${SIZE}px system-ui, sans-serif`;
const SMALLEST = 14;
const LARGEST = 44;
const LONGEST = 110; // pixels of a label
const SLANT = Math.SQRT1_2; // of the labels above, which lean by 45 degrees

/** Return the matrix as an SVG of at most a width in pixels, unless there are too many columns for it.

rows: weights [target, source]; signed: whether they are differences, drawn in two colours. */
export function drawMatrix({ sources, targets, rows, emphasis, width, label, signed = false }) {
  const wide = (units) => Math.min(LONGEST, Math.max(...units.map((each) => textWidth(each.label, FONT))));
  const left = wide(targets) + 10;
  const top = wide(sources) * SLANT + 22;
  const overhang = Math.max(14, Math.min(LONGEST, textWidth(sources.at(-1).label, FONT)) * SLANT);
  const cell = Math.max(SMALLEST, Math.min(LARGEST, (width - left - overhang) / sources.length));
  const [full, height] = [left + cell * sources.length + overhang, top + cell * targets.length + 2];
  const svg = shape("svg", { viewBox: `0 0 ${full} ${height}`, width: full, height, class: "matrix", role: "img", "aria-label": label });

  const size = Math.min(SIZE, cell * 0.75); // of the letters
  const above = sources.map((unit, index) => {
    const [x, y] = [left + cell * (index + 0.5), top - 8];
    const attributes = { x, y, transform: `rotate(-45 ${x} ${y})`, class: unit.isEnd ? "end" : null };
    return fit(shape("text", attributes, unit.label), LONGEST, size);
  });
  const beside = targets.map((unit, index) => {
    const attributes = { x: left - 8, y: top + cell * (index + 0.5), dy: "0.35em", "text-anchor": "end", class: unit.isEnd ? "end" : null };
    return fit(shape("text", attributes, unit.label), LONGEST, size);
  });
  const most = signed ? Math.max(0.05, ...rows.flat().map(Math.abs)) : 1;
  const cells = rows.map((row, y) =>
    row.map((weight, x) => {
      const [px, py, size] = [left + cell * x, top + cell * y, cell - Math.min(3, cell * 0.12)];
      const strength = Math.abs(weight) / most;
      const text = signed ? `${weight < 0 ? "−" : "+"}${Math.round(100 * Math.abs(weight))}` : String(Math.round(100 * weight));
      const group = shape(
        "g",
        { class: `cell${weight < 0 ? " less" : ""}${strength > 0.5 ? " strong" : ""}` },
        shape("rect", { class: "ground", x: px, y: py, width: size, height: size, rx: Math.min(4, cell / 6) }),
        shape("rect", { class: "weight", x: px, y: py, width: size, height: size, rx: Math.min(4, cell / 6), "fill-opacity": strength.toFixed(3) }),
        cell >= 26 && strength >= 0.05 && shape("text", { x: px + size / 2, y: py + size / 2, dy: "0.35em", "text-anchor": "middle" }, text),
        shape("title", {}, `${targets[y].label} – ${sources[x].label}: ${signed ? `${text} points` : percent(weight)}`),
      );
      emphasis.follow(group, sources[x], targets[y]);
      return group;
    }),
  );
  svg.append(shape("g", {}, above), shape("g", {}, beside), ...cells.flat());

  emphasis.show((isLit) => {
    above.forEach((text, x) => text.classList.toggle("lit", Boolean(isLit?.(sources[x]))));
    beside.forEach((text, y) => text.classList.toggle("lit", Boolean(isLit?.(targets[y]))));
    cells.forEach((row, y) =>
      row.forEach((group, x) => group.classList.toggle("dim", Boolean(isLit) && !isLit(sources[x]) && !isLit(targets[y]))),
    );
  });
  return svg;
}

/** Return the same numbers as a table. */
export function tableOf({ sources, targets, rows, label }) {
  const head = el("tr", {}, el("td", {}), sources.map((each) => el("th", { scope: "col" }, each.label)));
  const body = rows.map((row, index) =>
    el("tr", {}, el("th", { scope: "row" }, targets[index].label), row.map((weight) => el("td", {}, percent(weight)))),
  );
  return el("table", {}, el("caption", {}, label), el("thead", {}, head), el("tbody", {}, body));
}
