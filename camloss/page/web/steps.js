// How it works, on the user's own drawing: features, and the two sums of them, a few channels more at each step.

import { buildUpOf, placementOf } from "./answer.js";
import { button, control, find, write } from "./dom.js";
import { fit, palettesOf, unpack } from "./heat.js";
import { overlay } from "./maps.js";
import { fieldOf } from "./picture.js";
import { state } from "./state.js";
import { drawOn } from "./strokes.js";

/** @import { BuildUp, Drawing, Field, Server, StepsProps, Twin } from "./types.d.ts" */

const STYLE = { colours: "cividis", opacity: 0.8, smooth: true };
const SUMS = /** @type {const} */ (["caam", "cam", "difference"]);
const PACE = 700; // ms a step

/** @param {HTMLElement} root the tab's element @param {StepsProps} props @param {Server} server */
export function start(root, props, server) {
  const palettes = palettesOf({ [STYLE.colours]: props.colours[STYLE.colours] });
  const heat = document.createElement("canvas");
  const slider = control(root, "step");
  const sums = /** @type {HTMLCanvasElement[]} */ ([...root.querySelectorAll(".sums canvas")]);
  const channels = Array.from({ length: props.shown }, () => addChannel(find(root, ".channels")));
  /** @type {{drawing: Drawing, field: Field, steps: BuildUp} | null} */
  let shown = null;
  let stale = true;
  for (const twin of props.twins) addChoice(find(root, "fieldset"), twin, twin === props.twins.at(-1));

  async function refresh() {
    stale = true;
    if (root.offsetParent === null) return; // on the tab that is not shown
    stale = false;
    const drawn = state.shown;
    const drawing = drawn?.drawing ?? { strokes: props.example, photo: null };
    const { class_idx = null, networks = props.networks[0] } = drawn?.question ?? {};
    const variant = /** @type {HTMLInputElement} */ (find(root, "[name=variant]:checked")).value;
    try {
      const steps = await buildUpOf(drawing, networks, { variant, class_idx, shown: props.shown }, server);
      if ("error" in steps) throw new Error(steps.error);
      if (!("totals" in steps)) throw new Error("there is nothing to read");
      shown = { drawing, field: fieldOf(placementOf(drawing), steps), steps };
    } catch (problem) {
      write(find(root, ".note"), `This did not work: ${/** @type {Error} */ (problem).message}`);
      return;
    }
    write(
      find(root, ".note"),
      `Evidence for ${shown.steps.class_idx}.${drawn ? "" : " An example, until you draw one."}`,
    );
    const atEnd = slider.value === slider.max;
    slider.max = String(shown.steps.totals.length - 1);
    if (atEnd) slider.value = slider.max;
    paint();
  }

  /** @param {HTMLCanvasElement} canvas @param {string} map */
  function paintTile(canvas, map) {
    if (!shown) return;
    fit(canvas);
    drawOn(canvas, shown.drawing, getComputedStyle(canvas).color, shown.field);
    overlay(canvas, heat, { bytes: unpack(map), low: 0 }, shown.steps.map_size, palettes, STYLE);
  }

  function paint() {
    if (!shown || root.offsetParent === null) return;
    const { steps } = shown;
    const total = steps.totals[Number(slider.value)];
    find(root, ".count output").textContent = `${total.count} of ${steps.totals.at(-1)?.count}`;
    steps.channels.forEach(({ features, weight }, i) => {
      const canvas = /** @type {HTMLCanvasElement} */ (find(channels[i], "canvas"));
      paintTile(canvas, features);
      const words = (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(2);
      canvas.setAttribute("aria-label", `Feature map with weight ${words}`);
      find(channels[i], "p").textContent = words;
      find(channels[i], ".tile").classList.toggle("added", i < total.count);
    });
    SUMS.forEach((name, i) => {
      paintTile(sums[i], total[name]);
    });
    find(root, ".distance").textContent = `${(100 * total.distance).toFixed(1)}%`;
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
  find(root, "fieldset").addEventListener("change", refresh);
  document.addEventListener("camloss", refresh);
  new ResizeObserver(() => (stale ? refresh() : paint())).observe(find(root, ".steps"));
  new MutationObserver(paint).observe(document.body, { attributeFilter: ["class"] });
  refresh();
}

/** @param {HTMLElement} place */
function addChannel(place) {
  const channel = document.createElement("div");
  channel.innerHTML = '<div class="tile"><canvas role="img"></canvas></div><p>&nbsp;</p>';
  place.append(channel);
  return channel;
}

/** @param {HTMLElement} place @param {Twin} twin @param {boolean} checked */
function addChoice(place, { variant, title }, checked) {
  const choice = Object.assign(document.createElement("input"), {
    type: "radio",
    name: "variant",
    value: variant,
    checked,
  });
  const label = document.createElement("label");
  label.append(choice, ` ${title}`);
  place.append(label);
}
