/** Elements and SVG shapes from names, attributes and children. Text is always put in as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element. An attribute that is a function is a listener; null and false leave an attribute out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Return an SVG element, by the same rules. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

/** Return the element of an id, which must be there. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element with the id ${id}`);
  return found;
}

/** Call a function a while after the last time that it was wanted. */
export function later(act, milliseconds) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), typeof milliseconds === "function" ? milliseconds() : milliseconds);
  };
}

/** Move the focus among elements with arrow keys, so that all of them together are one stop of the Tab key.

columns: lists of elements; up and down move within one, left and right to the next one at the same height. */
export function moveByArrows(columns) {
  const all = columns.flat();
  all.forEach((node, index) => node.setAttribute("tabindex", index ? "-1" : "0"));
  columns.forEach((column, x) => {
    column.forEach((node, y) => {
      node.addEventListener("keydown", (event) => {
        const [dx, dy] = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key] ?? [0, 0];
        if (!dx && !dy) return;
        const to = columns[x + dx];
        const next = to?.[dx ? Math.min(y, to.length - 1) : y + dy];
        if (!next) return;
        event.preventDefault();
        all.forEach((each) => each.setAttribute("tabindex", "-1"));
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
  });
}

/** Make a text field one for a single line, as long as it may be: it grows, and line breaks become spaces. */
export function oneLine(field) {
  field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && event.preventDefault());
  field.addEventListener("input", () => {
    if (/[\r\n]/.test(field.value)) field.value = field.value.replace(/\s*[\r\n]+\s*/g, " ");
    grow(field);
  });
}

/** Make a text field as high as its text, where the browser does not do that itself. */
export function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${field.scrollHeight}px`);
}

/** Let keys scroll a place whose drawing is wider than it and has nothing to focus. */
export function scrollByKeys(place) {
  const needed = place.scrollWidth > place.clientWidth && !place.querySelector("[tabindex], button");
  if (needed) place.setAttribute("tabindex", "0");
  else place.removeAttribute("tabindex");
}

let pen = null;

/** Return the width of a text in pixels. */
export function textWidth(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = font;
  return pen.measureText(text).width;
}

/** Give an SVG text letters of a size in pixels, smaller where it is wider than the room, and return it. */
export function fit(node, room, size) {
  const width = textWidth(node.textContent, `${size}px system-ui, sans-serif`);
  node.style.setProperty("font-size", `${Math.min(size, (size * room) / width).toFixed(1)}px`);
  return node;
}
