// The maps: tiles with a map over the drawing, all on one colour scale, and the legend of that scale.

import { contextOf, control, find, write } from "./dom.js";
import { colour, colourScale, TOP, unpack } from "./heat.js";
import { drawOn, drawOutlineOn } from "./strokes.js";

/** @import { MapsOf, Palette, Shown, Style } from "./types.d.ts" */

/** @typedef {{bytes: Uint8Array, low: number, mask?: string}} MapShown mask: of what is erased */

const WORDS = { caam: "Everything it reacts to", cam: "Evidence" };
const KINDS = { caam: "CAAM, class-agnostic activation map", cam: "CAM, class activation map" };
const CONTRAST = "contrastive CAM: one class's CAM less the other's";

/**
 * Which map stands in a place, in words and in bytes: in that of the CAM the contrast, where one was asked for.
 *
 * @param {MapsOf} reading @param {"cam" | "caam"} kind @param {(class_idx: number) => string} named
 */
export function mapOf(reading, kind, named = String) {
  const mask = reading.loss?.mask;
  if (kind === "caam") return { words: WORDS.caam, bytes: unpack(reading.caam), low: 0, mask };
  if (reading.contrast === null) {
    return { words: `Evidence for ${named(reading.class_idx)}`, bytes: unpack(reading.cam), low: 0, mask };
  }
  const words = `Evidence for ${named(reading.class_idx)} rather than ${named(Number(reading.other_idx))}`;
  return { words, bytes: unpack(reading.contrast), low: -1, mask };
}

/**
 * What the ends and the middle of the scale mean.
 *
 * @param {MapsOf[]} readings of all networks; none while there is no answer @param {boolean} contrast
 * @param {(class_idx: number) => string} named
 */
export function legendWords(readings, contrast, named = String) {
  if (readings.length === 0 || !contrast) return ["0 least", "evidence", "most 1"];
  const { class_idx, other_idx } = readings[0];
  const sameClass = readings.every((reading) => reading.class_idx === class_idx);
  return [`−1 for ${named(Number(other_idx))}`, "0", sameClass ? `for ${named(class_idx)} +1` : "for its own +1"];
}

/**
 * The colour scale and its words.
 *
 * @param {HTMLElement} legend @param {string[]} words of its ends and its middle
 * @param {Record<string, Palette>} palettes @param {string} name of one of them
 */
export function paintLegend(legend, words, palettes, name) {
  if (legend.dataset.colours !== name) {
    legend.dataset.colours = name;
    colourScale(find(legend, "canvas"), palettes[name]);
  }
  ["low", "middle", "high"].forEach((end, i) => {
    write(find(legend, `[data-end=${end}]`), words[i]);
  });
}

/**
 * Lay a map over the whole of a square canvas.
 *
 * @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} heat to colour the map on, before it is upsampled
 * @param {{bytes: Uint8Array, low: number}} map @param {[number, number]} size of the map, height and width
 * @param {Record<string, Palette>} palettes @param {Style} style
 */
export function overlay(canvas, heat, { bytes, low }, size, palettes, { colours, opacity, smooth, isSimple }) {
  const context = contextOf(canvas);
  colour(heat, bytes, size, palettes[low < 0 ? "diverging" : colours], smooth && !isSimple);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(heat, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

/**
 * The square that the networks are given, with a map over it, on any square canvas.
 *
 * @param {HTMLCanvasElement} canvas @param {Shown} shown @param {MapShown | null} map
 * @param {Record<string, Palette>} palettes @param {Style} style @param {string} ink the pen's colour
 * @param {Workshop} [workshop] canvases to work on, where it is done often
 */
export function paintSquare(canvas, shown, map, palettes, style, ink, workshop = new Workshop()) {
  const { answer } = shown;
  contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);
  contextOf(canvas).drawImage(workshop.ink(shown, ink, canvas.width), 0, 0);
  if (!map) return;
  overlay(canvas, workshop.heat, map, answer.map_size, palettes, style);
  contextOf(canvas).drawImage(workshop.outline(shown, map.low < 0 ? "#000a" : "#fffd", canvas.width), 0, 0);
  if (map.mask) eraseOn(canvas, map.mask);
}

/** What the networks are given, pixel by pixel, on any square canvas. @param {HTMLCanvasElement} canvas @param {string} seen @param {string} ink */
export function drawPixelsOn(canvas, seen, ink) {
  const context = contextOf(canvas);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = ink;
  forEachPixel(canvas, unpack(seen), (value, x, y, side) => {
    context.globalAlpha = value / TOP;
    context.fillRect(x, y, side, side);
  });
  context.globalAlpha = 1;
}

/**
 * The edges of whatever is brighter than half, seen on any colour.
 *
 * @param {HTMLCanvasElement} canvas @param {string} seen what the networks are given
 */
function outlinePixelsOn(canvas, seen) {
  const context = contextOf(canvas);
  const bytes = unpack(seen);
  const side = Math.sqrt(bytes.length);
  const unit = canvas.width / side;
  const isOn = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < side && y < side && bytes[y * side + x] > TOP / 2;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.beginPath();
  for (let y = 0; y <= side; y++) {
    for (let x = 0; x <= side; x++) {
      for (const [dx, dy] of [
        [1, 0],
        [0, 1],
      ]) {
        if (isOn(x, y) === isOn(x - dy, y - dx)) continue;
        context.moveTo(x * unit, y * unit);
        context.lineTo((x + dx) * unit, (y + dy) * unit);
      }
    }
  }
  context.lineCap = "square";
  for (const [ink, width] of /** @type {const} */ ([
    ["#000a", 3],
    ["#fffd", 1.3],
  ])) {
    context.strokeStyle = ink;
    context.lineWidth = width * (window.devicePixelRatio || 1);
    context.stroke();
  }
}

/** Leave nothing where something was erased. @param {HTMLCanvasElement} canvas @param {string} mask */
function eraseOn(canvas, mask) {
  forEachPixel(canvas, unpack(mask), (_, x, y, side) => contextOf(canvas).clearRect(x, y, side, side));
}

/**
 * @param {HTMLCanvasElement} canvas @param {Uint8Array} bytes of a square picture
 * @param {(value: number, x: number, y: number, side: number) => void} paint called for each that is not 0
 */
function forEachPixel({ width }, bytes, paint) {
  const pixels = Math.sqrt(bytes.length);
  const at = (/** @type {number} */ pixel) => Math.round((pixel * width) / pixels); // so that neighbours share an edge
  bytes.forEach((value, i) => {
    const [column, row] = [i % pixels, Math.floor(i / pixels)];
    if (value) paint(value, at(column), at(row), Math.max(at(column + 1) - at(column), at(row + 1) - at(row)));
  });
}

/** Canvases that nobody sees. Ink and outline are drawn once for all maps of one answer. */
class Workshop {
  heat = document.createElement("canvas");
  /** @type {Record<string, {canvas: HTMLCanvasElement, of: Shown | null}>} by what is on them */ #sheets = {};

  /** @param {Shown} shown @param {string} ink its colour @param {number} side of the canvas */
  ink(shown, ink, side) {
    return this.#sheet(`ink ${ink}`, shown, side, (canvas) => {
      if (shown.answer.is_corrupted) drawPixelsOn(canvas, shown.answer.seen, ink);
      else drawOn(canvas, shown.drawing, ink, shown.square);
    });
  }

  /** Of the ink. @param {Shown} shown @param {string} colour @param {number} side of the canvas */
  outline(shown, colour, side) {
    return this.#sheet(`outline ${colour}`, shown, side, (canvas) => {
      if (shown.answer.is_corrupted) outlinePixelsOn(canvas, shown.answer.seen);
      else drawOutlineOn(canvas, shown.drawing.strokes, colour, shown.square);
    });
  }

  /** @param {string} name @param {Shown} shown @param {number} side @param {(canvas: HTMLCanvasElement) => void} draw */
  #sheet(name, shown, side, draw) {
    this.#sheets[name] ??= { canvas: document.createElement("canvas"), of: null };
    const sheet = this.#sheets[name];
    if (sheet.of === shown && sheet.canvas.width === side) return sheet.canvas;
    if (sheet.canvas.width !== side) sheet.canvas.width = sheet.canvas.height = side;
    sheet.of = shown;
    draw(sheet.canvas);
    return sheet.canvas;
  }
}

const PARTS = `<div class="tile"><canvas tabindex="0" role="img"></canvas><i class="cell" hidden></i><span class="value" aria-hidden="true"></span></div>
  <figcaption><b></b> <span></span></figcaption>`;

export class Tile {
  bytes = new Uint8Array();
  low = 0;
  /** @type {string | undefined} */ mask;

  /** @param {HTMLElement} figure @param {string} title of its network @param {(class_idx: number) => string} named */
  constructor(figure, title, named = String) {
    this.named = named;
    this.kind = /** @type {"cam" | "caam"} */ (figure.dataset.map);
    this.title = title;
    figure.innerHTML = PARTS;
    this.canvas = /** @type {HTMLCanvasElement} */ (find(figure, "canvas"));
    this.caption = find(figure, "figcaption b");
    this.what = find(figure, "figcaption span");
    this.value = find(figure, ".value");
    this.show(null);
  }

  /** @param {MapsOf | null} reading */
  show(reading) {
    const map = this.showMap(reading);
    const what = map.low < 0 ? CONTRAST : KINDS[this.kind];
    write(this.caption, map.words);
    write(this.what, what);
    this.canvas.setAttribute("aria-label", `${this.title}, ${what.split(/[,:]/)[0]}: ${map.words}`);
  }

  /** Without its words. @param {MapsOf | null} reading */
  showMap(reading) {
    const map = reading
      ? mapOf(reading, this.kind, this.named)
      : { words: WORDS[this.kind], bytes: new Uint8Array(), low: 0 };
    this.bytes = map.bytes;
    this.low = map.low;
    this.mask = reading?.loss?.mask;
    return map;
  }
}

export class Maps {
  #workshop = new Workshop();

  /**
   * @param {HTMLElement} root of the tab @param {Tile[]} tiles
   * @param {Record<string, Palette>} palettes
   */
  constructor(root, tiles, palettes) {
    this.root = root;
    this.tiles = tiles;
    this.palettes = palettes;
  }

  /** How the user wants to see them. @returns {Style} */
  get style() {
    return {
      colours: control(this.root, "colours").value,
      opacity: Number(control(this.root, "opacity").value),
      smooth: control(this.root, "smooth").checked,
    };
  }

  /**
   * @param {Shown | null} shown @param {string} ink the pen's colour
   * @param {boolean} isHurried paint the maps alone, and their transitions simply
   */
  paint(shown, ink, isHurried) {
    const style = { ...this.style, isSimple: isHurried };
    for (const tile of this.tiles) {
      if (shown) paintSquare(tile.canvas, shown, tile, this.palettes, style, ink, this.#workshop);
      else contextOf(tile.canvas).clearRect(0, 0, tile.canvas.width, tile.canvas.height);
    }
    if (isHurried) return;
    this.#paintLegend(shown);
  }

  /** @param {Shown | null} shown */
  #paintLegend(shown) {
    const contrast = this.tiles[0].low < 0;
    const readings = shown ? shown.models.map(({ variant }) => shown.answer[variant]) : [];
    const name = contrast ? "diverging" : this.style.colours;
    paintLegend(find(this.root, ".legend"), legendWords(readings, contrast), this.palettes, name);
  }
}
