// Drawings on which the networks disagree: counted, kept over a visit, and shown.

import { fromText, isVariant, toText } from "./address.js";
import { KINDS } from "./corruptions.js";
import { find, write } from "./dom.js";
import { drawOn } from "./strokes.js";
import { codeOf, corruptionIn } from "./trials.js";

/** @import { SecondForm } from "./second.js" */
/** @import { Corruption, Shown, Stroke, Model } from "./types.d.ts" */
/** @typedef {{text: string, added: string, second: string, digits: number[]}} Find strokes, corruption and second model as in links */

const MEMORY = "camloss-found"; // the local storage's key
const MOST = 60; // that are kept; the oldest go first
const LONGEST = 8000; // characters of one

export class Found {
  /** @type {Find[]} the newest first */ #finds = [];

  /**
   * @param {HTMLElement} root of the tab @param {Model[]} models @param {SecondForm} second
   * @param {(strokes: Stroke[], corruption: Corruption | null, second: string) => void} open called where one is to be seen again
   */
  constructor(root, models, second, open) {
    this.root = root;
    this.models = models;
    this.second = second;
    this.open = open;
    this.#finds = remembered(models.length);
    this.draw();
    window.addEventListener("storage", ({ key }) => {
      if (key !== MEMORY && key !== null) return; // another tab has found one
      this.#finds = remembered(models.length);
      this.draw();
    });
  }

  /** Take it in, if they disagree about what a visitor drew. @param {Shown} shown */
  consider({ drawing, answer, models, question }) {
    const digits = models.map(({ variant }) => answer[variant].digit);
    if (new Set(digits).size < 2 || question.erase > 0 || drawing.strokes.length === 0) return;
    const second = models[1].variant === this.models[1].variant ? "" : models[1].variant;
    const find = { text: toText(drawing.strokes), added: codeOf(question.corruption), second, digits };
    if (find.text.length > LONGEST) return;
    this.#finds = remembered(this.models.length, this.#finds); // with those of other tabs
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
  #card({ text, added, second, digits }) {
    const card = document.createElement("button");
    card.type = "button";
    const strokes = fromText(text);
    const corruption = corruptionIn(added);
    const canvas = document.createElement("canvas");
    canvas.width = 128;
    canvas.height = 128;
    drawOn(canvas, { strokes, photo: null }, getComputedStyle(this.root).color);
    const words = document.createElement("span");
    const what = corruption ? KINDS[corruption.kind].name : "";
    this.models.forEach(({ colour }, i) => {
      const digit = document.createElement("b");
      digit.style.color = `var(--${colour})`;
      digit.textContent = String(digits[i]);
      words.append(digit);
    });
    const titles = [this.models[0].title, this.second.titleOf(second)];
    const reads = titles.map((title, i) => `${title} reads ${digits[i]}`).join(", ");
    card.setAttribute("aria-label", `Disagreement: ${reads}${what && `, with ${what} added`}`);
    card.append(canvas, words, Object.assign(document.createElement("small"), { textContent: what }));
    card.addEventListener("click", () => this.open(strokes, corruption, second));
    return card;
  }
}

/** @param {Find} one @param {Find} other */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Whether a drawing is that find with more strokes, or with another corruption. @param {Find} find @param {Stroke[]} strokes */
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

/**
 * What was kept, as far as this page could have written it.
 *
 * @param {number} networks @param {Find[]} [otherwise] where there is no storage
 * @returns {Find[]}
 */
function remembered(networks, otherwise = []) {
  try {
    const kept = JSON.parse(localStorage.getItem(MEMORY) ?? "[]");
    return kept
      .slice(0, MOST)
      .filter(
        (/** @type {Find} */ { text, added, second, digits }) =>
          text.length <= LONGEST &&
          fromText(text).length > 0 &&
          codeOf(corruptionIn(added)) === added &&
          isVariant(second) &&
          digits.length === networks &&
          digits.every((digit) => Number.isInteger(digit)),
      );
  } catch {
    return otherwise;
  }
}
