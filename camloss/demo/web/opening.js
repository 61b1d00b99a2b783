// The first thing a visitor sees: an example that draws itself, and what breaks one of the networks.

import { pause } from "./dom.js";

/** @import { Stroke } from "./types.d.ts" */

const DURATION = 1500; // ms
const STILL = 1500; // ms for which each moment is shown

/**
 * Strokes as a pen would draw them, frame by frame; at once where the visitor wants no motion.
 *
 * @param {Stroke[]} strokes
 * @param {(drawn: Stroke[], isWhole: boolean) => boolean} show what is there so far; false to stop
 */
export function drawThemselves(strokes, show) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    show(strokes, true);
    return;
  }
  const begin = performance.now();
  const step = () => {
    const share = Math.min((performance.now() - begin) / DURATION, 1);
    if (show(firstPart(strokes, share), share === 1) && share < 1) requestAnimationFrame(step);
  };
  step();
}

/** Wait for a moment, and until something holds. @param {() => boolean} holds */
export async function pausedFor(holds) {
  await pause(STILL);
  while (!holds()) await pause(100);
}

/** That share of all points, the first one at least. @param {Stroke[]} strokes @param {number} share */
export function firstPart(strokes, share) {
  const all = strokes.reduce((sum, { points }) => sum + points.length / 2, 0);
  let left = Math.max(Math.round(share * all), 1);
  /** @type {Stroke[]} */
  const drawn = [];
  for (const { width, points } of strokes) {
    if (left <= 0) break;
    drawn.push({ width, points: points.slice(0, 2 * left) });
    left -= points.length / 2;
  }
  return drawn;
}
