// What can be taken away: a picture, the numbers, a link.

import { putIntoAddress, TooManyPoints } from "./address.js";
import { button, pause } from "./dom.js";
import { TOP, unpack } from "./heat.js";

/** @import { Reading, Shown, Stroke } from "./types.d.ts" */

/** @param {string} name @param {Blob} blob */
export function save(name, blob) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

/** The answer with its maps as rows of numbers, and the strokes. @param {Shown} shown */
export function jsonOf({ answer, drawing, question, models }) {
  /** @param {string} text @param {number} low @param {[number, number]} size */
  const rows = (text, low, [height, width]) => {
    const values = [...unpack(text)].map((byte) => Number((low + (byte / TOP) * (1 - low)).toFixed(3)));
    return Array.from({ length: height }, (_, y) => values.slice(y * width, (y + 1) * width));
  };
  /** @param {Reading} reading */
  const plain = (reading) => ({
    ...reading,
    cam: rows(reading.cam, 0, answer.map_size),
    caam: rows(reading.caam, 0, answer.map_size),
    contrast: reading.contrast && rows(reading.contrast, -1, answer.map_size),
  });
  const readings = Object.fromEntries(models.map(({ variant }) => [variant, plain(answer[variant])]));
  const side = Math.sqrt(unpack(answer.seen).length);
  const { corruption, erase } = question;
  const json = {
    ...answer,
    seen: rows(answer.seen, 0, [side, side]),
    ...readings,
    strokes: drawing.strokes,
    corruption,
    erase,
  };
  return new Blob([JSON.stringify(json, null, 1)], { type: "application/json" });
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export const pngOf = (canvas) =>
  new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser could not make a PNG"))));
  });

/**
 * @param {HTMLElement} root of the tab @param {Stroke[]} strokes
 * @param {Record<string, string>} choice what is asked and added, by name
 */
export async function copyLink(root, strokes, choice) {
  const label = button(root, "link");
  label.textContent = await linkCopied(strokes, choice);
  await pause(1500);
  label.textContent = "Copy link";
}

/** @param {Stroke[]} strokes @param {Record<string, string>} choice @returns {Promise<string>} what became of it */
async function linkCopied(strokes, choice) {
  try {
    putIntoAddress(strokes, choice);
  } catch (problem) {
    if (problem instanceof TooManyPoints) return "Too long a drawing";
    throw problem;
  }
  try {
    await navigator.clipboard.writeText(location.href);
    return "Copied";
  } catch {
    return "In the address bar"; // the clipboard may be forbidden
  }
}

/** Whether this browser can share pictures, as phones do. */
export const canShare = () => navigator.canShare?.({ files: [pictureFile(new Blob())] }) ?? false;

/**
 * Share the picture, its summary and a link to it with another app.
 *
 * @param {Blob} picture @param {Shown} shown @param {Record<string, string>} choice what is asked and added, by name
 */
export async function share(picture, { answer, drawing }, choice) {
  if (drawing.strokes.length) putIntoAddress(drawing.strokes, choice);
  try {
    await navigator.share({
      files: [pictureFile(picture)],
      title: document.title,
      text: `${answer.summary} ${answer.detail}`,
      url: location.href,
    });
  } catch (problem) {
    if (/** @type {Error} */ (problem).name !== "AbortError") throw problem; // the visitor thought better of it
  }
}

/** @param {Blob} picture */
const pictureFile = (picture) => new File([picture], "camloss.png", { type: "image/png" });
