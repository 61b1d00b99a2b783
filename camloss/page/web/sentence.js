// The sentence that tells how the networks differ on one drawing: camloss/page/sentence.py, word by word.

/** @import { Reading } from "./types.d.ts" */

const DOUBTFUL = 0.5;
const SURE = 0.8;
const SHARED = 0.5;

/** @type {Record<string, string>} */
const PLACES = {
  hole: "in a hole, where there is no ink",
  junction: "where strokes meet",
  stroke: "on a stroke",
  beside: "beside the ink",
};

/** @typedef {Pick<Reading, "digit" | "probs" | "class_idx" | "other_idx" | "area" | "place" | "doubt"> & {title: string}} Read */

/**
 * @param {Read[]} reads at least two @param {number} overlap of the hot parts of all of them, in [0, 1]
 * @param {boolean} twoDigits whether the drawing seems to show two
 */
export function sentence(reads, overlap, twoDigits) {
  const digits = reads.map((read) => `${inner(read.title)} reads ${read.digit}`);
  const agreed = new Set(reads.map(({ digit }) => digit)).size === 1;
  let warning = agreed ? "" : "they disagree: ";
  if (twoDigits) warning = "this looks like two digits, and the networks know one at a time: ";
  else if (reads.every(({ doubt = 0 }) => doubt >= DOUBTFUL)) warning = "this may not be a digit: ";
  let told = agreed ? `${everyone(reads)} read ${reads[0].digit}` : digits.join(", ");
  if (reads.some((read) => read.class_idx !== read.digit)) {
    const clauses = reads.map(({ title }) => `${inner(title)} over`);
    told += `. Evidence for ${reads[0].class_idx}: ${evidence(reads, clauses)}`;
  } else if (agreed) {
    const why = overlap >= SHARED ? "for much the same reason" : "for different reasons";
    const clauses = reads.map(({ title }, i) => `${inner(title)} ${i === 0 ? "spreads its evidence over" : "over"}`);
    told += `, ${why}: ${evidence(reads, clauses)}`;
  } else {
    told = evidence(
      reads,
      digits.map((digit) => `${digit} from`),
    );
  }
  return [upper(`${warning}${told}.`), ...remarks(reads)].join(" ");
}

/** Each clause, which wants an area, with area and place. @param {Read[]} reads @param {string[]} clauses */
function evidence(reads, clauses) {
  const areas = reads.map(({ area }, i) => `${clauses[i]} ${percent(area)}${i === 0 ? " of the square" : ""}`);
  if (new Set(reads.map(({ place }) => place)).size === 1) {
    return `${areas.join(", ")}, ${everyone(reads)} hottest ${PLACES[reads[0].place]}`;
  }
  return areas.map((area, i) => `${area}, hottest ${PLACES[reads[i].place]}`).join(", ");
}

/** @param {Read[]} reads */
function remarks(reads) {
  const doubting = reads.filter(({ doubt = 0 }) => doubt >= DOUBTFUL);
  const some = doubting.length < reads.length ? doubting : [];
  return [
    ...some.map(({ title }) => `${title} doubts that this is a digit.`),
    ...reads
      .filter(({ probs, digit }) => probs[digit] < SURE)
      .map(({ title, probs, digit }) => `${title} is not sure: ${percent(probs[digit])}.`),
    ...reads
      .filter(({ class_idx, other_idx }) => class_idx === other_idx)
      .map(({ title, digit }) => `${title} reads ${digit} itself: there is nothing to hold it against.`),
  ];
}

/** @param {Read[]} reads */
const everyone = (reads) => (reads.length === 2 ? "both" : "all");

/** A title as it stands within a sentence. @param {string} title */
const inner = (title) =>
  title[1] === title[1].toUpperCase() && title[1] !== title[1].toLowerCase()
    ? title
    : title[0].toLowerCase() + title.slice(1);

/** @param {number} share */
const percent = (share) => (share < 0.005 ? "less than 1%" : `${Math.floor(100 * share + 0.5)}%`);

/** @param {string} text */
const upper = (text) => text[0].toUpperCase() + text.slice(1);
