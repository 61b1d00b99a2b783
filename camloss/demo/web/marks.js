// Pointing at a map frames that cell in all maps and on the drawing, and tells the values.

import { find, write } from "./dom.js";
import { TOP } from "./heat.js";
import { PAD, placeIn, UNITS } from "./strokes.js";

/** @import { Tile } from "./maps.js" */
/** @import { Marked, Square } from "./types.d.ts" */
/** @typedef {{answer: {map_size: [number, number]}, square: Square}} OnMap what is shown, and where it lies on the pad */

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {Marked} root @param {Tile[]} tiles @param {() => OnMap | null} shownNow
 * @returns {() => void} takes the marks away
 */
export function followPointer(root, tiles, shownNow) {
  const spoken = find(root, ".pointed");
  /** @type {HTMLElement[]} */
  const frames = [...root.querySelectorAll(/** @type {"i"} */ ("i.cell"))];

  /** @param {[number, number] | null} cell column and row */
  function mark(cell) {
    const shown = shownNow();
    for (const frame of frames) {
      frame.hidden = !cell;
      if (!cell || !shown) continue;
      const isOnMap = tiles.some(({ canvas }) => canvas.parentElement === frame.parentElement);
      surround(frame, cell, shown.answer.map_size, isOnMap ? PAD : shown.square);
    }
    for (const tile of tiles) write(tile.value, cell && shown ? valueIn(tile, cell, shown.answer.map_size) : "");
    root.marked = cell;
  }

  for (const tile of tiles) {
    const { canvas } = tile;
    const follow = (/** @type {MouseEvent} */ event) =>
      mark(cellAt(placeIn(canvas.getBoundingClientRect(), event), shownNow()));
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("pointerdown", follow);
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && mark(null));
    canvas.addEventListener("blur", () => mark(null));
    canvas.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      const size = shownNow()?.answer.map_size;
      if (!step || !size) return;
      event.preventDefault();
      const [x, y] = root.marked ?? [Math.floor(size[1] / 2), Math.floor(size[0] / 2)];
      const cell = inside([x + step[0], y + step[1]], size);
      mark(cell);
      const told = cell && `column ${cell[0] + 1}, row ${cell[1] + 1}: ${valueIn(tile, cell, size)}`;
      write(spoken, told ?? "outside of the map");
    });
  }
  return () => mark(null);
}

/** The cell at a place on a map; null beside it. @param {[number, number]} place in thousandths of the map @param {OnMap | null} shown */
function cellAt([x, y], shown) {
  if (!shown) return null;
  const [height, width] = shown.answer.map_size;
  return inside([Math.floor((x / UNITS) * width), Math.floor((y / UNITS) * height)], [height, width]);
}

/** @param {[number, number]} cell @param {[number, number]} size of the map */
function inside([column, row], [height, width]) {
  const isInside = column >= 0 && row >= 0 && column < width && row < height;
  return isInside ? /** @type {[number, number]} */ ([column, row]) : null;
}

/** @param {HTMLElement} frame @param {[number, number]} cell @param {[number, number]} size of the map @param {Square} square where the map lies */
function surround(frame, [column, row], [height, width], { left, top, side, height: tall = side }) {
  const percentOf = (/** @type {number} */ units) => `${(100 * units) / UNITS}%`;
  frame.style.left = percentOf(left + (column * side) / width);
  frame.style.top = percentOf(top + (row * tall) / height);
  frame.style.width = percentOf(side / width);
  frame.style.height = percentOf(tall / height);
}

/** @param {Tile} tile @param {[number, number]} cell @param {[number, number]} size of the map */
function valueIn({ bytes, low }, [column, row], [, width]) {
  return (low + (bytes[row * width + column] / TOP) * (1 - low)).toFixed(2).replace("-", "−");
}
