// Photos as they are sent to be read, and where the maps of an answer lie on the pad.

import { contextOf } from "./dom.js";
import { unpack } from "./heat.js";
import { SIDE } from "./rasterize.js";
import { UNITS } from "./strokes.js";

/** @import { Square, Photo, Placement } from "./types.d.ts" */

const PHOTO = 480; // pixels on the longest side of a photo, once scaled down
const MOST = 150; // megapixels of a picture: to decode them takes four times as many megabytes

/** Where strokes lie on the pad: they are in its own units. @type {Placement} */
export const ON_PAD = { left: 0, top: 0, unit: 1 };

export class TooLarge extends Error {}

/** Decode and scale down here: the server never sees the file. @param {File} file @returns {Promise<Photo>} */
export async function photoFrom(file) {
  const canvas = await canvasOf(file, PHOTO);
  const unit = UNITS / Math.max(canvas.width, canvas.height);
  const [left, top] = [(UNITS - canvas.width * unit) / 2, (UNITS - canvas.height * unit) / 2];
  return { canvas, text: canvas.toDataURL("image/png"), left, top, unit };
}

/**
 * A picture, the right side up.
 *
 * @param {File | Blob} file @param {number} longest of its sides, in pixels, once scaled down
 * @returns {Promise<HTMLCanvasElement>}
 * @throws {TooLarge} @throws {Error} the browser cannot read it
 */
export async function canvasOf(file, longest) {
  await checkSize(file);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const canvas = shrunk(bitmap, longest / Math.max(bitmap.width, bitmap.height));
  bitmap.close();
  return canvas;
}

/** A picture scaled down. @param {ImageBitmap | HTMLCanvasElement} picture @param {number} scale never enlarged */
export function shrunk(picture, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * Math.min(1, scale)));
  canvas.height = Math.max(1, Math.round(picture.height * Math.min(1, scale)));
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Its size is known before its pixels are decoded. @param {File | Blob} file @throws {TooLarge} */
async function checkSize(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  await new Promise((resolve) => {
    image.onload = image.onerror = resolve;
  });
  URL.revokeObjectURL(image.src);
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height <= MOST * 1e6) return;
  const name = file instanceof File && file.name ? file.name : "This picture";
  throw new TooLarge(`${name} is too large: ${width} by ${height} pixels. Scale it to at most ${MOST} megapixels.`);
}

/**
 * Where what the networks were given lies on the pad.
 *
 * @param {Placement} placement of the picture or the strokes
 * @param {{frame: [number, number, number], seen?: string}} answer
 * @returns {Square}
 */
export function squareOf({ left, top, unit }, { frame: [x, y, scale], seen }) {
  const side = seen ? Math.sqrt(unpack(seen).length) : SIDE;
  return { left: left + x * unit, top: top + y * unit, side: side * scale * unit };
}
