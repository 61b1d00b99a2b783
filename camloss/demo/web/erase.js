// Erasing: the top positions of a network's map, and beside it as much ink in an order that uses no network.

import { LAYOUT, words } from "./corruptions.js";

/**
 * The pixels on which a map is highest; of equals the one that comes first, row by row.
 *
 * @param {Float64Array} map of each pixel @param {number} share of all pixels, in [0, 1]
 * @returns {Uint8Array} 1 at the top positions
 */
export function topPositions(map, share) {
  const count = Math.round(share * map.length);
  const lowest = map.slice().sort()[map.length - count]; // of the top positions
  let equals = count - map.reduce((sum, value) => sum + (value > lowest ? 1 : 0), 0);
  const mask = new Uint8Array(map.length);
  map.forEach((value, i) => {
    if (value > lowest || (value === lowest && equals-- > 0)) mask[i] = 1;
  });
  return mask;
}

/** @param {Float32Array} pixels @param {Uint8Array} mask */
export const without = (pixels, mask) => pixels.map((ink, i) => (mask[i] ? 0 : ink));

/** How much ink a mask takes. @param {Float32Array} pixels @param {Uint8Array} mask */
export const inkUnder = (pixels, mask) => pixels.reduce((sum, ink, i) => sum + (mask[i] ? ink : 0), 0);

/**
 * The first inked pixels of an order that hold as much ink.
 *
 * @param {Float32Array} pixels @param {number[]} order @param {number} ink
 */
export function asMuch(pixels, order, ink) {
  const mask = new Uint8Array(pixels.length);
  let taken = 0;
  for (const i of order) {
    if (taken >= ink - 1e-6) break;
    mask[i] = 1;
    taken += pixels[i];
  }
  return mask;
}

/** Inked pixels by chance, ever the same for one number. @param {Float32Array} pixels @param {number} number */
export function byChance(pixels, number) {
  const chance = words(0, number, LAYOUT, pixels.length);
  return inked(pixels).sort((a, b) => chance[a] - chance[b]);
}

/** Inked pixels from the ink's centre of mass outwards. @param {Float32Array} pixels */
export function fromTheMiddle(pixels) {
  const side = Math.sqrt(pixels.length);
  let [sum, sumX, sumY] = [0, 0, 0];
  pixels.forEach((ink, i) => {
    sum += ink;
    sumX += ink * (i % side);
    sumY += ink * Math.floor(i / side);
  });
  const far = (/** @type {number} */ i) => Math.hypot((i % side) - sumX / sum, Math.floor(i / side) - sumY / sum);
  return inked(pixels).sort((a, b) => far(a) - far(b));
}

/** @param {Float32Array} pixels */
const inked = (pixels) => [...pixels.keys()].filter((i) => pixels[i] > 0);
