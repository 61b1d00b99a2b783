// What the visitor adds to the drawing or erases, and what became of the answers.

import { asksForMore } from "./answer.js";
import { KINDS } from "./corruptions.js";
import { button, control, find, write } from "./dom.js";

/** @import { Corruption, Question, Shown, Model } from "./types.d.ts" */

const STEADY = new Set(["", "line"]); // kinds that have no strength
const BUTTONS = { clutter: "clutter", canvas: "space" }; // the name of the button that adds a kind

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
   * @param {HTMLElement} root of the tab @param {Model[]} models whose columns the table has
   * @param {Record<string, string>} study what the study says of each kind, and of all under ""
   * @param {Record<string, number>} seeds a typical draw of each kind
   * @param {() => void} changed
   */
  constructor(root, models, study, seeds, changed) {
    this.study = study;
    this.seeds = seeds;
    this.said = find(root, ".study");
    this.kind = control(root, "corruption");
    this.strength = control(root, "strength");
    this.erase = control(root, "erase");
    this.another = button(root, "another");
    this.amount = find(root, ".amount");
    this.share = find(root, ".erase output");
    this.table = find(root, ".losses");
    this.fine = find(root, ".losses-fine");
    this.note = find(root, ".waiting");
    this.more = find(root, ".corruptions");
    for (const { title, variant } of models) this.#addRow(title, variant);
    this.explain(null);
    const ask = () => {
      this.#tell();
      changed();
    };
    this.kind.addEventListener("input", () => {
      this.#choose(this.kind.value);
      ask();
    });
    for (const input of [this.strength, this.erase]) input.addEventListener("input", ask);
    this.another.addEventListener("click", () => {
      this.#seed += 1;
      ask();
    });
    this.buttons = Object.entries(BUTTONS).map(([kind, name]) => {
      const toggle = button(root, name);
      toggle.addEventListener("click", () => {
        this.#choose(this.kind.value === kind ? "" : kind);
        ask();
      });
      return { kind, toggle };
    });
    this.#tell();
  }

  /** Say this of each kind. @param {Record<string, string>} study */
  quote(study) {
    if (study === this.study) return;
    this.study = study;
    this.#tell();
  }

  /** A kind as the study has it, in a typical draw. @param {string} kind */
  typical(kind) {
    return { kind, strength: KINDS[kind].usual, seed: this.seeds[kind] ?? 0 };
  }

  /** @param {string} kind "" for none */
  #choose(kind) {
    const { strength, seed } = kind ? this.typical(kind) : { strength: 0.5, seed: 0 };
    this.kind.value = kind;
    this.strength.value = String(100 * strength);
    this.#seed = seed;
  }

  #tell() {
    const kind = this.kind.value;
    this.strength.disabled = STEADY.has(kind);
    this.another.disabled = kind === "" || kind === "canvas";
    const { told, amount } = KINDS[kind] ?? {};
    write(this.amount, kind ? told(amount(Number(this.strength.value) / 100)) : "");
    write(this.share, `${this.erase.value}%`);
    write(this.said, this.study[kind]);
    for (const { kind: added, toggle } of this.buttons) toggle.ariaPressed = String(kind === added);
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
    if (corruption && !Object.hasOwn(BUTTONS, corruption.kind)) this.more.toggleAttribute("open", true);
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
    this.note.hidden = !(shown && asksForMore(this.value) && shown.where === "on the server");
    const erased = shown?.models.every(({ variant }) => shown.answer[variant].loss);
    this.table.hidden = !erased;
    this.fine.hidden = !erased;
    if (!shown || !erased) return;
    for (const [i, { variant, title }] of shown.models.entries()) {
      const { loss } = shown.answer[variant];
      if (!loss) continue;
      const row = find(this.table, "tbody").children[i];
      write(find(row, "th"), title);
      const { digit, top, chance, middle } = loss;
      const told = (/** @type {{digit: number, prob: number}} */ now) => ({
        words: `${now.digit === digit ? "still" : "now"} ${now.digit} (${Math.round(100 * now.prob)}%)`,
        isLost: now.digit !== digit,
      });
      const byChance = {
        words: `${digit} in ${chance.kept} of ${chance.draws} (${Math.round(100 * chance.prob)}%)`,
        isLost: 2 * chance.kept < chance.draws,
      };
      const cells = row.querySelectorAll("td");
      [told(top), byChance, told(middle)].forEach(({ words, isLost }, i) => {
        write(cells[i], words);
        cells[i].classList.toggle("lost", isLost);
      });
    }
  }
}
