// The summary of the Images tab: how the networks differ on one picture, from what was measured on it.

import { areaOf, everyone, inner } from "./summary_text.js";

/** @import { ImageReading, Summary } from "./types.d.ts" */

/**
 * @param {(ImageReading & {title: string})[]} reads at least two @param {string[]} classes their names
 * @returns {Summary}
 */
export function summaryOf(reads, classes) {
  const name = (/** @type {ImageReading} */ { predicted }) => classes[predicted];
  const agreed = new Set(reads.map(name)).size === 1;
  const each = reads.map((read, i) => `${inner(read.title)} ${i === 0 ? "predicts " : ""}${name(read)}`);
  const headline = agreed ? `${everyone(reads)} predict ${name(reads[0])}` : each.join("; ");
  const areas = reads.map(({ title, area_above_half: area }, i) => `${inner(title)} over ${areaOf(area, i === 0)}`);
  return { headline: upper(`${headline}.`), detail: upper(`${evidenceOf(reads, classes)}: ${areas.join(", ")}.`) };
}

/** @param {ImageReading[]} reads @param {string[]} classes */
function evidenceOf(reads, classes) {
  const { class_idx, other_idx } = reads[0];
  if (other_idx === null && reads.every((read) => read.class_idx === read.predicted)) return "evidence";
  const isSame = reads.every((read) => read.class_idx === class_idx);
  const held = other_idx === null ? "" : ` rather than ${classes[other_idx]}`;
  return `evidence for ${isSame ? classes[class_idx] : "its own class"}${held}`;
}

/** @param {string} text */
const upper = (text) => text[0].toUpperCase() + text.slice(1);
