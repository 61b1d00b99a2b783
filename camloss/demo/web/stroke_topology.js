// The topology of a written digit's strokes: what camloss/digits/stroke_topology.py and the thinning of
// camloss/digits/bitmap.py do. Pictures are square, row by row.

/** @import { Peak } from "./types.d.ts" */

const STROKE = 0.5; // a pixel with at least this much ink shapes the stroke that is thinned, or encloses a hole
export const INK = Math.fround(0.1); // a pixel with at least this much ink is part of a stroke
const NEAR = 3; // pixels
const DIGIT = 4; // pixels that the taller of two digits has at least
const TALL = 0.5; // of the height of all the ink

/** Columns and rows of the eight neighbours, clockwise from the one above. */
const AROUND = [
  [0, -1],
  [1, -1],
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
  [-1, 0],
  [-1, -1],
];

/** The eight neighbours of a pixel, 0 beyond the edge. @param {Uint8Array} mask @param {number} side @param {number} i */
function neighbours(mask, side, i) {
  const [x, y] = [i % side, Math.floor(i / side)];
  return AROUND.map(([dx, dy]) => {
    const inside = x + dx >= 0 && x + dx < side && y + dy >= 0 && y + dy < side;
    return inside ? mask[i + dy * side + dx] : 0;
  });
}

/** One pass of Guo and Hall's thinning. @param {Uint8Array} mask @param {number} side @param {boolean} fromLowerLeft */
function peeled(mask, side, fromLowerLeft) {
  return mask.map((ink, i) => {
    if (!ink) return 0;
    const [p2, p3, p4, p5, p6, p7, p8, p9] = neighbours(mask, side, i);
    const starts = (~p2 & (p3 | p4)) + (~p4 & (p5 | p6)) + (~p6 & (p7 | p8)) + (~p8 & (p9 | p2));
    const oneWay = (p9 | p2) + (p3 | p4) + (p5 | p6) + (p7 | p8);
    const otherWay = (p2 | p3) + (p4 | p5) + (p6 | p7) + (p8 | p9);
    const lines = Math.min(oneWay, otherWay);
    const spared = fromLowerLeft ? (p6 | p7 | (p9 ^ 1)) & p8 : (p2 | p3 | (p5 ^ 1)) & p4;
    return starts === 1 && lines >= 2 && lines < 4 && !spared ? 0 : 1;
  });
}

/** @param {Uint8Array} mask @param {number} side */
function thinned(mask, side) {
  const same = (/** @type {Uint8Array} */ one, /** @type {Uint8Array} */ other) => one.every((v, i) => v === other[i]);
  for (let before = mask; ; ) {
    const after = peeled(peeled(before, side, true), side, false);
    if (same(before, after)) return after;
    before = after;
  }
}

/** Where strokes meet: at least three lines leave. @param {Uint8Array} ink @param {number} side */
export function junctions(ink, side) {
  const lines = thinned(ink, side);
  return lines.map((line, i) => {
    if (!line) return 0;
    const around = neighbours(lines, side, i);
    return around.filter((here, k) => !here && around[(k + 1) % 8]).length >= 3 ? 1 : 0;
  });
}

/** What the strokes enclose. @param {Uint8Array} ink @param {number} side */
export function holes(ink, side) {
  const outside = new Uint8Array(ink.length);
  /** @type {number[]} */
  const open = [];
  /** @param {number} i */
  const reach = (i) => {
    if (ink[i] || outside[i]) return;
    outside[i] = 1;
    open.push(i);
  };
  for (let k = 0; k < side; k++) for (const i of [k, (side - 1) * side + k, k * side, k * side + side - 1]) reach(i);
  for (let i = open.pop(); i !== undefined; i = open.pop()) {
    const x = i % side;
    if (x > 0) reach(i - 1);
    if (x < side - 1) reach(i + 1);
    if (i >= side) reach(i - side);
    if (i < ink.length - side) reach(i + side);
  }
  return ink.map((here, i) => (here || outside[i] ? 0 : 1));
}

/**
 * Which part of the digit a position belongs to.
 *
 * @param {number} position @param {Float32Array} pixels @param {Float32Array} drawn what of them is the digit
 * @returns {Peak}
 */
export function partAt(position, pixels, drawn) {
  const side = Math.sqrt(drawn.length);
  const ink = Uint8Array.from(drawn, (value) => (value >= STROKE ? 1 : 0));
  if (holes(ink, side)[position]) return "hole";
  const far = (/** @type {number} */ i) =>
    Math.hypot((i % side) - (position % side), Math.floor(i / side) - Math.floor(position / side));
  if (junctions(ink, side).some((meet, i) => meet && far(i) <= NEAR)) return "junction";
  if (drawn[position] >= INK) return "stroke";
  return pixels[position] >= INK ? "added" : "beside";
}

/** Whether empty columns part the strokes into pieces of which two are tall. @param {Float32Array} pixels @param {number} side */
export function severalDigits(pixels, side) {
  /** @type {{top: number, bottom: number}[]} */
  const pieces = [];
  let before = false;
  for (let x = 0; x < side; x++) {
    let [top, bottom] = [side, -1];
    for (let y = 0; y < side; y++) {
      if (pixels[y * side + x] < STROKE) continue;
      top = Math.min(top, y);
      bottom = y;
    }
    const inked = bottom >= 0;
    if (inked && !before) pieces.push({ top, bottom });
    else if (inked) pieces.push(joined([/** @type {any} */ (pieces.pop()), { top, bottom }]));
    before = inked;
  }
  if (pieces.length < 2) return false;
  const height = (/** @type {{top: number, bottom: number}} */ { top, bottom }) => bottom - top + 1;
  if (height(joined(pieces)) < DIGIT) return false; // dots in a row
  const tall = TALL * height(joined(pieces));
  return pieces.filter((piece) => height(piece) >= tall).length >= 2;
}

/** @param {{top: number, bottom: number}[]} pieces */
const joined = (pieces) => ({
  top: Math.min(...pieces.map(({ top }) => top)),
  bottom: Math.max(...pieces.map(({ bottom }) => bottom)),
});
