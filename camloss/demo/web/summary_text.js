// The summary: how the networks differ on one drawing, from what was measured on it and nothing else.

/** @import { Peak, Reading } from "./types.d.ts" */

const OOD_THRESHOLD = 0.5; // score from which the summary says so
const SURE = 0.8; // probability below which it says so
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

/** @typedef {Pick<Reading, "digit" | "probs" | "class_idx" | "other_idx" | "area_above_half" | "peak" | "ood_score"> & {title: string}} Read */

/**
 * @param {Read[]} reads at least two @param {number} overlap of the top positions of all of them, in [0, 1]
 * @param {boolean} twoDigits whether the drawing seems to show two
 * @param {boolean} corrupted whether the networks are given other than the drawing: their OOD scores are then about that
 */
export function summaryOf(reads, overlap, twoDigits, corrupted) {
  const agreed = new Set(reads.map(({ digit }) => digit)).size === 1;
  const oddity = oddityOf(reads, twoDigits, corrupted);
  const remark = remarkOn(reads, corrupted);
  const opening = agreed ? oddity : "they disagree";
  const ending = agreed ? remark : oddity || remark;
  const told = tellOf(reads, agreed, overlap);
  const parts = [opening ? `${opening}: ${told}` : told, ending].filter((part) => part !== "");
  return parts.map((part) => upper(`${part}.`)).join(" ");
}

/** Of the drawing as a whole; "" for none. @param {Read[]} reads @param {boolean} twoDigits @param {boolean} corrupted */
function oddityOf(reads, twoDigits, corrupted) {
  if (twoDigits) return "this looks like two digits, not one";
  const flagged = !corrupted && reads.some(({ ood_score = 0 }) => ood_score >= OOD_THRESHOLD);
  return flagged ? "this may not be a digit" : "";
}

/** @param {Read[]} reads @param {boolean} agreed @param {number} overlap */
function tellOf(reads, agreed, overlap) {
  const digits = reads.map((read) => `${inner(read.title)} reads ${read.digit}`);
  const told = agreed ? `${everyone(reads)} read ${reads[0].digit}` : digits.join(", ");
  if (reads.some((read) => read.class_idx !== read.digit || read.other_idx !== null)) {
    const clauses = reads.map(({ title }) => `${inner(title)} over`);
    return `${told}. Evidence for ${asked(reads)}: ${evidence(reads, clauses)}`;
  }
  if (!agreed) {
    return evidence(
      reads,
      digits.map((digit) => `${digit} from`),
    );
  }
  const clauses = reads.map(({ title }, i) => `${inner(title)} ${i === 0 ? "spreads its evidence over" : "over"}`);
  return `${told}, ${why(reads, overlap)} ${evidence(reads, clauses)}`;
}

/** @param {Read[]} reads */
function asked(reads) {
  const { class_idx, other_idx } = reads[0];
  const digit = reads.every((read) => read.class_idx === class_idx) ? String(class_idx) : "its own digit";
  return other_idx === null ? digit : `${digit} rather than ${other_idx}`;
}

/** @param {Read[]} reads @param {number} overlap */
function why(reads, overlap) {
  if (overlap < OVERLAP) return "for different reasons:";
  const areas = reads.map((read) => read.area_above_half);
  const isWider = Math.max(...areas) >= WIDER * Math.min(...areas);
  return isWider ? "from much the same place, but" : "for much the same reason:";
}

/** Each clause, which wants an area, with area and peak. @param {Read[]} reads @param {string[]} clauses */
function evidence(reads, clauses) {
  const areas = reads.map((read, i) => `${clauses[i]} ${areaOf(read.area_above_half, i === 0)}`);
  if (new Set(reads.map(({ peak }) => peak)).size === 1) {
    return `${areas.join(", ")}, ${everyone(reads)} ${PEAKS[reads[0].peak]}`;
  }
  return areas.map((area, i) => `${area}, ${PEAKS[reads[i].peak]}`).join(", ");
}

/** @param {number} share @param {boolean} isFirst */
function areaOf(share, isFirst) {
  if (share >= EVERYWHERE) return isFirst ? "most of the image" : "most of it";
  return isFirst ? `${percent(share)} of the image` : percent(share);
}

/** The most telling one about single networks; "" for none. @param {Read[]} reads @param {boolean} corrupted */
function remarkOn(reads, corrupted) {
  const flagged = corrupted ? [] : reads.filter(({ ood_score = 0 }) => ood_score >= OOD_THRESHOLD);
  if (flagged.length > 0 && flagged.length < reads.length)
    return `${flagged[0].title} finds that this may not be a digit`;
  const itself = reads.find(({ class_idx, other_idx }) => class_idx === other_idx);
  if (itself) return `${itself.title} reads ${itself.digit} itself: there is no other digit to contrast`;
  const probOf = (/** @type {Read} */ { probs, digit }) => probs[digit];
  const unsure = reads.filter((read) => probOf(read) < SURE);
  if (unsure.length === reads.length)
    return `neither is sure: ${reads.map((read) => percent(probOf(read))).join(", ")}`;
  return unsure.length > 0 ? `${unsure[0].title} is not sure: ${percent(probOf(unsure[0]))}` : "";
}

/** @param {Read[]} reads */
const everyone = (reads) => (reads.length === 2 ? "both" : "all");

/** A title as it stands within the summary. @param {string} title */
const inner = (title) =>
  title[1] === title[1].toUpperCase() && title[1] !== title[1].toLowerCase()
    ? title
    : title[0].toLowerCase() + title.slice(1);

/** @param {number} share */
const percent = (share) => (share < 0.005 ? "less than 1%" : `${Math.floor(100 * share + 0.5)}%`);

/** @param {string} text */
const upper = (text) => text[0].toUpperCase() + text.slice(1);
