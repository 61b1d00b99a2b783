// Drawings on which the networks disagree: counted, kept over a visit, and shown.

import { fromText, toText } from "./address.js";
import { find, write } from "./dom.js";
import { drawOn } from "./strokes.js";
import { codeOf, disturbanceIn } from "./trials.js";

/** @import { Disturbance, Shown, Stroke, Twin } from "./types.d.ts" */
/** @typedef {{text: string, added: string, digits: number[]}} Find strokes and disturbance as in links */

const MEMORY = "camloss-found"; // the local storage's key
const MOST = 60; // that are kept; the oldest go first

export class Found {
  /** @type {Find[]} the newest first */ #finds = [];

  /**
   * @param {HTMLElement} root of the tab @param {Twin[]} twins
   * @param {(strokes: Stroke[], disturbance: Disturbance | null) => void} open called where one is to be seen again
   */
  constructor(root, twins, open) {
    this.root = root;
    this.twins = twins;
    this.open = open;
    this.#finds = remembered(twins.length);
    this.draw();
  }

  /** Take it in, if they disagree about what a visitor drew. @param {Shown} shown */
  consider({ drawing, answer, question }) {
    const digits = this.twins.map(({ variant }) => answer[variant].digit);
    if (new Set(digits).size < 2 || question.rub > 0 || drawing.strokes.length === 0) return;
    const find = { text: toText(drawing.strokes), added: codeOf(question.disturbance), digits };
    const before = this.#finds[0];
    if (before && isSame(before, find)) return;
    const rest = before && goesOn(before, drawing.strokes) ? this.#finds.slice(1) : this.#finds;
    this.#finds = [find, ...rest].slice(0, MOST);
    remember(this.#finds);
    this.draw();
  }

  draw() {
    const count = this.#finds.length;
    write(find(this.root, ".count-found"), count === 0 ? "None found yet." : `${count} found.`);
    const place = find(this.root, ".finds");
    place.replaceChildren(...this.#finds.map((one) => this.#card(one)));
  }

  /** @param {Find} one */
  #card({ text, added, digits }) {
    const card = document.createElement("button");
    card.type = "button";
    const strokes = fromText(text);
    const disturbance = disturbanceIn(added);
    const canvas = document.createElement("canvas");
    canvas.width = 128;
    canvas.height = 128;
    drawOn(canvas, { strokes, photo: null }, getComputedStyle(this.root).color);
    const words = document.createElement("span");
    this.twins.forEach(({ colour }, i) => {
      const digit = document.createElement("b");
      digit.style.color = `var(--${colour})`;
      digit.textContent = String(digits[i]);
      words.append(digit);
    });
    const reads = this.twins.map(({ title }, i) => `${title} reads ${digits[i]}`).join(", ");
    card.setAttribute("aria-label", `Disagreement: ${reads}${disturbance ? `, with ${disturbance.kind} added` : ""}`);
    card.append(canvas, words);
    card.addEventListener("click", () => this.open(strokes, disturbance));
    return card;
  }
}

/** @param {Find} one @param {Find} other */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Whether a drawing is that find with more strokes, or with another disturbance. @param {Find} find @param {Stroke[]} strokes */
function goesOn({ text }, strokes) {
  const before = fromText(text);
  return toText(strokes.slice(0, before.length)) === text;
}

/** @param {Find[]} finds */
function remember(finds) {
  try {
    localStorage.setItem(MEMORY, JSON.stringify(finds));
  } catch {
    // private windows may have no storage: then the finds end with the visit
  }
}

/** What was kept, as far as this page could have written it. @param {number} networks @returns {Find[]} */
function remembered(networks) {
  try {
    const kept = JSON.parse(localStorage.getItem(MEMORY) ?? "[]");
    return kept.filter(
      (/** @type {Find} */ { text, added, digits }) =>
        fromText(text).length > 0 &&
        codeOf(disturbanceIn(added)) === added &&
        digits.length === networks &&
        digits.every((digit) => Number.isInteger(digit)),
    );
  } catch {
    return [];
  }
}
