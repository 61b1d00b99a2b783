// What is computed with the networks: in worker.js while one draws, in the page itself when the pen is up.

import { asBytes, corrupted } from "./corruptions.js";
import { answerFor, asBytes as asBase64, buildUp, digitIn, read, rounded, sharesOf } from "./map_statistics.js";
import { networksIn } from "./network.js";
import { SIDE, writeStrokes } from "./rasterize.js";

/** @import { Network } from "./network.js" */
/** @import { AtEpoch, BuildUpQuestion, Corruption, Draws, EpochQuestion, Example, Given, Question, Sketch } from "./types.d.ts" */

/** @typedef {{weights: ArrayBuffer, hash: string, kernel: ArrayBuffer, examples: Example[]}} Files */

/** What the page may ask for; each as in camloss/demo/inference.py. */
export class Tasks {
  /** @type {Map<string, Network>} by variant: of one pair, or none */ #networks = new Map();
  /** @type {WebAssembly.Module | null} */ #kernel = null;
  /** @type {Map<string, Network>} by epoch and variant, "3.cam": epoch snapshots of the same pair, or none */
  #snapshots = new Map();
  /** @type {Uint8Array[]} the page's examples, which clutter is cut from */ #clutter = [];

  /** @param {Files} given @throws {Error} the weights are damaged */
  async load({ weights, hash, kernel, examples }) {
    this.#networks = new Map();
    this.#snapshots = new Map();
    if (!(await isWhole(weights, hash))) throw new Error("damaged weights");
    this.#clutter = examples.map(({ strokes }) => asBytes(writeStrokes(strokes).pixels));
    this.#kernel = await WebAssembly.compile(kernel);
    this.#networks = await networksIn(weights, this.#kernel);
  }

  /** Further variants of the same pair. @param {{file: ArrayBuffer, hash: string}} given @returns {Promise<boolean>} whether they are here now */
  async add({ file, hash }) {
    if (!this.#kernel || !(await isWhole(file, hash))) return false;
    for (const [variant, network] of await networksIn(file, this.#kernel)) this.#networks.set(variant, network);
    return true;
  }

  /** @param {{file: ArrayBuffer, hash: string}} given @returns {Promise<boolean>} whether they are here now */
  async load_snapshots({ file, hash }) {
    if (!this.#kernel || !(await isWhole(file, hash))) return false;
    this.#snapshots = await networksIn(file, this.#kernel);
    return true;
  }

  /** @param {Given & EpochQuestion} given @returns {AtEpoch | null} */
  at_epoch({ epoch, classes, corruption, ...given }) {
    const { pixels, drawn } = this.#given(sketchOf(given), { corruption });
    /** @type {AtEpoch} */
    const readings = {};
    for (const [variant, class_idx] of Object.entries(classes)) {
      const network = this.#snapshots.get(`${epoch}.${variant}`);
      if (!network) return null;
      const { reading, size } = read(network, pixels, drawn, { class_idx, other_idx: null });
      readings[variant] = { ...reading, map_size: size };
    }
    return readings;
  }

  /** @param {Given & {question: import("./types.d.ts").Question, titles: (readonly [string, string])[]}} given */
  answer({ question, titles, ...given }) {
    const sketch = sketchOf(given);
    const { pixels, frame, drawn } = this.#given(sketch, question);
    return {
      pixels,
      frame,
      is_corrupted: question.corruption !== null,
      ...answerFor(this.#networks, titles, pixels, question, drawn, sketch.pixels),
    };
  }

  /** What both networks are given. @param {Sketch} sketch @param {Pick<Question, "corruption">} question */
  #given(sketch, { corruption }) {
    return corruption ? corrupted(sketch, corruption, this.#clutter) : { ...sketch, drawn: sketch.pixels };
  }

  /**
   * What the networks read in many draws of a corruption.
   *
   * @param {Given & {draws: Corruption[], variants: string[]}} given
   * @returns {Draws}
   */
  draws({ draws, variants, ...given }) {
    const sketch = sketchOf(given);
    const networks = variants.map((variant) => /** @type {Network} */ (this.#networks.get(variant)));
    return {
      before: networks.map((network) => digitIn(network, sketch.pixels)),
      draws: draws.map((corruption) => {
        const { pixels } = this.#given(sketch, { corruption });
        return { seen: asBase64(pixels), digits: networks.map((network) => digitIn(network, pixels)) };
      }),
    };
  }

  /** @param {Given & BuildUpQuestion} given */
  build_up({ variant, class_idx, shown, corruption = null, ...given }) {
    const network = this.#networks.get(variant);
    if (!network) throw new Error(`no weights for ${variant}`);
    const sketch = sketchOf(given);
    const { pixels, frame } = this.#given(sketch, { corruption });
    const side = Math.sqrt(pixels.length);
    const steps = { blank: false, frame, ...buildUp(network, pixels, side, side, class_idx, shown) };
    if (!corruption) return steps;
    const seen = asBase64(pixels);
    if (side === SIDE || network.description.pooling !== "avg") return { ...steps, seen };
    const classes = [...new Set([digitIn(network, sketch.pixels), digitIn(network, pixels)])];
    return { ...steps, seen, shares: sharesOf(network, pixels, SIDE, classes) };
  }
}

/** @param {Given} given @returns {Sketch} */
function sketchOf({ strokes, sketch }) {
  if (sketch) return sketch;
  const { pixels, frame } = writeStrokes(strokes);
  return { pixels, frame: [rounded(frame[0], 3), rounded(frame[1], 3), rounded(frame[2], 3)] };
}

/** Whether a file arrived undamaged; not to be told without https. @param {ArrayBuffer} file @param {string} hash */
async function isWhole(file, hash) {
  return !crypto.subtle || hexOf(await crypto.subtle.digest("SHA-256", file)) === hash;
}

/** @param {ArrayBuffer} bytes */
const hexOf = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
