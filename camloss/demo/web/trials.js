// How the visitor corrupts the drawing, and what became of the answers.

import { asksForMore } from "./answer.js";
import { KINDS } from "./corruptions.js";
import { button, control, find, percent, write } from "./dom.js";

/** @import { Corruption, Question, Shown, Model } from "./types.d.ts" */

const STEADY = new Set(["", "line"]); // kinds that have no strength

/** @param {Corruption | null} corruption @returns {string} for links, "" for none */
export const codeOf = (corruption) =>
  corruption ? `${corruption.kind}-${Math.round(100 * corruption.strength)}-${corruption.seed}` : "";

/** The inverse; null for what it never writes. @param {string} code @returns {Corruption | null} */
export function corruptionIn(code) {
  const [, kind, percent, seed] = /^([a-z_]+)-(\d{1,3})-(\d{1,6})$/.exec(code) ?? [];
  if (!Object.hasOwn(KINDS, kind ?? "") || Number(percent) > 100) return null;
  return { kind, strength: Number(percent) / 100, seed: Number(seed) };
}

export class Trials {
  #seed = 0;

  /**
   * @param {HTMLElement} root of the tab @param {Model[]} models
   * @param {Record<string, string>} study what the study says of each kind, and of all under ""
   * @param {() => void} changed
   */
  constructor(root, models, study, changed) {
    this.models = models;
    this.study = study;
    this.said = find(root, ".study");
    this.now = models.map((model) => addReadingTo(find(root, ".now"), model));
    this.kind = control(root, "corruption");
    this.strength = control(root, "strength");
    this.erase = control(root, "erase");
    this.another = button(root, "another");
    this.share = find(root, ".erase output");
    this.table = find(root, ".losses");
    this.fine = find(root, ".losses-fine");
    this.note = find(root, ".waiting");
    for (const { title, variant } of models) this.#addRow(title, variant);
    this.#tell();
    const ask = () => {
      this.#tell();
      changed();
    };
    for (const input of [this.kind, this.strength, this.erase]) input.addEventListener("input", ask);
    this.another.addEventListener("click", () => {
      this.#seed += 1;
      ask();
    });
  }

  #tell() {
    this.strength.disabled = STEADY.has(this.kind.value);
    this.another.disabled = this.kind.value === "" || this.kind.value === "canvas";
    write(this.share, `${this.erase.value}%`);
    write(this.said, this.study[this.kind.value]);
  }

  /** @param {string} title @param {string} variant */
  #addRow(title, variant) {
    const row = document.createElement("tr");
    row.dataset.of = variant;
    row.innerHTML = `<th scope="row">${title}</th><td></td><td></td><td></td>`;
    find(this.table, "tbody").append(row);
  }

  /** Add this, and erase nothing. @param {Corruption | null} corruption */
  set(corruption) {
    this.kind.value = corruption?.kind ?? "";
    this.strength.value = String(100 * (corruption?.strength ?? 0.5));
    this.erase.value = "0";
    this.#seed = corruption?.seed ?? 0;
    this.#tell();
  }

  /** @returns {Pick<Question, "corruption" | "erase">} */
  get value() {
    const kind = this.kind.value;
    const corruption = kind ? { kind, strength: Number(this.strength.value) / 100, seed: this.#seed } : null;
    return { corruption, erase: Number(this.erase.value) / 100 };
  }

  /** Say why nothing is added and nothing erased. @param {string | null} problem null while the networks are on their way */
  explain(problem) {
    write(this.note, problem ?? "This starts as soon as the networks are in your browser.");
  }

  /** @param {Shown | null} shown */
  show(shown) {
    this.models.forEach(({ variant }, i) => {
      const { digit = null, probs = [] } = shown?.answer[variant] ?? {};
      write(this.now[i], digit === null ? "–" : `${digit} (${percent(probs[digit])})`);
    });
    this.note.hidden = !(shown && asksForMore(this.value) && shown.where === "on the server");
    const erased = shown && this.models.every(({ variant }) => shown.answer[variant].loss);
    this.table.hidden = !erased;
    this.fine.hidden = !erased;
    if (!erased) return;
    for (const { variant } of this.models) {
      const { loss } = shown.answer[variant];
      if (!loss) continue;
      const { digit, top, chance, middle } = loss;
      const told = (/** @type {{digit: number, prob: number}} */ now) => ({
        words: `${now.digit === digit ? "still" : "now"} ${now.digit} (${Math.round(100 * now.prob)}%)`,
        isLost: now.digit !== digit,
      });
      const byChance = {
        words: `${digit} in ${chance.kept} of ${chance.draws} (${Math.round(100 * chance.prob)}%)`,
        isLost: 2 * chance.kept < chance.draws,
      };
      const cells = this.table.querySelectorAll(`[data-of=${variant}] td`);
      [told(top), byChance, told(middle)].forEach(({ words, isLost }, i) => {
        write(cells[i], words);
        cells[i].classList.toggle("lost", isLost);
      });
    }
  }
}

/** A place for what a network reads now. @param {HTMLElement} line @param {Model} model */
function addReadingTo(line, { title, colour }) {
  const name = document.createElement("span");
  name.style.color = `var(--${colour})`;
  name.textContent = title;
  const reading = document.createElement("b");
  line.append(...(line.firstChild ? [" · "] : []), name, " ", reading);
  return reading;
}
