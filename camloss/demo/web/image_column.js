// One network's column of the Images tab: the class it predicts, its maps, and the most probable classes.

import { articleOf, showSimilarity } from "./column.js";
import { find, percent, write } from "./dom.js";
import { Tile } from "./maps.js";

/** @import { ImageReading, Model } from "./types.d.ts" */

const LISTED = 5; // of the most probable classes

export class ImageColumn {
  /**
   * @param {HTMLElement} root of the tab @param {Model} model @param {(class_idx: number) => string} named
   * @param {(class_idx: number) => void} explain called where a class is chosen
   */
  constructor(root, { variant, title, colour }, named, explain) {
    const article = articleOf(root, { variant, title, colour });
    this.variant = variant;
    this.article = article;
    this.title = title;
    this.named = named;
    this.explain = explain;
    this.predicted = find(article, ".predicted b");
    this.confidence = find(article, ".confidence");
    this.area = find(article, "dd");
    this.list = find(article, ".classes");
    this.tiles = [...article.querySelectorAll("figure")].map((figure) => new Tile(figure, title, named));
    this.rows = Array.from({ length: LISTED }, () => this.#addRow());
    this.show(null);
  }

  #addRow() {
    const row = document.createElement("button");
    row.type = "button";
    row.hidden = true;
    row.innerHTML = "<span></span> <b></b>";
    row.addEventListener("click", () => this.explain(Number(row.dataset.class)));
    this.list.append(row);
    return row;
  }

  /** @param {ImageReading | null} reading null without a picture */
  show(reading) {
    write(this.predicted, reading ? this.named(reading.predicted) : "–");
    write(this.confidence, reading ? percent(reading.probs[reading.predicted]) : "");
    write(this.area, reading ? `${Math.round(100 * reading.area_above_half)}%` : "–");
    this.area.style.setProperty("--share", String(reading?.area_above_half ?? 0));
    this.#list(reading);
    showSimilarity(this.article, reading);
    for (const tile of this.tiles) tile.show(reading);
  }

  /** @param {ImageReading | null} reading */
  #list(reading) {
    const probs = reading?.probs ?? [];
    const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a]);
    this.rows.forEach((row, i) => {
      const class_idx = order[i];
      row.hidden = reading !== null && class_idx === undefined; // there are no more
      row.disabled = class_idx === undefined;
      row.dataset.class = String(class_idx);
      row.style.setProperty("--share", row.disabled ? "0" : probs[class_idx].toFixed(3));
      row.setAttribute("aria-pressed", String(class_idx === reading?.class_idx && !row.disabled));
      write(find(row, "span"), row.disabled ? "–" : this.named(class_idx));
      write(find(row, "b"), row.disabled ? "" : percent(probs[class_idx]));
    });
  }
}
