// One network's column: the digit it reads, how sure it is of each, its two maps, and the numbers of each and of both.

import { find, percent, write } from "./dom.js";
import { Tile } from "./maps.js";

/** @import { Reading, Model } from "./types.d.ts" */

const SCORES = /** @type {const} */ (["area_above_half", "stroke_energy"]);
const EQUAL = 0.95; // similarity from which two maps count as one

export class Column {
  /** @param {HTMLElement} root of the tab @param {Model} model */
  constructor(root, { variant, title, colour }) {
    const template = /** @type {HTMLTemplateElement} */ (find(root, "template.model"));
    const article = find(/** @type {DocumentFragment} */ (template.content.cloneNode(true)), "article");
    article.dataset.variant = variant;
    article.setAttribute("aria-label", title);
    article.style.setProperty("--model", `var(--${colour})`);
    find(article, "h2").textContent = title;
    find(root, ".models").append(article);
    this.variant = variant;
    this.digit = find(article, ".digit");
    this.confidence = find(article, ".confidence");
    this.bars = find(article, ".bars");
    this.scores = SCORES.map((name) => ({ name, place: find(article, `[data-score=${name}]`) }));
    this.sign = find(article, ".match b");
    this.match = find(article, ".match span");
    this.tiles = [...article.querySelectorAll("figure")].map((figure) => new Tile(figure, title));
    for (let digit = 0; digit < 10; digit++) {
      const bar = document.createElement("span");
      bar.innerHTML = `<i></i><b>${digit}</b>`;
      this.bars.append(bar);
    }
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
    const similarity = reading && reading.contrast === null ? reading.similarity : null; // a contrast is no CAM
    write(this.sign, similarity === null ? "" : similarity >= EQUAL ? "=" : "≠");
    write(this.match, similarity === null ? "" : `${Math.round(100 * similarity)}% similar`);
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
