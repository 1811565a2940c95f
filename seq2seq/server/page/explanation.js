/** Calculations on an explanation: words from pieces, lines of a chosen mass, where two translations part. */

export const END = "end";

/** Return what is drawn on one side, each with its pieces from first to before last.

side: "source" or "target"; unit: "words" or "pieces". Pieces of no word, such as the end, stand for themselves. */
export function unitsOf(explanation, side, unit) {
  const { pieces, words, text } = explanation[side];
  const count = side === "source" ? explanation.attention[0]?.length ?? pieces.length : explanation.attention.length;
  const found = [];
  for (let first = 0; first < count; ) {
    const span = unit === "words" ? words.find(([start, end]) => start === first && end > first) : null;
    const last = Math.min(span?.[1] ?? first + 1, count);
    found.push({ side, first, last, ...labelOf(pieces, first, last, count, text) });
    first = last;
  }
  if (unit === "words") found.forEach((each) => Object.assign(each, { label: each.isEnd ? END : spoken(each.label) }));
  return found;
}

function labelOf(pieces, first, last, count) {
  const isEnd = first >= pieces.length || (first === count - 1 && pieces[first] === "</s>");
  return { isEnd, label: isEnd ? END : pieces.slice(first, last).join("") };
}

/** Return a piece without the mark of a word's beginning, as it is read aloud. */
export function spoken(piece) {
  return piece === "</s>" ? END : piece.replaceAll("▁", " ").trim() || "space";
}

/** Return a piece as it is shown. */
export function shown(piece) {
  return piece === "</s>" || piece === undefined ? END : piece;
}

/** Return the attention between units: of a target word the mean of its pieces, to a source word the sum of its pieces. */
export function weightsBetween(explanation, targets, sources) {
  return targets.map((target) => {
    const rows = explanation.attention.slice(target.first, target.last);
    return sources.map((source) => mean(rows.map((row) => sum(row.slice(source.first, source.last)))));
  });
}

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
const mean = (numbers) => (numbers.length ? sum(numbers) / numbers.length : 0);

/** Return the strongest lines of each row that together have at least the mass, in percent of the row. */
export function strongest(rows, mass) {
  return rows.flatMap((row, target) => {
    const order = row.map((weight, source) => ({ weight, source, target })).sort((a, b) => b.weight - a.weight);
    const wanted = (sum(row) * mass) / 100;
    let reached = 0;
    return order.filter(({ weight }) => {
      const needed = reached < wanted - 1e-9 && weight > 0;
      reached += weight;
      return needed;
    });
  });
}

/** Return what a word attends to, or who attends to it, in words: "sleeps 62 %, is 21 %". */
export function told(weights, units, most = 3) {
  const order = weights.map((weight, index) => ({ weight, index })).sort((a, b) => b.weight - a.weight);
  const parts = order.slice(0, most).filter(({ weight }) => weight >= 0.005);
  return parts.map(({ weight, index }) => `${units[index].label} ${percent(weight)}`).join(", ") || "nothing";
}

/** Return a share as percent, with a space that breaks no line. */
export function percent(share) {
  return `${share > 0 && share < 0.005 ? "<1" : Math.round(100 * share)}\u00a0%`;
}

/** Return two lists of words as [word, whether the other list has it there too], by their longest common part. */
export function compared(first, second) {
  const best = Array.from({ length: first.length + 1 }, () => new Array(second.length + 1).fill(0));
  for (let i = first.length - 1; i >= 0; i--) {
    for (let j = second.length - 1; j >= 0; j--) {
      best[i][j] = first[i] === second[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const left = first.map((word) => [word, false]);
  const right = second.map((word) => [word, false]);
  for (let i = 0, j = 0; i < first.length && j < second.length; ) {
    if (first[i] === second[j]) left[i++][1] = right[j++][1] = true;
    else if (best[i + 1][j] >= best[i][j + 1]) i++;
    else j++;
  }
  return [left, right];
}

/** Return how many words, or pieces, two lists have in common before they part. */
export function commonStart(first, second) {
  let count = 0;
  while (count < Math.min(first.length, second.length) && first[count] === second[count]) count++;
  return count;
}

/** Return the words of a text. */
export function wordsOf(text) {
  return text.split(/\s+/).filter(Boolean);
}

/** Return the nodes of the beam from the beginning to a node, without the root. */
export function ancestors(tree, id) {
  const nodes = new Map(tree.map((node) => [node.id, node]));
  const path = [];
  for (let node = nodes.get(id); node && node.step >= 0; node = nodes.get(node.parent)) path.unshift(node);
  return path;
}

/** Return the pieces of a hypothesis of the beam. */
export function pathTo(tree, id) {
  return ancestors(tree, id).map((node) => node.piece);
}
