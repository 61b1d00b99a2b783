// Maps to colours. A map arrives as bytes: 0 for its lowest possible value, 254 for 1.

import { contextOf } from "./dom.js";

/** @import { Palette } from "./types.d.ts" */

export const TOP = 254;

/** Base64 text to bytes. @param {string} text */
export function unpack(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** 256 colours as hexadecimal RGB to 256 pixels for an ImageData. @param {string} hex @returns {Palette} */
function paletteOf(hex) {
  const pixels = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = Number.parseInt(hex.slice(6 * i + 2 * c, 6 * i + 2 * c + 2), 16);
    pixels[4 * i + 3] = 255;
  }
  return new Uint32Array(pixels.buffer);
}

/** @param {Record<string, string>} tables by name, as in colours.json @returns {Record<string, Palette>} */
export function palettesOf(tables) {
  return Object.fromEntries(Object.entries(tables).map(([name, hex]) => [name, paletteOf(hex)]));
}

/**
 * Values between the cells' centres, bilinear, held constant beyond the outermost centres.
 *
 * @param {Uint8Array} bytes @param {number} height @param {number} width @param {number} factor
 */
function enlarge(bytes, height, width, factor) {
  const tall = new Float32Array(height * factor * width);
  for (let y = 0; y < height * factor; y++) {
    const at = Math.min(Math.max((y + 0.5) / factor - 0.5, 0), height - 1);
    const above = Math.floor(at);
    const below = Math.min(above + 1, height - 1);
    const share = at - above;
    for (let x = 0; x < width; x++) {
      tall[y * width + x] = bytes[above * width + x] * (1 - share) + bytes[below * width + x] * share;
    }
  }
  const large = new Uint8Array(height * factor * width * factor);
  for (let x = 0; x < width * factor; x++) {
    const at = Math.min(Math.max((x + 0.5) / factor - 0.5, 0), width - 1);
    const left = Math.floor(at);
    const right = Math.min(left + 1, width - 1);
    const share = at - left;
    for (let y = 0; y < height * factor; y++) {
      large[y * width * factor + x] = Math.round(
        tall[y * width + left] * (1 - share) + tall[y * width + right] * share,
      );
    }
  }
  return large;
}

/**
 * Paint bytes, row by row, on a canvas of one pixel a cell, or of several for smooth transitions.
 *
 * @param {HTMLCanvasElement} canvas @param {Uint8Array} bytes @param {[number, number]} size height and width
 * @param {Palette} palette @param {boolean} smooth
 */
export function colour(canvas, bytes, [height, width], palette, smooth) {
  const factor = smooth ? Math.max(1, Math.round(56 / width)) : 1;
  const values = factor > 1 ? enlarge(bytes, height, width, factor) : bytes;
  if (canvas.width !== width * factor) canvas.width = width * factor;
  if (canvas.height !== height * factor) canvas.height = height * factor;
  const image = new ImageData(width * factor, height * factor);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = palette[values[i]];
  contextOf(canvas).putImageData(image, 0, 0);
}

/** All colours of a palette in a row, lowest first. @param {HTMLCanvasElement} canvas @param {Palette} palette */
export function colourScale(canvas, palette) {
  colour(
    canvas,
    Uint8Array.from({ length: 256 }, (_, i) => i),
    [1, 256],
    palette,
    false,
  );
}

/** Make a canvas as fine as the screen shows it; true where that wiped it. @param {HTMLCanvasElement} canvas */
export function fit(canvas) {
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
  if (side === 0 || canvas.width === side) return false;
  canvas.width = side;
  canvas.height = side;
  return true;
}
