// From a drawing to the picture that is sent to be read, and where the maps of its answer lie on the pad.

import { contextOf } from "./dom.js";
import { drawStrokes, extentOf, UNITS } from "./strokes.js";

/** @import { Drawing, Field, Photo, Picture, Placement } from "./types.d.ts" */

const SIDE = 128; // pixels of the picture
const ROOM = 1.6; // side of the picture over the longest side of the ink
const PHOTO = 480; // pixels on the longest side of a photo, once scaled down

const reading = contextOf(document.createElement("canvas"), { willReadFrequently: true });
reading.canvas.width = SIDE;
reading.canvas.height = SIDE;

/** @param {Drawing} drawing not blank @returns {Picture} */
export function pictureOf({ strokes, photo }) {
  if (photo) return photo;
  const { left, top, right, bottom } = extentOf(strokes);
  const side = ROOM * Math.max(right - left, bottom - top);
  const corner = [(left + right - side) / 2, (top + bottom - side) / 2];
  const scale = SIDE / side;
  reading.setTransform(1, 0, 0, 1, 0, 0);
  reading.clearRect(0, 0, SIDE, SIDE);
  reading.setTransform(scale, 0, 0, scale, -corner[0] * scale, -corner[1] * scale);
  drawStrokes(reading, strokes, "#000");
  return { text: reading.canvas.toDataURL("image/png"), left: corner[0], top: corner[1], unit: 1 / scale };
}

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
 * @param {Placement} picture @param {[number, number, number]} frame left, top and scale of the 28 x 28 in the picture
 * @returns {Field}
 */
export function fieldOf({ left, top, unit }, [x, y, scale]) {
  return { left: left + x * unit, top: top + y * unit, side: 28 * scale * unit };
}
