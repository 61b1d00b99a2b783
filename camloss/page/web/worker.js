// The networks in a thread of their own, so that drawing never waits for them. reader.js is its other end.

import { answerFor, buildUp, rounded } from "./evidence.js";
import { networksIn } from "./network.js";
import { FIELD, writeStrokes } from "./pen.js";

/** @import { Network } from "./network.js" */
/** @import { Given, Sketch } from "./types.d.ts" */

/** @type {Map<string, Network>} by variant: both of one pair, or none */
let networks = new Map();

/** @param {Given} given @returns {Sketch} */
function sketchOf({ strokes, sketch }) {
  if (sketch) return sketch;
  const { pixels, frame } = writeStrokes(strokes);
  return { pixels, frame: [rounded(frame[0], 3), rounded(frame[1], 3), rounded(frame[2], 3)] };
}

/** @type {Record<string, (given: any) => unknown>} what the page may ask for; each as in camloss/page/serve.py */
const TASKS = {
  /** @param {{weights: string, hash: string}} given addresses */
  async load({ weights, hash }) {
    networks = new Map();
    const kernel = fetch(new URL("kernel.wasm", import.meta.url)).then((response) => response.arrayBuffer());
    const file = await fetch(weights).then((response) => response.arrayBuffer());
    if (crypto.subtle && hexOf(await crypto.subtle.digest("SHA-256", file)) !== hash)
      throw new Error("damaged weights");
    networks = await networksIn(file, await WebAssembly.compile(await kernel));
  },

  /** @param {Given & {question: import("./types.d.ts").Question, titles: Record<string, string>}} given */
  answer({ question, titles, ...given }) {
    const { pixels, frame } = sketchOf(given);
    return { pixels, frame, ...answerFor(networks, titles, pixels, question) };
  },

  /** @param {Given & {variant: string, class_idx: number | null, shown: number}} given */
  build_up({ variant, class_idx, shown, ...given }) {
    const network = networks.get(variant);
    if (!network) throw new Error(`no weights for ${variant}`);
    const { pixels, frame } = sketchOf(given);
    return { blank: false, frame, ...buildUp(network, pixels, FIELD, FIELD, class_idx, shown) };
  },
};

/** @param {ArrayBuffer} bytes */
const hexOf = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

self.addEventListener("message", async ({ data: { id, task, given } }) => {
  try {
    self.postMessage({ id, result: await TASKS[task](given) });
  } catch (problem) {
    self.postMessage({ id, problem: String(problem) });
  }
});
