/** Pictures and data for elsewhere: a drawing as SVG or PNG, an explanation as JSON. */

import { shape } from "./dom.js";

// What a drawing takes from the style sheet, and must carry with it.
const CARRIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "font-family", "font-size", "font-style", "font-weight", "opacity", "visibility"];
const MARGIN = 16;

/** Return a drawing as an SVG that needs no style sheet, on the page's own ground. */
export function standAlone(svg) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of CARRIED) {
      const value = style.getPropertyValue(name);
      if (value) node.setAttribute(name, value.replaceAll('"', "'"));
    }
    for (const name of [...node.attributes].map((each) => each.name)) {
      if (/^(class|style|tabindex|role|aria-)/.test(name)) node.removeAttribute(name);
    }
  });
  const { width, height } = svg.viewBox.baseVal;
  const [wide, high] = [width + 2 * MARGIN, height + 2 * MARGIN];
  const ground = getComputedStyle(document.body).backgroundColor;
  copy.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${wide} ${high}`);
  copy.setAttribute("width", wide);
  copy.setAttribute("height", high);
  copy.prepend(shape("title", {}, svg.getAttribute("aria-label") ?? ""), shape("rect", { x: -MARGIN, y: -MARGIN, width: wide, height: high, fill: ground }));
  return copy;
}

function asText(svg) {
  return new XMLSerializer().serializeToString(standAlone(svg));
}

/** Have the browser save a drawing as SVG. */
export function saveSvg(svg, name) {
  save(new Blob([asText(svg)], { type: "image/svg+xml" }), `${name}.svg`);
}

/** Have the browser save a drawing as PNG, twice as large as it is shown. */
export async function savePng(svg, name) {
  const address = URL.createObjectURL(new Blob([asText(svg)], { type: "image/svg+xml" }));
  try {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * picture.width;
    canvas.height = 2 * picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    save(await new Promise((done) => canvas.toBlob(done, "image/png")), `${name}.png`);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Have the browser save data as JSON. */
export function saveJson(data, name) {
  save(new Blob([`${JSON.stringify(data, null, 1)}\n`], { type: "application/json" }), `${name}.json`);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
