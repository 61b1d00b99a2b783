// Corruptions of a digit: camloss/digits/corruptions.py for one picture, number by number. Pictures are square, of
// bytes, white ink on black; random is a hash in 32-bit whole numbers.

/** @import { Corruption, Sketch } from "./types.d.ts" */

const DIGIT = 28; // pixels, side of a digit's own picture
const FRAGMENT = 8; // pixels, side of a fragment
const [SQUARES, SOURCES, , SALT, LINES, NOISE] = [0, 1, 2, 3, 4, 5]; // purposes, so that none repeats another
export const LAYOUT = 7;

/** @param {number} value of 32 bits */
function stirred(value) {
  let word = (value + 0x9e3779b9) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d) >>> 0;
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b) >>> 0;
  return (word ^ (word >>> 16)) >>> 0;
}

/**
 * Random words of 32 bits that are ever the same: the hash of (seed, image, purpose, index).
 *
 * @param {number} seed @param {number} number which image it is @param {number} purpose @param {number} count
 */
export function words(seed, number, purpose, count) {
  const state = stirred(stirred(stirred(seed) + number) + purpose);
  return Uint32Array.from({ length: count }, (_, i) => stirred(state + i));
}

/** A digit in the middle of a blank canvas. @param {Uint8Array} digit @param {number} side */
export function onCanvas(digit, side) {
  const start = Math.floor((side - DIGIT) / 2);
  const canvas = new Uint8Array(side * side);
  for (let y = 0; y < DIGIT; y++) {
    canvas.set(digit.subarray(y * DIGIT, (y + 1) * DIGIT), (start + y) * side + start);
  }
  return canvas;
}

/**
 * A digit in the middle of a canvas, clutter of other digits along its border.
 *
 * @param {Uint8Array} digit @param {number} number which image it is @param {Uint8Array[]} pool that clutter is cut from
 * @param {number} count @param {number} side @param {number} seed
 */
export function amongClutter(digit, number, pool, count, side, seed) {
  const starts = ring(side);
  const squares = picked(words(seed, number, SQUARES, count), starts.length);
  const source = words(seed, number, SOURCES, 3 * count);
  const canvas = onCanvas(digit, side);
  squares.forEach((square, fragment) => {
    const cut = pool[source[3 * fragment] % pool.length];
    const [fromY, fromX] = [6 + (source[3 * fragment + 1] % 9), 6 + (source[3 * fragment + 2] % 9)];
    const [toY, toX] = starts[square];
    for (let y = 0; y < FRAGMENT; y++) {
      for (let x = 0; x < FRAGMENT; x++) {
        const to = (toY + y) * side + toX + x;
        canvas[to] = Math.max(canvas[to], cut[(fromY + y) * DIGIT + fromX + x]);
      }
    }
  });
  return canvas;
}

/** Row and column where each square along the border begins. @param {number} side @returns {[number, number][]} */
function ring(side) {
  const last = Math.floor(side / FRAGMENT) - 1;
  const first = Math.floor((side % FRAGMENT) / 2);
  /** @type {[number, number][]} */
  const starts = [];
  for (let y = 0; y <= last; y++) {
    for (let x = 0; x <= last; x++) {
      if ([x, y].some((at) => at === 0 || at === last)) starts.push([first + FRAGMENT * y, first + FRAGMENT * x]);
    }
  }
  return starts;
}

/** The first entries of a shuffle. @param {Uint32Array} random one word an entry @param {number} among */
function picked(random, among) {
  const order = Array.from({ length: among }, (_, i) => i);
  random.forEach((word, place) => {
    const other = place + (word % (among - place));
    [order[place], order[other]] = [order[other], order[place]];
  });
  return order.slice(0, random.length);
}

/**
 * Salt noise: grains of 2 x 2 white pixels, on the digit too.
 *
 * @param {Uint8Array} picture @param {number} number which image it is @param {number} count @param {number} seed
 */
export function saltNoise(picture, number, count, seed) {
  const side = Math.sqrt(picture.length);
  const result = picture.slice();
  const grains = words(seed, number, SALT, 2 * count);
  for (let i = 0; i < count; i++) {
    const at = (grains[2 * i] % (side - 1)) * side + (grains[2 * i + 1] % (side - 1));
    for (const next of [0, 1, side, side + 1]) result[at + next] = 255;
  }
  return result;
}

/**
 * A digit in the middle of a canvas with a white line from edge to edge beside it.
 *
 * @param {Uint8Array} digit @param {number} number which image it is @param {number} side @param {number} seed
 */
export function line(digit, number, side, seed) {
  const margin = Math.floor((side - DIGIT) / 2);
  const canvas = onCanvas(digit, side);
  const [where, random] = words(seed, number, LINES, 2);
  const offset = random % (margin - 1);
  const start = where & 1 ? side - 2 - offset : offset;
  const upright = (where >>> 1) & 1;
  for (const at of [start, start + 1]) {
    for (let i = 0; i < side; i++) canvas[upright ? i * side + at : at * side + i] = 255;
  }
  return canvas;
}

/**
 * Gaussian noise on every pixel, nearly normal, cut off at black and white.
 *
 * @param {Uint8Array} picture @param {number} number which image it is @param {number} level standard deviation, of 255
 * @param {number} seed
 */
export function gaussianNoise(picture, number, level, seed) {
  const three = words(seed, number, NOISE, 3 * picture.length);
  return picture.map((ink, i) => {
    let total = -1530;
    for (const word of three.subarray(3 * i, 3 * i + 3)) {
      for (const bits of [0, 8, 16, 24]) total += (word >>> bits) & 0xff;
    }
    return Math.min(Math.max(ink + ((total * level) >> 8), 0), 255);
  });
}

/**
 * What the page can add, by its name in links. `amount` is what a strength in [0, 1] comes to, `usual` the strength that
 * the study has.
 *
 * @type {Record<string, import("./types.d.ts").CorruptionKind>}
 */
export const KINDS = {
  canvas: {
    amount: (strength) => DIGIT + 2 * Math.round(28 * strength),
    add: (digit, side) => onCanvas(digit, side),
    usual: 0.5,
    told: (side) => `${side} pixels wide`,
    name: "white space",
    draws: "sizes of the canvas",
    among: "On a larger canvas",
  },
  clutter: {
    amount: (strength) => Math.round(16 * strength),
    add: (digit, count, seed, pool) => amongClutter(digit, 0, pool, count, 2 * DIGIT, seed),
    usual: 0.5,
    told: (count) => `${count} fragments`,
    name: "clutter",
    draws: "draws of clutter",
    among: "Among clutter",
  },
  line: {
    amount: () => 1,
    add: (digit, _, seed) => line(digit, 0, 2 * DIGIT, seed),
    usual: 0.5,
    told: () => "one line",
    name: "a line",
    draws: "draws of a line",
    among: "Beside a line",
  },
  salt_noise: {
    amount: (strength) => Math.round(40 * strength),
    add: (digit, count, seed) => saltNoise(digit, 0, count, seed),
    usual: 0.25,
    told: (count) => `${count} grains`,
    name: "salt noise",
    draws: "draws of salt noise",
    among: "In salt noise",
  },
  gaussian_noise: {
    amount: (strength) => Math.round(128 * strength),
    add: (digit, level, seed) => gaussianNoise(digit, 0, level, seed),
    usual: 0.4,
    told: (level) => `deviation ${level} of 255`,
    name: "noise",
    draws: "draws of Gaussian noise",
    among: "In noise",
  },
};

/**
 * What the networks are given in place of a digit, where it lies, and what of it is the digit.
 *
 * @param {Sketch} sketch @param {Corruption} corruption @param {Uint8Array[]} pool that clutter is cut from
 * @returns {Sketch & {drawn: Float32Array}}
 */
export function corrupted({ pixels, frame: [left, top, scale] }, { kind, strength, seed }, pool) {
  const digit = asBytes(pixels);
  const { add, amount } = KINDS[kind];
  const result = add(digit, amount(strength), seed, pool);
  const side = Math.sqrt(result.length);
  const off = Math.floor((side - DIGIT) / 2) * scale;
  const asInk = (/** @type {Uint8Array} */ bytes) => new Float32Array(bytes).map((ink) => ink / 255);
  return { pixels: asInk(result), drawn: asInk(onCanvas(digit, side)), frame: [left - off, top - off, scale] };
}

/** @param {Float32Array} pixels in [0, 1] */
export const asBytes = (pixels) => Uint8Array.from(pixels, (ink) => Math.round(255 * ink));
