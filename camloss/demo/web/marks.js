// Pointing at a map frames that cell in all maps and on the drawing, and tells the values.

import { find, write } from "./dom.js";
import { TOP } from "./heat.js";
import { state } from "./state.js";
import { PAD, placeIn, UNITS } from "./strokes.js";

/** @import { Tile } from "./maps.js" */
/** @import { DrawElement } from "./types.d.ts" */

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {DrawElement} root @param {Tile[]} tiles
 * @returns {() => void} takes the marks away
 */
export function followPointer(root, tiles) {
  const spoken = find(root, ".pointed");
  /** @type {HTMLElement[]} */
  const frames = [...root.querySelectorAll(/** @type {"i"} */ ("i.cell"))];

  /** @param {[number, number] | null} cell column and row */
  function mark(cell) {
    for (const frame of frames) {
      frame.hidden = !cell;
      if (cell)
        surround(
          frame,
          cell,
          tiles.some(({ canvas }) => canvas.parentElement === frame.parentElement),
        );
    }
    for (const tile of tiles) write(tile.value, cell ? valueIn(tile, cell) : "");
    root.marked = cell;
  }

  for (const tile of tiles) {
    const { canvas } = tile;
    const follow = (/** @type {MouseEvent} */ event) => mark(cellAt(placeIn(canvas.getBoundingClientRect(), event)));
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("pointerdown", follow);
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && mark(null));
    canvas.addEventListener("blur", () => mark(null));
    canvas.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step || !state.shown) return;
      event.preventDefault();
      const [height, width] = state.shown.answer.map_size;
      const [x, y] = root.marked ?? [Math.floor(width / 2), Math.floor(height / 2)];
      const cell = inside([x + step[0], y + step[1]]);
      mark(cell);
      write(spoken, cell ? `column ${cell[0] + 1}, row ${cell[1] + 1}: ${valueIn(tile, cell)}` : "outside of the map");
    });
  }
  return () => mark(null);
}

/** The cell at a place on a map; null beside it. @param {[number, number]} place in thousandths of the map */
function cellAt([x, y]) {
  const [height, width] = state.shown?.answer.map_size ?? [1, 1];
  return inside([Math.floor((x / UNITS) * width), Math.floor((y / UNITS) * height)]);
}

/** @param {[number, number]} cell */
function inside([column, row]) {
  if (!state.shown) return null;
  const [height, width] = state.shown.answer.map_size;
  const isInside = column >= 0 && row >= 0 && column < width && row < height;
  return isInside ? /** @type {[number, number]} */ ([column, row]) : null;
}

/** @param {HTMLElement} frame @param {[number, number]} cell @param {boolean} onMap rather than on the pad */
function surround(frame, [column, row], onMap) {
  if (!state.shown) return;
  const { answer } = state.shown;
  const square = onMap || answer.is_corrupted ? PAD : state.shown.square; // the pad then shows what the maps cover
  const [height, width] = answer.map_size;
  const percentOf = (/** @type {number} */ units) => `${(100 * units) / UNITS}%`;
  frame.style.left = percentOf(square.left + (column * square.side) / width);
  frame.style.top = percentOf(square.top + (row * square.side) / height);
  frame.style.width = percentOf(square.side / width);
  frame.style.height = percentOf(square.side / height);
}

/** @param {Tile} tile @param {[number, number]} cell */
function valueIn({ bytes, low }, [column, row]) {
  const width = state.shown?.answer.map_size[1] ?? 1;
  return (low + (bytes[row * width + column] / TOP) * (1 - low)).toFixed(2).replace("-", "−");
}
