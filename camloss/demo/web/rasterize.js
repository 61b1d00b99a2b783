// Strokes of the pad, rasterized as MNIST's digits lie: what camloss/digits/rasterize.py does, line by line.

/** @import { Sketch, Stroke } from "./types.d.ts" */

export const SIDE = 28; // pixels, side of a network's input
const BOX = 20;
const REACH = BOX - 2.6;
const PEN = 1.1;
const MIN_SHARE = 0.05;

/** The area that a stroke covers, where it crosses nowhere. @param {Stroke} stroke */
function inkOf({ width, points }) {
  let length = 0;
  for (let i = 2; i < points.length; i += 2) {
    length += Math.hypot(points[i] - points[i - 2], points[i + 1] - points[i - 1]);
  }
  return width * (length + (Math.PI / 4) * width);
}

/** @param {Stroke[]} strokes at least one @returns {Sketch} */
export function writeStrokes(strokes) {
  const inks = strokes.map(inkOf);
  const largest = Math.max(...inks);
  const marks = strokes.filter((_, i) => inks[i] >= MIN_SHARE * largest);
  const brush = Math.max(...marks.map(({ width }) => width));
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { points } of marks) {
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i]);
      right = Math.max(right, points[i]);
      top = Math.min(top, points[i + 1]);
      bottom = Math.max(bottom, points[i + 1]);
    }
  }
  const reach = Math.max(right - left, bottom - top);
  const scale = Math.max(reach, (reach + brush) / 2) / REACH;
  const boxX = SIDE / 2 - (left + right) / 2 / scale;
  const boxY = SIDE / 2 - (top + bottom) / 2 / scale;
  const [massX, massY] = centreOfMass(drawStrokes(marks, scale, boxX, boxY));
  const margin = (SIDE - BOX) / 2; // a lopsided digit may not leave the image
  const x = Math.min(Math.max(boxX + SIDE / 2 - massX, boxX - margin), boxX + margin);
  const y = Math.min(Math.max(boxY + SIDE / 2 - massY, boxY - margin), boxY + margin);
  return { pixels: drawStrokes(marks, scale, x, y), frame: [-x * scale, -y * scale, scale] };
}

/**
 * The ink of strokes under the pen, smooth-edged.
 *
 * @param {Stroke[]} strokes @param {number} scale of the pad's units to a pixel @param {number} offX @param {number} offY
 */
function drawStrokes(strokes, scale, offX, offY) {
  const edge = PEN / 2 + 0.5;
  const squared = new Float64Array(SIDE * SIDE).fill(edge * edge);
  /** @param {number} low @param {number} high */
  const reached = (low, high) => [Math.max(0, Math.floor(low - edge)), Math.min(SIDE - 1, Math.ceil(high + edge))];
  for (const { points } of strokes) {
    for (let i = 0; i < points.length; i += 2) {
      const before = Math.max(0, i - 2); // the first point is a line too
      const [x0, y0] = [points[before] / scale + offX, points[before + 1] / scale + offY];
      const [alongX, alongY] = [points[i] / scale + offX - x0, points[i + 1] / scale + offY - y0];
      const length = Math.max(alongX * alongX + alongY * alongY, Number.MIN_VALUE);
      const [left, right] = reached(Math.min(x0, x0 + alongX), Math.max(x0, x0 + alongX));
      const [top, bottom] = reached(Math.min(y0, y0 + alongY), Math.max(y0, y0 + alongY));
      for (let y = top; y <= bottom; y++) {
        const wayY = y + 0.5 - y0;
        for (let x = left; x <= right; x++) {
          const wayX = x + 0.5 - x0;
          const share = Math.min(Math.max((wayX * alongX + wayY * alongY) / length, 0), 1);
          const [dx, dy] = [wayX - share * alongX, wayY - share * alongY];
          const distance = dx * dx + dy * dy;
          if (distance < squared[y * SIDE + x]) squared[y * SIDE + x] = distance;
        }
      }
    }
  }
  return Float32Array.from(squared, (distance) => Math.min(Math.max(edge - Math.sqrt(distance), 0), 1));
}

/** @param {Float32Array} pixels */
function centreOfMass(pixels) {
  let [sum, sumX, sumY] = [0, 0, 0];
  pixels.forEach((value, i) => {
    sum += value;
    sumX += value * ((i % SIDE) + 0.5);
    sumY += value * (Math.floor(i / SIDE) + 0.5);
  });
  return [sumX / sum, sumY / sum];
}
