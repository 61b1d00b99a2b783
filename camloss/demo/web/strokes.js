// A drawing is a list of strokes, {width, points: [x, y, x, y, ...]}, in whole units of which the pad has UNITS on each
// side: it survives a resize and a change of theme, and fits in a link. Or it is a photo.

import { contextOf } from "./dom.js";

/** @import { Drawing, Square, Stroke } from "./types.d.ts" */

export const UNITS = 1000;
export const MAX_POINTS = 10000; // of all strokes together: as many as the server takes, a hundred digits' worth
const OUTLINE = 2.4; // both edges of a stroke together, in pixels of the screen

/** @type {Square} the whole of it */
export const PAD = { left: 0, top: 0, side: UNITS };

/** @type {Drawing} */
export const EMPTY = { strokes: [], photo: null };

/** @param {Drawing} drawing */
export function isBlank(drawing) {
  return drawing.strokes.length === 0 && drawing.photo === null;
}

/** @param {Stroke[]} strokes */
export const countPoints = (strokes) => strokes.reduce((sum, { points }) => sum + points.length / 2, 0);

/**
 * Strokes of at most so many points, if need be with fewer on the way: first those that lie on the line between their
 * neighbours. Each keeps its ends.
 *
 * @param {Stroke[]} strokes @param {number} most @returns {Stroke[]}
 */
export function thinned(strokes, most) {
  let kept = strokes;
  for (let off = 0.5; countPoints(kept) > most && off < 1e6; off *= 2) {
    kept = kept.map(({ width, points }) => ({ width, points: withoutNear(points, off) }));
  }
  return kept;
}

/**
 * Every second point goes, where it is no farther off the line between its neighbours.
 *
 * @param {number[]} points @param {number} off units
 */
function withoutNear(points, off) {
  const last = points.length - 2;
  return points.filter((_, i) => {
    const at = i - (i % 2);
    return at % 4 === 0 || at === last || distanceToLine(points, at) > off;
  });
}

/** Of a point to the line through its neighbours. @param {number[]} points @param {number} at */
function distanceToLine(points, at) {
  const [x, y] = [points[at] - points[at - 2], points[at + 1] - points[at - 1]];
  const [dx, dy] = [points[at + 2] - points[at - 2], points[at + 3] - points[at - 1]];
  const length = Math.hypot(dx, dy);
  return length ? Math.abs(x * dy - y * dx) / length : Math.hypot(x, y);
}

/**
 * Through the midpoints of the points' connections, with the points as the curves' handles.
 *
 * @param {CanvasRenderingContext2D} context @param {Stroke} stroke
 */
function trace(context, { points }) {
  const last = points.length - 2;
  context.moveTo(points[0], points[1]);
  for (let i = 2; i < last; i += 2) {
    const [x, y] = [points[i], points[i + 1]];
    context.quadraticCurveTo(x, y, (x + points[i + 2]) / 2, (y + points[i + 3]) / 2);
  }
  const hair = last === 0 ? 0.1 : 0; // a line without any length is not drawn: a tap would leave no dot
  context.lineTo(points[last] + hair, points[last + 1]);
}

/**
 * @param {CanvasRenderingContext2D} context @param {Stroke[]} strokes @param {string} ink
 * @param {number} [thinner] units taken off each stroke's width
 */
export function drawStrokes(context, strokes, ink, thinner = 0) {
  context.strokeStyle = ink;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    context.lineWidth = Math.max(stroke.width - thinner, 0.01);
    context.beginPath();
    trace(context, stroke);
    context.stroke();
  }
}

/** Let a square canvas show a part of the pad. @param {HTMLCanvasElement} canvas @param {Square} part */
function lookAt(canvas, { left, top, side }) {
  const scale = canvas.width / side;
  contextOf(canvas).setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
}

/**
 * Ink and paper as the screen shows them, on any square canvas.
 *
 * @param {HTMLCanvasElement} canvas @param {Drawing} drawing @param {string} ink @param {Square} [part] of the pad
 */
export function drawOn(canvas, { strokes, photo }, ink, part = PAD) {
  const context = contextOf(canvas);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  lookAt(canvas, part);
  if (photo) {
    const [width, height] = [photo.canvas.width * photo.unit, photo.canvas.height * photo.unit];
    context.drawImage(photo.canvas, photo.left, photo.top, width, height);
  }
  drawStrokes(context, strokes, ink);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/**
 * Strokes over what is on a square canvas.
 *
 * @param {HTMLCanvasElement} canvas @param {Stroke[]} strokes @param {string} ink @param {Square} part of the pad
 */
export function drawStrokesOn(canvas, strokes, ink, part) {
  const context = contextOf(canvas);
  lookAt(canvas, part);
  drawStrokes(context, strokes, ink);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/**
 * The outline of the ink alone, on any square canvas.
 *
 * @param {HTMLCanvasElement} canvas @param {Stroke[]} strokes @param {string} ink @param {Square} [part] of the pad
 */
export function drawOutlineOn(canvas, strokes, ink, part = PAD) {
  drawOn(canvas, { strokes, photo: null }, ink, part);
  const context = contextOf(canvas);
  lookAt(canvas, part);
  context.globalCompositeOperation = "destination-out";
  drawStrokes(context, strokes, "#000", (OUTLINE * (window.devicePixelRatio || 1) * part.side) / canvas.width);
  context.globalCompositeOperation = "source-over";
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/**
 * Where an event happened in a box, in whole units; a little outside is fine, where the pen was dragged there.
 *
 * @param {DOMRect} box @param {MouseEvent} event @param {Square} [part] of the pad that the box shows
 * @returns {[number, number]}
 */
export function placeIn(box, event, part = PAD) {
  const units = (/** @type {number} */ start, /** @type {number} */ share) =>
    Math.round(Math.min(Math.max(start + share * part.side, -UNITS), 2 * UNITS));
  return [
    units(part.left, (event.clientX - box.left) / box.width),
    units(part.top, (event.clientY - box.top) / box.height),
  ];
}
