// The summary: what the networks read, in a few words, and how their evidence differs, from what was measured on one
// drawing and nothing else.

import { KINDS } from "./corruptions.js";
import { percent } from "./dom.js";

/** @import { Peak, Reading, Summary } from "./types.d.ts" */

const OOD_THRESHOLD = 0.5; // score from which the headline asks whether this is a digit
const SURE = 80; // probability in percent, as it is shown, below which a network counts as not sure
const OVERLAP = 0.5; // of the top positions, from which the reasons count as the same
const WIDER = 2; // times another's area, from which one of them is said to be wider
const EVERYWHERE = 0.6; // of the image, from which its share tells nothing of where

/** @type {Record<Peak, string>} */
const PEAKS = {
  hole: "peaking in a hole, where there is no ink",
  junction: "peaking where strokes meet",
  stroke: "peaking on a stroke",
  beside: "peaking beside the ink",
  added: "peaking on what was added",
  nowhere: "with no evidence for it",
};

export const ERASED = "erase"; // where something was erased rather than added

/** @typedef {Pick<Reading, "digit" | "probs" | "class_idx" | "other_idx" | "area_above_half" | "peak" | "ood_score" | "before"> & {title: string}} Read */

/**
 * @param {Read[]} reads at least two @param {number} overlap of the top positions of all of them, in [0, 1]
 * @param {boolean} severalDigits whether the drawing seems to show several digits
 * @param {string | null} changed what was done to the drawing, a key of KINDS or ERASED; OOD scores are then about that
 * @returns {Summary}
 */
export function summaryOf(reads, overlap, severalDigits, changed) {
  return {
    headline: upper(`${headlineOf(reads, oddityOf(reads, severalDigits, changed), changed)}.`),
    detail: [evidenceOf(reads, overlap), remarkOn(reads)]
      .filter((part) => part !== "")
      .map((part) => upper(`${part}.`))
      .join(" "),
  };
}

/** Of the drawing as a whole; "" for none. @param {Read[]} reads @param {boolean} severalDigits @param {string | null} changed */
function oddityOf(reads, severalDigits, changed) {
  if (severalDigits) return "several digits? ";
  const isFlagged = changed === null && reads.some(({ ood_score = 0 }) => ood_score >= OOD_THRESHOLD);
  return isFlagged ? "not a digit? " : "";
}

/** At most twelve words. @param {Read[]} reads @param {string} oddity @param {string | null} changed */
function headlineOf(reads, oddity, changed) {
  const told = changed === null ? asItIs(reads, oddity === "") : whatChanged(reads);
  if (oddity) return oddity + upper(told);
  if (changed === null) return told;
  return `${changed === ERASED ? "Erased" : KINDS[changed].among}, ${told}`;
}

/** @param {Read[]} reads @param {boolean} isFirst whether nothing stands before it */
function asItIs(reads, isFirst) {
  if (agree(reads, "digit")) return `${everyone(reads)} read ${reads[0].digit}`;
  const [first, ...others] = reads;
  const apart = (/** @type {string} */ title) => (/\d$/.test(title) ? " reads " : " "); // from the number in its name
  const rest = others.map(({ title, digit }) => `${inner(title)}${apart(title)}${digit}`);
  return `${isFirst ? "they disagree: " : ""}${inner(first.title)} reads ${[String(first.digit), ...rest].join(", ")}`;
}

/** @param {Read[]} reads */
function whatChanged(reads) {
  const still = reads.filter(({ digit, before }) => digit === before);
  if (agree(reads, "digit") && still.length === reads.length) return `${everyone(reads)} still read ${reads[0].digit}`;
  if (still.length === 0) {
    if (agree(reads, "digit") && agree(reads, "before")) {
      return `${everyone(reads)} now read ${reads[0].digit}, not ${reads[0].before}`;
    }
    return `${everyone(reads)} changed: ${reads.map(({ title, digit }) => `${inner(title)} now reads ${digit}`).join(", ")}`;
  }
  return reads
    .map(({ title, digit, before }) => `${inner(title)} ${digit === before ? "still" : "now"} reads ${digit}`)
    .join("; ");
}

/** @param {Read[]} reads @param {"digit" | "before" | "class_idx" | "peak"} what */
const agree = (reads, what) => new Set(reads.map((read) => read[what])).size === 1;

/** @param {Read[]} reads @param {number} overlap */
function evidenceOf(reads, overlap) {
  const isAsked = reads.some((read) => read.class_idx !== read.digit || read.other_idx !== null);
  const areas = reads.map(
    ({ title, area_above_half }, i) => `${inner(title)} over ${areaOf(area_above_half, i === 0)}`,
  );
  const places = agree(reads, "peak")
    ? `${areas.join(", ")}, ${everyone(reads)} ${PEAKS[reads[0].peak]}`
    : areas.map((area, i) => `${area}, ${PEAKS[reads[i].peak]}`).join("; ");
  if (isAsked) return `evidence for ${asked(reads)}: ${places}`;
  return `${agree(reads, "digit") ? why(reads, overlap) : "evidence"}: ${places}`;
}

/** @param {Read[]} reads */
function asked(reads) {
  const { class_idx, other_idx } = reads[0];
  const digit = agree(reads, "class_idx") ? String(class_idx) : "its own digit";
  return other_idx === null ? digit : `${digit} rather than ${other_idx}`;
}

/** @param {Read[]} reads @param {number} overlap */
function why(reads, overlap) {
  if (overlap < OVERLAP) return "evidence in different places";
  const areas = reads.map((read) => read.area_above_half);
  const isWider = Math.max(...areas) >= WIDER * Math.min(...areas);
  return isWider ? "evidence around the same place" : "evidence in the same place";
}

/** @param {number} share @param {boolean} isFirst */
export function areaOf(share, isFirst) {
  if (share >= EVERYWHERE) return isFirst ? "most of the image" : "most of it";
  return isFirst ? `${whole(share)} of the image` : whole(share);
}

/** The most telling one about single networks; "" for none. @param {Read[]} reads */
function remarkOn(reads) {
  const itself = reads.find(({ class_idx, other_idx }) => class_idx === other_idx);
  if (itself) return `${itself.title} reads ${itself.digit} itself: there is no other digit to contrast`;
  const probOf = (/** @type {Read} */ { probs, digit }) => probs[digit];
  const told = (/** @type {Read} */ read) => percent(probOf(read)); // as beside the digit
  const unsure = reads.filter((read) => Number.parseFloat(told(read)) < SURE);
  if (unsure.length === reads.length) return `neither is sure: ${reads.map(told).join(", ")}`;
  return unsure.length > 0 ? `${unsure[0].title} is not sure: ${told(unsure[0])}` : "";
}

/** @param {unknown[]} reads */
export const everyone = (reads) => (reads.length === 2 ? "both" : "all");

/** A title as it stands within the summary. @param {string} title */
export const inner = (title) =>
  title[1] === title[1].toUpperCase() && title[1] !== title[1].toLowerCase()
    ? title
    : title[0].toLowerCase() + title.slice(1);

/** @param {number} share */
const whole = (share) => (share < 0.005 ? "less than 1%" : `${Math.floor(100 * share + 0.5)}%`);

/** @param {string} text */
const upper = (text) => text[0].toUpperCase() + text.slice(1);
