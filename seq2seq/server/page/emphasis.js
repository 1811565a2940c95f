/** The word that is pointed at or focused, lit in all views at once; a click keeps it lit. */

/** One light for the views of one explanation. A span is {side, first, last} in pieces. */
export class Emphasis {
  #views = new Set();
  #pinned = [];
  #now = null;

  constructor(keep = () => {}) {
    this.keep = keep; // is called with the pinned spans
  }

  /** Forget the views, which are drawn anew. */
  forget() {
    this.#views.clear();
  }

  /** Call a function now and at each change, with a test whether a unit is lit (null: nothing is lit at all). */
  show(act) {
    this.#views.add(act);
    act(this.#test());
  }

  /** Light spans while an element is pointed at or has the focus. */
  follow(element, ...spans) {
    element.addEventListener("pointerenter", () => this.#set(spans));
    element.addEventListener("pointerleave", () => this.#set(null));
    element.addEventListener("focus", () => this.#set(spans));
    element.addEventListener("blur", () => this.#set(null));
  }

  /** Keep a span lit until it is chosen again. */
  pin(span) {
    this.#pinned = this.isPinned(span) ? [] : [span];
    this.keep(this.#pinned[0] ?? null);
    this.#tell();
  }

  /** Return whether this span is kept lit. */
  isPinned(span) {
    return this.#pinned.some((each) => each.side === span.side && each.first === span.first && each.last === span.last);
  }

  /** Light what a link names. */
  restore(span) {
    this.#pinned = span ? [span] : [];
    this.#tell();
  }

  #set(spans) {
    this.#now = spans;
    this.#tell();
  }

  #tell() {
    const test = this.#test();
    this.#views.forEach((act) => act(test));
  }

  #test() {
    const spans = this.#now ?? this.#pinned;
    if (!spans.length) return null;
    const test = (unit) => spans.some((span) => span.side === unit.side && span.first < unit.last && unit.first < span.last);
    test.sides = new Set(spans.map((span) => span.side));
    return test;
  }
}
