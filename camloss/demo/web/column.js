// One network's column: the digit it reads, how sure it is of each, its two maps, and the numbers of each and of both.

import { find, percent, write } from "./dom.js";
import { Tile } from "./maps.js";

/** @import { Reading, Model } from "./types.d.ts" */

const SCORES = /** @type {const} */ (["area_above_half", "stroke_energy"]);
const EQUAL = 0.95; // similarity from which two maps count as one

/** A column of its own for a model, from the tab's template. @param {HTMLElement} root of the tab @param {Model} model */
export function articleOf(root, { variant, title, colour }) {
  const template = /** @type {HTMLTemplateElement} */ (find(root, "template.model"));
  const article = find(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), "article");
  article.dataset.variant = variant;
  article.setAttribute("aria-label", title);
  article.style.setProperty("--model", `var(--${colour})`);
  find(article, "h2").textContent = title;
  find(root, ".models").append(article);
  return article;
}

/**
 * Whether the two maps of a column count as one.
 *
 * @param {HTMLElement} article the column
 * @param {Pick<Reading, "contrast" | "similarity"> | null} reading
 */
export function showSimilarity(article, reading) {
  const similarity = reading && reading.contrast === null ? reading.similarity : null; // a contrast is no CAM
  write(find(article, ".match b"), similarity === null ? "" : similarity >= EQUAL ? "=" : "≠");
  write(find(article, ".match span"), similarity === null ? "" : `${Math.round(100 * similarity)}% similar`);
}

export class Column {
  /** @param {HTMLElement} root of the tab @param {Model} model */
  constructor(root, { variant, title, colour }) {
    const article = articleOf(root, { variant, title, colour });
    this.variant = variant;
    this.article = article;
    this.digit = find(article, ".digit");
    this.confidence = find(article, ".confidence");
    this.bars = find(article, ".bars");
    this.scores = SCORES.map((name) => ({ name, place: find(article, `[data-score=${name}]`) }));
    this.tiles = [...article.querySelectorAll("figure")].map((figure) => new Tile(figure, title));
    for (let digit = 0; digit < 10; digit++) {
      const bar = document.createElement("span");
      bar.innerHTML = `<i></i><b>${digit}</b>`;
      this.bars.append(bar);
    }
  }

  /** Stand for this model from now on. @param {Model} model */
  take({ variant, title }) {
    this.variant = variant;
    if (title === find(this.article, "h2").textContent) return;
    this.article.dataset.variant = variant;
    this.article.setAttribute("aria-label", title);
    write(find(this.article, "h2"), title);
    for (const tile of this.tiles) tile.title = title;
  }

  /** @param {Reading | null} reading null for a blank pad */
  show(reading) {
    write(this.digit, reading ? reading.digit : "–");
    write(this.confidence, reading ? percent(reading.probs[reading.digit]) : "");
    this.#showBars(reading);
    for (const { name, place } of this.scores) {
      write(place, reading ? `${Math.round(100 * reading[name])}%` : "–");
      place.style.setProperty("--share", String(reading ? reading[name] : 0));
    }
    showSimilarity(this.article, reading);
    for (const tile of this.tiles) tile.show(reading);
  }

  /** Without a word. @param {Reading | null} reading */
  showMaps(reading) {
    for (const tile of this.tiles) tile.showMap(reading);
  }

  /** @param {Reading | null} reading */
  #showBars(reading) {
    [...this.bars.children].forEach((bar, digit) => {
      bar.classList.toggle("first", reading?.digit === digit);
      const title = reading ? `${digit}: ${percent(reading.probs[digit])}` : "";
      const shown = /** @type {HTMLElement} */ (bar);
      if (shown.title === title) return; // most bars stay as they are
      shown.title = title;
      find(shown, "i").style.transform = `scaleY(${reading ? reading.probs[digit].toFixed(3) : 0})`;
    });
    const probs = reading?.probs ?? [];
    const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a]).slice(0, 3);
    const listed = order.map((digit) => `${digit} with ${percent(probs[digit])}`).join(", ");
    this.bars.setAttribute("aria-label", reading ? `Most probable: ${listed}` : "No answer yet");
  }
}
