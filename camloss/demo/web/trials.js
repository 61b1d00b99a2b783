// What the visitor puts in the way of the networks, and what became of their answers.

import { KINDS } from "./disturb.js";
import { button, control, find, percent, write } from "./dom.js";

/** @import { Disturbance, Question, Shown, Twin } from "./types.d.ts" */

const STEADY = new Set(["", "stripe"]); // kinds that have no strength

/** @param {Disturbance | null} disturbance @returns {string} for links, "" for none */
export const codeOf = (disturbance) =>
  disturbance ? `${disturbance.kind}-${Math.round(100 * disturbance.strength)}-${disturbance.seed}` : "";

/** The inverse; null for what it never writes. @param {string} code @returns {Disturbance | null} */
export function disturbanceIn(code) {
  const [, kind, percent, seed] = /^([a-z]+)-(\d{1,3})-(\d{1,6})$/.exec(code) ?? [];
  if (!Object.hasOwn(KINDS, kind ?? "") || Number(percent) > 100) return null;
  return { kind, strength: Number(percent) / 100, seed: Number(seed) };
}

export class Trials {
  #seed = 0;

  /**
   * @param {HTMLElement} root of the tab @param {Twin[]} twins
   * @param {Record<string, string>} study what the study says of each kind, and of all under ""
   * @param {() => void} changed
   */
  constructor(root, twins, study, changed) {
    this.twins = twins;
    this.study = study;
    this.said = find(root, ".study");
    this.now = twins.map((twin) => addReadingTo(find(root, ".now"), twin));
    this.kind = control(root, "disturbance");
    this.strength = control(root, "strength");
    this.rub = control(root, "rub");
    this.another = button(root, "another");
    this.share = find(root, ".rub output");
    this.table = find(root, ".losses");
    this.fine = find(root, ".losses-fine");
    this.note = find(root, ".waiting");
    for (const { title, variant } of twins) this.#addRow(title, variant);
    this.#tell();
    const ask = () => {
      this.#tell();
      changed();
    };
    for (const input of [this.kind, this.strength, this.rub]) input.addEventListener("input", ask);
    this.another.addEventListener("click", () => {
      this.#seed += 1;
      ask();
    });
  }

  #tell() {
    this.strength.disabled = STEADY.has(this.kind.value);
    this.another.disabled = this.kind.value === "" || this.kind.value === "field";
    write(this.share, `${this.rub.value}%`);
    write(this.said, this.study[this.kind.value]);
  }

  /** @param {string} title @param {string} variant */
  #addRow(title, variant) {
    const row = document.createElement("tr");
    row.dataset.of = variant;
    row.innerHTML = `<th scope="row">${title}</th><td></td><td></td><td></td>`;
    find(this.table, "tbody").append(row);
  }

  /** Add this, and rub out nothing. @param {Disturbance | null} disturbance */
  set(disturbance) {
    this.kind.value = disturbance?.kind ?? "";
    this.strength.value = String(100 * (disturbance?.strength ?? 0.5));
    this.rub.value = "0";
    this.#seed = disturbance?.seed ?? 0;
    this.#tell();
  }

  /** @returns {Pick<Question, "disturbance" | "rub">} */
  get value() {
    const kind = this.kind.value;
    const disturbance = kind ? { kind, strength: Number(this.strength.value) / 100, seed: this.#seed } : null;
    return { disturbance, rub: Number(this.rub.value) / 100 };
  }

  /** @param {Shown | null} shown */
  show(shown) {
    this.twins.forEach(({ variant }, i) => {
      const { digit = null, probs = [] } = shown?.answer[variant] ?? {};
      write(this.now[i], digit === null ? "–" : `${digit} (${percent(probs[digit])})`);
    });
    const asked = this.value.disturbance !== null || this.value.rub > 0;
    this.note.hidden = !(shown && asked && shown.where === "on the server");
    const rubbed = shown && this.twins.every(({ variant }) => shown.answer[variant].loss);
    this.table.hidden = !rubbed;
    this.fine.hidden = !rubbed;
    if (!rubbed) return;
    for (const { variant } of this.twins) {
      const { loss } = shown.answer[variant];
      if (!loss) continue;
      const { digit, hottest, chance, middle } = loss;
      const told = (/** @type {{digit: number, prob: number}} */ now) => ({
        words: `${now.digit === digit ? "still" : "now"} ${now.digit} (${Math.round(100 * now.prob)}%)`,
        isLost: now.digit !== digit,
      });
      const byChance = {
        words: `${digit} in ${chance.kept} of ${chance.draws} (${Math.round(100 * chance.prob)}%)`,
        isLost: 2 * chance.kept < chance.draws,
      };
      const cells = this.table.querySelectorAll(`[data-of=${variant}] td`);
      [told(hottest), byChance, told(middle)].forEach(({ words, isLost }, i) => {
        write(cells[i], words);
        cells[i].classList.toggle("lost", isLost);
      });
    }
  }
}

/** A place for what a network reads now. @param {HTMLElement} line @param {Twin} twin */
function addReadingTo(line, { title, colour }) {
  const name = document.createElement("span");
  name.style.color = `var(--${colour})`;
  name.textContent = title;
  const reading = document.createElement("b");
  line.append(...(line.firstChild ? [" · "] : []), name, " ", reading);
  return reading;
}
