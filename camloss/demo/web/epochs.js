// Epoch snapshots: what both networks saw in the same drawing after some epochs of their training.

import { atEpochOf } from "./answer.js";
import { control, find, percent, write } from "./dom.js";
import { reader } from "./reader.js";

/** @import { AtEpoch, Drawing, Epoch, EpochQuestion, Server, Model } from "./types.d.ts" */

/** @typedef {{drawing: Drawing, networks: string} & Omit<EpochQuestion, "epoch">} Subject */

const WITHOUT = "Up to here both have learnt from cross-entropy alone.";
const WITH_LOSS = "By now one of them is trained with CAM-loss as well.";
const MAPS = /** @type {const} */ (["cam", "caam"]);

export class Epochs {
  /** @type {Epoch[]} */ #epochs = [];
  /** @type {Subject | null} */ #subject = null;
  /** @type {{epoch: Epoch, readings: AtEpoch} | null} */ #shown = null;
  #asked = 0;

  /**
   * @param {HTMLElement} root of the tab @param {Model[]} models @param {Server} server
   * @param {(canvas: HTMLCanvasElement, map: string, size: [number, number]) => void} paintTile
   */
  constructor(root, models, server, paintTile) {
    this.section = find(root, ".epochs");
    this.slider = control(root, "epoch");
    this.server = server;
    this.paintTile = paintTile;
    this.parts = models.map((model) => partOf(find(root, "[data-show=epochs]"), model));
    this.slider.addEventListener("input", () => this.#ask());
  }

  /** Show this from now on, where the pair's training kept something to show. @param {Subject} subject */
  async show(subject) {
    this.#subject = subject;
    const epochs = (await reader.snapshots(subject.networks)) ?? [];
    if (this.#subject !== subject) return;
    const atEnd = this.slider.value === this.slider.max;
    this.#epochs = epochs;
    this.slider.max = String(Math.max(epochs.length - 1, 0));
    if (atEnd) this.slider.value = this.slider.max;
    await this.#ask();
  }

  async #ask() {
    const epoch = this.#epochs[Number(this.slider.value)];
    const [asked, subject] = [++this.#asked, this.#subject];
    const { drawing, networks, ...question } = /** @type {Subject} */ (subject);
    const isOfPair = this.parts.every(({ variant }) => variant in question.classes); // snapshots are of these alone
    const readings =
      epoch && isOfPair
        ? await atEpochOf(drawing, networks, { epoch: epoch.epoch, ...question }, this.server).catch(() => null)
        : null;
    if (asked !== this.#asked) return;
    this.#shown = readings && { epoch, readings };
    this.section.hidden = this.#shown === null;
    this.paint();
  }

  paint() {
    if (!this.#shown) return;
    const { epoch, readings } = this.#shown;
    const when = `epoch ${epoch.epoch} of ${this.#epochs[this.#epochs.length - 1].epoch}`;
    this.slider.setAttribute("aria-valuetext", when);
    write(find(this.section, "output"), when);
    write(find(this.section, ".since"), epoch.alpha > 0 ? WITH_LOSS : WITHOUT);
    for (const { title, variant, canvases, numbers } of this.parts) {
      const { map_size, digit, area_above_half, similarity, ...maps } = readings[variant];
      for (const name of MAPS) {
        this.paintTile(canvases[name], maps[name], map_size);
        canvases[name].setAttribute("aria-label", `${title}, ${name.toUpperCase()} after ${when}`);
      }
      write(numbers.digit, digit);
      write(numbers.area, `${Math.round(100 * area_above_half)}% of the image`);
      write(numbers.similarity, `${Math.round(100 * similarity)}%`);
      write(numbers.accuracy, percent(epoch.accuracy[variant]));
    }
  }
}

/** One network's part. @param {HTMLElement} place @param {Model} model */
function partOf(place, { variant, title, colour }) {
  const part = document.createElement("div");
  part.className = "model";
  part.style.setProperty("--model", `var(--${colour})`);
  const tile = (/** @type {string} */ name) =>
    `<div data-map="${name}"><div class="tile"><canvas role="img"></canvas></div><p>${name.toUpperCase()}</p></div>`;
  const row = (/** @type {string} */ name, /** @type {string} */ words) =>
    `<div><dt>${words}</dt><dd data-number="${name}"></dd></div>`;
  part.innerHTML = `<h3>${title}</h3><div class="maps">${MAPS.map(tile).join("")}</div>
    <dl>${row("digit", "reads")}${row("area", "area above half maximum")}${row("similarity", "CAM-CAAM similarity")}${row("accuracy", "validation accuracy")}</dl>`;
  place.append(part);
  const number = (/** @type {string} */ name) => find(part, `[data-number=${name}]`);
  const canvas = (/** @type {string} */ name) =>
    /** @type {HTMLCanvasElement} */ (find(part, `[data-map=${name}] canvas`));
  return {
    variant,
    title,
    canvases: { cam: canvas("cam"), caam: canvas("caam") },
    numbers: {
      digit: number("digit"),
      area: number("area"),
      similarity: number("similarity"),
      accuracy: number("accuracy"),
    },
  };
}
