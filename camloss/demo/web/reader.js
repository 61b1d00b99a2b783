// Answers computed in the visitor's own browser. Until the weights are here, or when anything goes wrong with them, the
// functions say null, and the server is asked instead; `problem` then says why.

import { pause } from "./dom.js";
import { asBytes } from "./map_statistics.js";
import { Tasks } from "./tasks.js";

/** @import { Answer, AtEpoch, BuildUp, BuildUpQuestion, Corruption, Draws, Epoch, EpochQuestion, Given, Model, Question, Second } from "./types.d.ts" */

/** @typedef {{file: string, epochs: Epoch[]}} Told what the server says of a pair's snapshots */

const STALL_TIMEOUT = 5000; // ms until the worker counts as broken
const DOWNLOAD = 60000; // ms until a download does
const SUFFIX = ".safetensors";
/** @type {Second[]} */
const NONE = [];

/** Why nothing can be computed here, as a sentence for the visitor. */
const ON_SERVER = "These networks run on the server alone, which reads a drawing as it is.";
const LACKING =
  "This browser cannot run the networks (it lacks workers or WebAssembly with SIMD): the server reads a drawing as it is.";
const NOT_LOADED =
  "The networks did not load: reload the page to try again. Until then the server reads a drawing as it is.";

class Reader {
  /** @type {Worker | null} */ #worker = null;
  /** @type {Map<number, (reply: {result?: any, problem?: string}) => void>} by number of the call */ #open = new Map();
  #calls = 0;
  #wanted = ""; // the pair that the page wants
  /** @type {{networks: string, run: string, seconds: Second[]}} what the server says of the wanted pair */
  #told = { networks: "", run: "", seconds: [] };
  /** @type {Map<string, Promise<boolean>>} whether a further variant of the pair is here, by its file */ #brought =
    new Map();
  /** @type {Set<string>} files of those that are */ #here = new Set();
  /** @type {{networks: string, file: string, source: string, snapshots: Told | null} | null} the pair that the worker holds */ #ready =
    null;
  /** @type {{file: string, here: Promise<boolean>} | null} that pair's snapshots, once somebody wants to see them */ #held =
    null;
  /** @type {Tasks | null} the same pair outside the worker, for answers that hold up nobody */ #atHand = null;
  #loading = Promise.resolve();
  /** @type {string | null} why the wanted pair is not here and does not come */ problem = null;
  /** @type {(() => void)[]} */ #listeners = [];

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.#wanted) this.want(this.#wanted);
    });
  }

  /** Whether a pair is here. */
  get ready() {
    return this.#ready !== null;
  }

  /** Whether answers of this pair, and of these variants of it, can be computed here. @param {string} networks @param {string[]} variants */
  has(networks, ...variants) {
    if (networks !== this.#wanted) this.want(networks);
    return this.#ready?.networks === networks && variants.every((variant) => this.#holds(variant));
  }

  /** @param {string} variant of the pair that is here */
  #holds(variant) {
    const file = this.#told.seconds.find((second) => second.variant === variant)?.file ?? null;
    return file === null || this.#here.has(file);
  }

  /** What may stand beside the baseline of a pair; none before the server has said so. @param {string} networks */
  seconds(networks) {
    return this.#told.networks === networks ? this.#told.seconds : NONE;
  }

  /** Whether a pair is of this training; false before the server has said so. @param {string} networks @param {string | null} run */
  isOf(networks, run) {
    return this.#told.networks === networks && this.#told.run === run;
  }

  /** Call this whenever a pair has come, or cannot come. @param {() => void} listener */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Fetch the newest weights of a pair, in the background. @param {string} networks */
  want(networks) {
    this.#wanted = networks;
    this.#loading = this.#loading
      .then(() => this.#update(networks))
      .catch(() => NOT_LOADED)
      .then((problem) => {
        if (networks !== this.#wanted) return;
        this.problem = this.ready ? null : problem;
        for (const listener of this.#listeners) listener();
      });
  }

  /** @param {string} networks @returns {Promise<string | null>} what keeps them away */
  async #update(networks) {
    if (networks !== this.#wanted) return null;
    const address = new URL(`weights?${new URLSearchParams({ networks })}`, import.meta.url);
    const response = await fetch(address, { cache: "no-store" }); // while the server is away, what is here goes on
    if (!response.ok) return NOT_LOADED;
    const { file, source, run = "", seconds = [], snapshots = null } = await response.json();
    const told = { networks, run, seconds };
    if (JSON.stringify(told) !== JSON.stringify(this.#told)) this.#told = told;
    if (this.#ready?.file !== file) {
      this.#forget();
      if (!file) return ON_SERVER;
      if (typeof Worker !== "function" || typeof WebAssembly !== "object") return LACKING;
      const [weights, kernel, examples] = await Promise.all([
        fetched(`weights/${file}`).then((response) => response.arrayBuffer()),
        fetched("kernel.wasm").then((response) => response.arrayBuffer()),
        fetched("examples.json").then((response) => response.json()),
      ]);
      if (!WebAssembly.validate(kernel)) return LACKING;
      const files = { weights, hash: file.replace(SUFFIX, ""), kernel, examples };
      await this.#call("load", files, 12); // which has its own script to fetch first
      this.#atHand = new Tasks();
      await this.#atHand.load(files);
    }
    this.#ready = { networks, file, source, snapshots };
    return null;
  }

  /**
   * @param {string} task @param {object} given @param {number} [times] the stall timeout
   * @returns {Promise<any>}
   * @throws {Error} the worker failed
   */
  async #call(task, given, times = 1) {
    this.#worker ??= this.#hire();
    const id = ++this.#calls;
    const reply = new Promise((resolve) => this.#open.set(id, resolve));
    this.#worker.postMessage({ id, task, given });
    const { result, problem } = (await Promise.race([reply, pause(times * STALL_TIMEOUT)])) ?? { problem: "no answer" };
    this.#open.delete(id);
    if (problem === undefined) return result;
    this.#dismiss();
    throw new Error(problem);
  }

  #hire() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => this.#open.get(data.id)?.(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const settle of this.#open.values()) settle({ problem: event.message || "the worker failed" });
    });
    return worker;
  }

  #dismiss() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#forget();
  }

  #forget() {
    this.#ready = null;
    this.#held = null;
    this.#atHand = null;
    this.#brought.clear();
    this.#here.clear();
  }

  /** Fetch a further variant of the pair that is here. @param {string} file @returns {Promise<boolean>} whether it is here now */
  async bring(file) {
    if (!this.ready) return false;
    const brought = this.#brought.get(file) ?? this.#fetchFurther(file);
    this.#brought.set(file, brought);
    const isHere = await brought;
    if (!isHere && this.#brought.get(file) === brought) this.#brought.delete(file); // to be tried again
    return isHere;
  }

  /** @param {string} name @returns {Promise<boolean>} */
  async #fetchFurther(name) {
    const [before, atHand] = [this.#ready?.file, this.#atHand];
    try {
      const response = await fetched(`weights/${name}`);
      const given = { file: await response.arrayBuffer(), hash: name.replace(SUFFIX, "") };
      if (!response.ok || this.#ready?.file !== before) return false; // another pair has come
      if (!(await this.#call("add", given)) || !(await atHand?.add(given)) || this.#ready?.file !== before)
        return false;
      this.#here.add(name);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The epochs of its training after which a pair can be looked at. The weights of that time are fetched when this is
   * first asked.
   *
   * @param {string} networks
   * @returns {Promise<Epoch[] | null>} null where nothing was kept, or cannot be had
   */
  async snapshots(networks) {
    if (!this.has(networks)) await this.#loading;
    const told = this.#ready?.networks === networks ? this.#ready.snapshots : null;
    if (!told) return null;
    if (this.#held?.file !== told.file) this.#held = { file: told.file, here: this.#fetchSnapshots(told.file) };
    const held = this.#held;
    if (await held.here) return told.epochs;
    if (this.#held === held) this.#held = null; // to be tried again
    return null;
  }

  /** @param {string} name @returns {Promise<boolean>} whether the worker holds them */
  async #fetchSnapshots(name) {
    try {
      const response = await fetched(`weights/${name}`);
      if (!response.ok) return false;
      const file = await response.arrayBuffer();
      if (this.#held?.file !== name) return false; // another pair has come
      return await this.#call("load_snapshots", { file, hash: name.replace(SUFFIX, "") });
    } catch {
      return false;
    }
  }

  /**
   * What both networks saw after an epoch of their training.
   *
   * @param {Given} given @param {string} networks @param {EpochQuestion} question
   * @returns {Promise<AtEpoch | null>}
   */
  async atEpoch(given, networks, question) {
    if (!this.#held || !this.has(networks)) return null;
    try {
      return await this.#call("at_epoch", { ...given, ...question });
    } catch {
      return null;
    }
  }

  /**
   * What the networks see, as `inference.answer` says it.
   *
   * @param {Given} given @param {Question} question @param {Model[]} models
   * @param {boolean} isAtOnce whether the page may wait for it, as nobody draws: after a pen is lifted or a button pressed,
   *   Chromium brings no message from the worker before it has shown another frame
   * @returns {Promise<Answer | null>}
   */
  async answer(given, question, models, isAtOnce) {
    const ready = this.#ready;
    const titles = models.map(({ variant, title }) => /** @type {const} */ ([variant, title]));
    if (!ready || !this.has(question.networks, ...models.map(({ variant }) => variant))) return null;
    try {
      const whole = { ...given, question, titles };
      const { readings, pixels, logits, ...answer } =
        (isAtOnce && this.#atHand?.answer(whole)) || (await this.#call("answer", whole));
      return { ...answer, source: ready.source, seen: asBytes(pixels), ...readings };
    } catch {
      return null;
    }
  }

  /**
   * What the networks read in many draws of a corruption.
   *
   * @param {Given} given @param {string} networks @param {{draws: Corruption[], variants: string[]}} question
   * @returns {Promise<Draws | null>}
   */
  async draws(given, networks, question) {
    if (!this.has(networks, ...question.variants)) return null;
    try {
      return await this.#call("draws", { ...given, ...question });
    } catch {
      return null;
    }
  }

  /**
   * How the maps arise, as `inference.build_up` says it.
   *
   * @param {Given} given @param {string} networks @param {BuildUpQuestion} question
   * @returns {Promise<BuildUp | null>}
   */
  async buildUp(given, networks, question) {
    if (!this.has(networks, question.variant)) return null;
    try {
      return await this.#call("build_up", { ...given, ...question });
    } catch {
      return null;
    }
  }
}

/** A file of the page. @param {string} name */
const fetched = (name) => fetch(new URL(name, import.meta.url), { signal: AbortSignal.timeout(DOWNLOAD) });

export const reader = new Reader();
