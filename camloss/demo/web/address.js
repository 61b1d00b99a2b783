// Strokes and question in a link, and strokes in what outlives a reload.

import { unpack } from "./heat.js";
import { countPoints, MAX_POINTS, UNITS } from "./strokes.js";

/** @import { Stroke } from "./types.d.ts" */

const MEMORY = "camloss"; // the session storage's key

export class TooManyPoints extends Error {
  message = `a drawing of more than ${MAX_POINTS.toLocaleString("en")} points is too long for a link`;
}

/**
 * Widths, counts and steps from point to point as base64 of bytes, small numbers in one byte.
 *
 * @param {Stroke[]} strokes
 * @throws {TooManyPoints}
 */
export function toText(strokes) {
  if (countPoints(strokes) > MAX_POINTS) throw new TooManyPoints();
  /** @type {number[]} */
  const bytes = [];
  const write = (/** @type {number} */ number) => {
    let rest = number;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  };
  for (const { width, points } of strokes) {
    write(width);
    write(points.length / 2);
    points.forEach((value, i) => {
      const step = value - (i < 2 ? 0 : points[i - 2]);
      write(step < 0 ? -2 * step - 1 : 2 * step);
    });
  }
  const binary = bytes.map((byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The inverse of toText; no strokes for text that it never writes.
 *
 * @param {string} text
 * @returns {Stroke[]}
 * @throws {TooManyPoints}
 */
export function fromText(text) {
  try {
    return strokesIn(unpack(text.replaceAll("-", "+").replaceAll("_", "/")));
  } catch (problem) {
    if (problem instanceof TooManyPoints) throw problem;
    return [];
  }
}

/** @param {Uint8Array} bytes @returns {Stroke[]} */
function strokesIn(bytes) {
  let at = 0;
  let left = MAX_POINTS;
  const read = () => {
    let [number, unit] = [0, 1];
    for (; bytes[at] > 127; unit *= 128) number += (bytes[at++] - 128) * unit;
    return number + bytes[at++] * unit;
  };
  /** @type {Stroke[]} */
  const strokes = [];
  while (at < bytes.length) {
    const width = read();
    const count = read();
    if (!(count >= 1 && count <= bytes.length && width >= 1 && width <= UNITS)) return [];
    left -= count;
    if (left < 0) throw new TooManyPoints();
    /** @type {number[]} */
    const points = [];
    for (let i = 0; i < 2 * count; i++) {
      const step = read();
      points.push((i < 2 ? 0 : points[i - 2]) + (step % 2 ? -(step + 1) / 2 : step / 2));
    }
    if (!points.every((value) => Math.abs(value) <= 2 * UNITS)) return [];
    strokes.push({ width, points });
  }
  return strokes;
}

/**
 * Put strokes and question into the address.
 *
 * @param {Stroke[]} strokes @param {Record<string, string>} choice what is asked and added, by name, "" for none
 * @throws {TooManyPoints}
 */
export function putIntoAddress(strokes, choice) {
  const chosen = Object.entries(choice).filter(([, value]) => value !== "");
  const link = new URLSearchParams([["draw", toText(strokes)], ...chosen]);
  history.replaceState(history.state, "", `#${link}`);
}

/** Take strokes and question out of the address: what is newer than a link must not give way to it at a reload. */
export function clearAddress() {
  if (readAddress().text === null) return;
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** What the address holds; null for strokes where it holds none. */
export function readAddress() {
  const link = new URLSearchParams(location.hash.slice(1));
  const digit = (/** @type {string} */ name) => /^[0-9]$/.exec(link.get(name) ?? "")?.[0];
  const choice = { class: digit("class"), other: digit("other") };
  return { text: link.get("draw"), choice, ...besides(link) };
}

/** What stands in a link beside strokes and question. @param {URLSearchParams} link */
function besides(link) {
  const second = link.get("second") ?? "";
  return { added: link.get("added") ?? "", second: isVariant(second) ? second : "" };
}

/** Whether a text may name a variant, or the pair's own by "". @param {unknown} text */
export const isVariant = (text) => typeof text === "string" && /^([a-z0-9][a-z0-9_-]{0,39})?$/.test(text);

/**
 * Keep strokes, what was added to them and the second model over a reload.
 *
 * @param {Stroke[]} strokes @param {{added: string, second: string}} choice as in links
 */
export function remember(strokes, choice) {
  try {
    sessionStorage.setItem(MEMORY, String(new URLSearchParams({ draw: toText(strokes), ...choice })));
  } catch {
    // private windows may have no storage, and a long drawing finds no room: then a reload starts afresh
  }
}

/** What was kept; null for text on a first visit. */
export function remembered() {
  let kept = null;
  try {
    kept = sessionStorage.getItem(MEMORY);
  } catch {
    // as when nothing was kept
  }
  const link = new URLSearchParams(kept ?? "");
  return { text: link.get("draw"), ...besides(link) };
}
