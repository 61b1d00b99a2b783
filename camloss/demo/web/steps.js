// How it works, on the visitor's own drawing and with both networks side by side: the features, the two sums of them, a
// few maps more at each step, and their difference.

import { buildUpOf, placementOf } from "./answer.js";
import { meanCorrelation } from "./correlation.js";
import { button, control, find, write } from "./dom.js";
import { Epochs } from "./epochs.js";
import { fit, palettesOf, unpack } from "./heat.js";
import { drawPixelsOn, overlay } from "./maps.js";
import { squareOf } from "./picture.js";
import { state } from "./state.js";
import { drawOn } from "./strokes.js";

/** @import { BuildUp, Drawing, Square, Server, StepsProps, Model } from "./types.d.ts" */

const STYLE = { colours: "cividis", opacity: 0.8, smooth: true };
const SUMS = /** @type {const} */ (["caam", "cam", "difference"]);
const TOLD = "Draw a digit on the first tab, erase nothing, and this says what was measured on it.";
const PACE = 700; // ms a step

/** @param {HTMLElement} root the tab's element @param {StepsProps} props @param {Server} server */
export function start(root, props, server) {
  const palettes = palettesOf({ [STYLE.colours]: props.colours[STYLE.colours] });
  const heat = document.createElement("canvas");
  const slider = control(root, "step");
  const columns = props.models.map((model) => new Column(root, model, props.shown));
  const epochs = new Epochs(root, props.models, server, paintTile);
  /** @type {{drawing: Drawing, square: Square, steps: BuildUp[]} | null} one build-up a model */
  let shown = null;
  let stale = true;

  async function refresh() {
    stale = true;
    if (root.offsetParent === null) return; // on the tab that is not shown
    stale = false;
    const drawn = state.shown;
    const drawing = drawn?.drawing ?? { strokes: props.example, photo: null };
    const models = drawn?.models ?? props.models;
    const { class_idx = null, networks = props.networks[0], corruption = null } = drawn?.question ?? {};
    try {
      const asked = models.map(({ variant }) => ({ variant, class_idx, corruption, shown: props.shown }));
      const replies = await Promise.all(asked.map((question) => buildUpOf(drawing, networks, question, server)));
      /** @type {BuildUp[]} */
      const steps = [];
      for (const reply of replies) {
        if ("error" in reply) throw new Error(reply.error);
        if (!("totals" in reply)) throw new Error("there is nothing to read");
        steps.push(reply);
      }
      shown = { drawing, square: squareOf(placementOf(drawing), steps[0]), steps };
    } catch (problem) {
      write(find(root, ".note"), `This did not work: ${/** @type {Error} */ (problem).message}`);
      return;
    }
    const digits = [...new Set(shown.steps.map(({ class_idx }) => class_idx))].join(" and ");
    write(find(root, ".note"), `Evidence for ${digits}.${drawn ? "" : " An example, until you draw one."}`);
    const isPlain = drawn && drawn.question.erase === 0;
    find(root, ".around").hidden = !shown.steps.every(({ shares }) => shares);
    const { steps } = shown;
    columns.forEach((column, i) => {
      column.rename(models[i].title);
      column.choose(steps[i]);
    });
    write(find(root, ".told"), isPlain ? `${drawn.answer.summary} ${drawn.answer.detail}` : TOLD);
    const atEnd = slider.value === slider.max;
    slider.max = String(shown.steps[0].totals.length - 1);
    if (atEnd) slider.value = slider.max;
    paint();
    const classes = shown.steps.map(({ class_idx }, i) => [models[i].variant, class_idx]);
    epochs.show({ drawing, networks, corruption, classes: Object.fromEntries(classes) });
  }

  /** @param {HTMLCanvasElement} canvas @param {string} map @param {[number, number]} size */
  function paintTile(canvas, map, size) {
    if (!shown) return;
    fit(canvas);
    const { color } = getComputedStyle(canvas);
    const { seen } = shown.steps[0];
    if (seen) drawPixelsOn(canvas, seen, color);
    else drawOn(canvas, shown.drawing, color, shown.square);
    overlay(canvas, heat, { bytes: unpack(map), low: 0 }, size, palettes, STYLE);
  }

  function paint() {
    if (!shown || root.offsetParent === null) return;
    columns.forEach((column, i) => {
      const { channels, totals, map_size } = /** @type {NonNullable<typeof shown>} */ (shown).steps[i];
      const total = totals[Math.min(Number(slider.value), totals.length - 1)];
      write(find(root, ".channel-count"), totals.at(-1)?.count ?? "");
      write(find(root, ".count output"), `${total.count} of ${totals.at(-1)?.count}`);
      channels.slice(0, props.shown).forEach(({ features, weight }, c) => {
        const canvas = /** @type {HTMLCanvasElement} */ (find(column.channels[c], "canvas"));
        paintTile(canvas, features, map_size);
        const words = (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(2);
        canvas.setAttribute("aria-label", `${column.title}, feature map with weight ${words}`);
        write(find(column.channels[c], "p"), words);
        find(column.channels[c], ".tile").classList.toggle("added", c < total.count);
      });
      const correlation = meanCorrelation(channels.map(({ features }) => unpack(features)));
      write(column.correlation, `They correlate at ${correlation.toFixed(2)}.`);
      for (const name of SUMS) paintTile(column.sums[name], total[name], map_size);
      write(column.distance, `CAM-CAAM distance ${(100 * total.distance).toFixed(1)}%`);
    });
    epochs.paint();
  }

  /** @type {number | undefined} */
  let player;

  function play() {
    slider.value = "0";
    button(root, "play").textContent = "Pause";
    paint();
    player = window.setInterval(() => {
      slider.value = String(Number(slider.value) + 1);
      paint();
      if (slider.value === slider.max) stop();
    }, PACE);
  }

  function stop() {
    clearInterval(player);
    player = undefined;
    button(root, "play").textContent = "Play";
  }

  button(root, "play").addEventListener("click", () => (player ? stop() : play()));
  slider.addEventListener("input", () => {
    if (player) stop();
    paint();
  });
  document.addEventListener("camloss", refresh);
  new ResizeObserver(() => (stale ? refresh() : paint())).observe(find(root, ".story"));
  new MutationObserver(paint).observe(document.body, { attributeFilter: ["class"] });
  refresh();
}

/** One network's part in each of the sections. */
class Column {
  /** @param {HTMLElement} root of the tab @param {Model} model @param {number} shown how many channels */
  constructor(root, { title, colour }, shown) {
    /** @type {HTMLElement[]} */ this.heads = [];
    /** @param {string} name @param {string} inside */
    const add = (name, inside) => {
      const part = document.createElement("div");
      part.className = "model";
      part.style.setProperty("--model", `var(--${colour})`);
      part.innerHTML = `<h3></h3>${inside}`;
      find(root, `[data-show=${name}]`).append(part);
      this.heads.push(find(part, "h3"));
      return part;
    };
    const tile = '<div class="tile"><canvas role="img"></canvas></div>';
    const stamps = `<button type="button" aria-pressed="false">${tile}<p>&nbsp;</p></button>`.repeat(shown);
    const parts = '<p class="sum">&nbsp;</p><p class="correlation">&nbsp;</p>';
    const channels = add("channels", `<div class="channels">${stamps}</div>${parts}`);
    this.correlation = find(channels, ".correlation");
    this.sum = find(channels, ".sum");
    this.around = add(
      "around",
      "<table><thead><tr><td></td><th>where the digit lies</th><th>around it</th><th>score</th></tr></thead><tbody></tbody></table>",
    );
    /** @type {Set<number>} channels that are added up */ this.chosen = new Set([0]);
    this.channels = /** @type {HTMLElement[]} */ ([...find(channels, ".channels").children]);
    this.channels.forEach((channel, c) => {
      channel.addEventListener("click", () => {
        if (!this.chosen.delete(c)) this.chosen.add(c);
        if (this.steps) this.choose(this.steps);
      });
    });
    const map = (/** @type {typeof SUMS[number]} */ name) => add(name, `${tile}<p>&nbsp;</p>`);
    const sums = { caam: map("caam"), cam: map("cam"), difference: map("difference") };
    this.distance = find(sums.difference, "p");
    this.sums = /** @type {Record<typeof SUMS[number], HTMLCanvasElement>} */ (
      Object.fromEntries(SUMS.map((name) => [name, find(sums[name], "canvas")]))
    );
    this.rename(title);
  }

  /** Stand for another model. @param {string} title */
  rename(title) {
    this.title = title;
    for (const head of this.heads) write(head, title);
    for (const name of SUMS) {
      const words = name === "difference" ? "difference of CAAM and CAM" : name.toUpperCase();
      this.sums[name].setAttribute("aria-label", `${title}, ${words} so far`);
    }
  }

  /** How the chosen maps add up to the score, and where it comes from. @param {BuildUp} steps */
  choose(steps) {
    this.steps = steps;
    const { channels, logit, bias, shares = [] } = steps;
    let rest = logit - bias;
    const terms = channels.flatMap(({ weight, pooled }, c) => {
      if (!this.chosen.has(c)) return [];
      rest -= weight * pooled;
      return [`${weight.toFixed(2)} × ${pooled.toFixed(2)}`];
    });
    const score = [...terms, `other maps ${rest.toFixed(2)}`, `constant ${bias.toFixed(2)}`].join(" + ");
    write(this.sum, `${score} = ${logit.toFixed(2)}`);
    this.channels.forEach((channel, c) => {
      channel.ariaPressed = String(this.chosen.has(c));
    });
    const signed = (/** @type {number} */ value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
    find(this.around, "tbody").innerHTML = shares
      .map(
        ({ class_idx, inside, outside, logit }) =>
          `<tr><th scope="row">for ${class_idx}</th><td>${signed(inside)}</td><td>${signed(outside)}</td><td>${signed(logit)}</td></tr>`,
      )
      .join("");
  }
}
