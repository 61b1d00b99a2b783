// What erasing changed on the Images tab.

import { find, write } from "./dom.js";

/** @import { ImageColumn } from "./image_column.js" */
/** @import { ImageAnswer } from "./types.d.ts" */

/** What became of each prediction without the top positions, and without as many others. */
export class LossTable {
  /** @param {HTMLElement} root of the tab @param {ImageColumn[]} columns */
  constructor(root, columns) {
    this.columns = columns;
    this.table = find(root, ".losses");
    this.fine = find(root, ".losses-fine");
    this.rows = columns.map(({ title }) => {
      const row = document.createElement("tr");
      row.innerHTML = `<th scope="row">${title}</th><td></td><td></td><td></td>`;
      find(this.table, "tbody").append(row);
      return row;
    });
  }

  /** @param {ImageAnswer | null} answer */
  show(answer) {
    this.table.hidden = !(answer && this.columns.every(({ variant }) => answer[variant].loss));
    this.fine.hidden = this.table.hidden;
    if (!answer) return;
    this.columns.forEach(({ variant, named }, i) => {
      const { loss } = answer[variant];
      if (!loss) return;
      const { before, top, middle, elsewhere } = loss;
      const told = (/** @type {{now: number, prob: number}} */ { now, prob }) => ({
        words: `${now === before ? "still" : "now"} ${named(now)} (${Math.round(100 * prob)}%)`,
        isLost: now !== before,
      });
      const moved = {
        words: `${named(before)} in ${elsewhere.kept} of ${elsewhere.draws} (${Math.round(100 * elsewhere.prob)}%)`,
        isLost: 2 * elsewhere.kept < elsewhere.draws,
      };
      const cells = this.rows[i].querySelectorAll("td");
      [told(top), moved, told(middle)].forEach(({ words, isLost }, cell) => {
        write(cells[cell], words);
        cells[cell].classList.toggle("lost", isLost);
      });
    });
  }
}
