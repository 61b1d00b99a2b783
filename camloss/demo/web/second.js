// The second model: another variant of the pair beside the baseline, on a slider over alpha or by a button of its own.

import { control, find, percent, write } from "./dom.js";
import { reader } from "./reader.js";

/** @import { Measured, Model, Second } from "./types.d.ts" */

const WAITING = "Fetching this model: until it is here, the one before stays.";
const LACKING = "This model did not load: choose it again to try once more.";
const ONE_RUN = "One training each, one seed: same start, same pictures, another loss.";
const ITSELF = "Alpha 0 is cross-entropy alone: one and the same network twice.";

export class SecondForm {
  /** @type {Second[]} what there is to choose from, of these networks */ #offered = [];
  #networks = "";
  #chosen = ""; // variant; "" for the pair's own
  /** @type {Second | null} the last one that was there */ #last = null;
  #lacking = ""; // variant that did not load

  /**
   * @param {HTMLElement} root of the tab @param {Model[]} own the models of the columns, as the pair has them
   * @param {Measured} measured of one pair
   * @param {boolean} isExpected whether there will be a choice
   * @param {() => void} changed another model is to be asked
   */
  constructor(root, own, measured, isExpected, changed) {
    this.own = own;
    this.measured = measured;
    this.place = find(root, ".second");
    this.label = find(this.place, ".alpha");
    this.slider = control(root, "alpha");
    this.value = find(this.place, "output");
    this.others = find(this.place, ".others");
    this.fine = find(this.place, ".fine");
    this.place.hidden = !isExpected;
    this.changed = changed;
    this.slider.addEventListener("input", () => this.#take(this.#stops[Number(this.slider.value)]));
  }

  /** The variant in links, "" for the pair's own. */
  get code() {
    return this.#chosen === this.own[1].variant ? "" : this.#chosen;
  }

  /** Choose by the variant's name; where there is none, the pair's own stays. @param {string} variant */
  choose(variant) {
    this.#chosen = variant;
    this.#bring();
    this.#show();
  }

  /** What the pair has to choose from is known now. @param {string} networks */
  offer(networks) {
    const offered = reader.seconds(networks);
    this.#networks = networks;
    if (offered !== this.#offered) {
      this.#offered = offered;
      this.#last = null; // it was another pair's
      this.others.replaceChildren(...offered.filter(({ alpha }) => alpha === null).map((one) => this.#button(one)));
      this.place.hidden = offered.length === 0;
      this.label.hidden = this.#stops.length < 2;
      this.slider.max = String(this.#stops.length - 1);
      this.slider.disabled = false;
    }
    this.#bring();
    this.#show();
  }

  /** The models to ask: until the chosen one is in this browser, the one before. @param {string} networks */
  models(networks) {
    const isThere = (/** @type {Second} */ { variant }) => !reader.has(networks) || reader.has(networks, variant);
    const wanted = networks === this.#networks ? this.#found(this.#chosen) : undefined;
    const second = [wanted, this.#last].find((one) => one && isThere(one));
    if (!second) return this.own;
    this.#last = second;
    const [baseline, { colour }] = this.own;
    return [baseline, { variant: second.variant, title: second.title, colour }];
  }

  /** What stands in the second column under a variant's name. @param {string} variant */
  titleOf(variant) {
    return this.#found(variant)?.title ?? this.own[1].title;
  }

  /** @returns {Second[]} by alpha */
  get #stops() {
    const plain = this.#offered.filter(({ alpha }) => alpha !== null);
    return plain.sort((a, b) => Number(a.alpha) - Number(b.alpha));
  }

  /** @param {string} variant @returns {Second | undefined} */
  #found(variant) {
    return this.#offered.find((one) => one.variant === (variant || this.own[1].variant));
  }

  /** @param {Second} second */
  #take(second) {
    this.choose(second.variant);
    this.changed();
  }

  /** Fetch what is chosen, if it is not here. */
  async #bring() {
    const wanted = this.#found(this.#chosen);
    this.#lacking = "";
    if (!wanted?.file || reader.has(this.#networks, wanted.variant)) return;
    const isHere = await reader.bring(wanted.file);
    if (wanted !== this.#found(this.#chosen)) return;
    this.#lacking = isHere ? "" : wanted.variant;
    this.#show();
    if (isHere) this.changed();
  }

  #show() {
    if (this.#offered.length === 0) return;
    if (!this.#found(this.#chosen)) this.#chosen = ""; // a link's that this pair does not have
    const wanted = this.#found(this.#chosen);
    if (!wanted) return;
    const stops = this.#stops;
    if (stops.includes(wanted)) this.slider.value = String(stops.indexOf(wanted));
    const alpha = stops[Number(this.slider.value)]?.alpha;
    write(this.value, stops.includes(wanted) ? String(alpha) : "–");
    this.slider.setAttribute("aria-valuetext", `alpha ${alpha}`);
    this.label.classList.toggle("aside", !stops.includes(wanted));
    for (const button of this.others.children) {
      button.ariaPressed = String(/** @type {HTMLElement} */ (button).dataset.of === wanted.variant);
    }
    write(this.fine, this.#told(wanted));
  }

  /** @param {Second} wanted */
  #told(wanted) {
    if (this.#lacking === wanted.variant) return LACKING;
    if (wanted.file && reader.has(this.#networks) && !reader.has(this.#networks, wanted.variant)) return WAITING;
    if (wanted.alpha === 0) return ITSELF;
    const { run, variants } = this.measured;
    const [before, now] = [this.own[0], wanted].map(({ variant }) => variants[variant]);
    if (!reader.isOf(this.#networks, run) || before === undefined || now === undefined) return ONE_RUN;
    const among = `${percent(now.clutter_8)} (cross-entropy ${percent(before.clutter_8)})`;
    const [apart, beside] = [now, before].map((each) => percent(each.two_digits_separation));
    return `Accuracy among clutter: ${among}. Two digits in one image: ${apart} of its CAM's top 10% lie on the right one (cross-entropy ${beside}). ${ONE_RUN}`;
  }

  /** Pressed once more, it gives the place back to the slider, or to the pair's own. @param {Second} second */
  #button(second) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.of = second.variant;
    button.textContent = second.title;
    button.addEventListener("click", () => {
      const before = this.#stops[Number(this.slider.value)] ?? this.#found("");
      this.#take(this.#chosen === second.variant ? before : second);
    });
    return button;
  }
}
