// Photos as they are sent to be read, and where the maps of an answer lie on the pad.

import { contextOf } from "./dom.js";
import { unpack } from "./heat.js";
import { SIDE } from "./rasterize.js";
import { UNITS } from "./strokes.js";

/** @import { Square, Photo, Placement } from "./types.d.ts" */

const PHOTO = 480; // pixels on the longest side of a photo, once scaled down

/** Where strokes lie on the pad: they are in its own units. @type {Placement} */
export const ON_PAD = { left: 0, top: 0, unit: 1 };

/** Decode and scale down here: the server never sees the file. @param {File} file @returns {Promise<Photo>} */
export async function photoFrom(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const shrink = Math.min(1, PHOTO / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
  canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const unit = UNITS / Math.max(canvas.width, canvas.height);
  const [left, top] = [(UNITS - canvas.width * unit) / 2, (UNITS - canvas.height * unit) / 2];
  return { canvas, text: canvas.toDataURL("image/png"), left, top, unit };
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
