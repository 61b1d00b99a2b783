// What is asked about a drawing or a picture: which class to explain, against which other, and by which networks.

import { control, find } from "./dom.js";

/** @import { MapsOf, Question } from "./types.d.ts" */

export const DIGITS = Array.from({ length: 10 }, (_, digit) => String(digit));

export class QuestionForm {
  /**
   * @param {HTMLElement} root of the tab @param {string[]} networks
   * @param {string[]} classes their names @param {() => void} changed
   */
  constructor(root, networks, classes, changed) {
    this.changed = changed;
    /** @type {HTMLSelectElement} */ this.class = find(root, "[name=class]");
    /** @type {HTMLSelectElement} */ this.other = find(root, "[name=other]");
    this.networks = control(root, "networks");
    this.offer(classes);
    for (const name of networks) find(root, "[name=networks]").append(new Option(name, name));
    find(root, ".networks").hidden = networks.length < 2;
    for (const select of [this.class, this.other]) select.addEventListener("change", () => this.ask({}));
    this.networks.addEventListener("change", changed);
  }

  /** @returns {Pick<Question, "class_idx" | "other_idx" | "networks">} */
  get value() {
    const number = (/** @type {HTMLSelectElement} */ { value }) => (value === "" ? null : Number(value));
    return { class_idx: number(this.class), other_idx: number(this.other), networks: this.networks.value };
  }

  /** @param {string[]} classes the names of those that can be asked about */
  offer(classes) {
    for (const select of [this.class, this.other]) {
      select.options.length = 1;
      classes.forEach((name, class_idx) => {
        select.add(new Option(name, String(class_idx)));
      });
    }
  }

  /** Choose classes by number, as text, "" for none. @param {{class?: string, other?: string}} choice */
  set(choice) {
    if (choice.class !== undefined) this.class.value = choice.class;
    if (choice.other !== undefined) this.other.value = choice.other;
    if (this.class.value === this.other.value) this.other.value = "";
    this.#offer([]);
  }

  /** @param {{class?: string, other?: string}} choice */
  ask(choice) {
    this.set(choice);
    this.changed();
  }

  /** No class is contrasted with itself: what all networks explain is not offered as the other. @param {MapsOf[]} readings */
  show(readings) {
    this.#offer(readings.map(({ class_idx }) => class_idx));
  }

  /** @param {number[]} explained */
  #offer(explained) {
    const chosen = this.class.value === "" ? explained[0] : Number(this.class.value);
    const same = this.class.value !== "" || explained.every((digit) => digit === chosen);
    for (const option of this.other.options) {
      option.disabled = same && option.value === String(chosen) && !option.selected;
    }
  }
}
