// The scoreboard: this drawing in many draws of what is added, and how often each network still reads its digit.

import { CARD } from "./card.js";
import { KINDS } from "./corruptions.js";
import { button, contextOf, find } from "./dom.js";
import { drawPixelsOn } from "./maps.js";
import { pngOf, save } from "./save.js";

/** @import { Corruption, Draws, Model } from "./types.d.ts" */
/** @typedef {{kind: string, models: Model[], result: Draws}} Found */

export const COUNT = 20; // draws
const STAMP = 96; // pixels, side of a small picture

/** That many draws of a corruption; of the canvas, which has none, sizes. @param {Corruption} corruption @returns {Corruption[]} */
export const drawsLike = ({ kind, strength }) =>
  Array.from({ length: COUNT }, (_, i) =>
    kind === "canvas" ? { kind, strength: (i + 1) / COUNT, seed: 0 } : { kind, strength, seed: i },
  );

/** In how many draws each network still reads its digit. @param {Draws} result @returns {number[]} */
export const tallyOf = ({ before, draws }) =>
  before.map((digit, i) => draws.filter(({ digits }) => digits[i] === digit).length);

export class Scoreboard {
  /** @type {Found | null} */ #shown = null;

  /**
   * @param {HTMLElement} root of the tab @param {Record<string, string>} palette of pictures
   * @param {() => Promise<Found | null>} run the draws; null where they cannot be had
   */
  constructor(root, palette, run) {
    this.root = root;
    this.palette = palette;
    this.run = button(root, "draws");
    this.saving = button(root, "board");
    this.stamps = find(root, ".stamps");
    this.tally = find(root, ".tally");
    this.run.addEventListener("click", async () => {
      this.run.disabled = true;
      const found = await run().finally(() => {
        this.run.disabled = false;
      });
      if (found) this.#show(found);
      else this.tally.textContent = "The draws run in your browser, once the networks are there.";
    });
    this.saving.addEventListener(
      "click",
      async () => this.#shown && save("camloss-draws.png", await pngOf(this.#card(this.#shown))),
    );
  }

  /** Forget draws of another drawing. @param {boolean} isReady whether there is a drawing to try */
  clear(isReady) {
    this.run.disabled = !isReady;
    if (!this.#shown && !this.tally.textContent) return;
    this.#shown = null;
    this.stamps.replaceChildren();
    this.tally.replaceChildren();
    this.saving.hidden = true;
  }

  /** In the colours of the theme. */
  restyle() {
    if (this.#shown) this.#show(this.#shown);
  }

  /** @param {Found} found */
  #told({ kind, models, result }) {
    const tally = tallyOf(result);
    const told = models.map(({ title }, i) => `${title} still reads ${result.before[i]} in ${tally[i]} of ${COUNT}`);
    return { score: tally.map((count) => `${count} of ${COUNT}`), told: `${told.join(", ")} ${KINDS[kind].draws}.` };
  }

  /** @param {Found} found */
  #show(found) {
    this.#shown = found;
    const { score, told } = this.#told(found);
    this.tally.replaceChildren(
      ...found.models.flatMap(({ colour }, i) => {
        const count = document.createElement("b");
        count.style.color = `var(--${colour})`;
        count.textContent = score[i];
        return i ? [" against ", count] : [count];
      }),
      Object.assign(document.createElement("span"), { textContent: told }),
    );
    const ink = getComputedStyle(this.root).color;
    this.stamps.replaceChildren(
      ...found.result.draws.map(({ seen, digits }) => {
        const stamp = document.createElement("div");
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = STAMP;
        drawPixelsOn(canvas, seen, ink);
        stamp.append(canvas, ...digitsIn(digits, found));
        return stamp;
      }),
    );
    this.saving.hidden = false;
  }

  /** The board as a picture, always dark on light. @param {Found} found */
  #card(found) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, CARD);
    const context = contextOf(canvas);
    const { fontFamily } = getComputedStyle(this.root);
    const write = (
      /** @type {string} */ text,
      /** @type {number} */ x,
      /** @type {number} */ y,
      /** @type {number} */ size,
      /** @type {string} */ ink,
    ) => {
      context.font = `700 ${size}px ${fontFamily}`;
      context.fillStyle = ink;
      context.fillText(text, x, y, CARD.width - x - 40);
    };
    context.fillStyle = this.palette.ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const { score, told } = this.#told(found);
    found.models.forEach(({ title, colour }, i) => {
      write(`${title} ${score[i]}`, 40 + i * 560, 76, 44, this.palette[colour]);
    });
    write(told, 40, 124, 24, this.palette.ink);
    const stamp = document.createElement("canvas");
    stamp.width = stamp.height = STAMP;
    found.result.draws.forEach(({ seen, digits }, i) => {
      const [x, y] = [40 + (i % 10) * 113, 160 + Math.floor(i / 10) * 210];
      drawPixelsOn(stamp, seen, this.palette.ink);
      context.fillStyle = this.palette.raised;
      context.fillRect(x, y, 103, 103);
      context.drawImage(stamp, x, y, 103, 103);
      found.models.forEach(({ colour }, k) => {
        write(String(digits[k]), x + 10 + k * 56, y + 148, 36, this.palette[colour]);
      });
    });
    write(location.origin + location.pathname, 40, 604, 18, this.palette.soft);
    return canvas;
  }
}

/** @param {number[]} digits in one draw @param {Found} found */
const digitsIn = (digits, { models, result }) =>
  models.map(({ colour, title }, i) => {
    const digit = document.createElement("b");
    digit.style.color = `var(--${colour})`;
    digit.classList.toggle("changed", digits[i] !== result.before[i]);
    digit.textContent = String(digits[i]);
    digit.title = `${title} reads ${digits[i]}`;
    return digit;
  });
