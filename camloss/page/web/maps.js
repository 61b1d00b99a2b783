// The maps: tiles with a map over the drawing, all on one colour scale, and the legend of that scale.

import { contextOf, control, find, write } from "./dom.js";
import { colour, colourScale, unpack } from "./heat.js";
import { drawOn, drawOutlineOn, UNITS } from "./strokes.js";

/** @import { Answer, Field, Palette, Reading, Shown, Style, Twin } from "./types.d.ts" */

const WORDS = { caam: "all it reacts to", cam: "evidence for the digit" };

/**
 * Which map stands in a place, in words and in bytes: in that of the CAM the contrast, where one was asked for.
 *
 * @param {Reading} reading @param {"cam" | "caam"} kind
 */
export function mapOf(reading, kind) {
  if (kind === "caam") return { words: WORDS.caam, bytes: unpack(reading.caam), low: 0 };
  if (reading.contrast === null) {
    return { words: `evidence for ${reading.class_idx}`, bytes: unpack(reading.cam), low: 0 };
  }
  const words = `${reading.class_idx} rather than ${reading.other_idx}`;
  return { words, bytes: unpack(reading.contrast), low: -1 };
}

/**
 * What the ends and the middle of the scale mean.
 *
 * @param {Answer | null} answer @param {Twin[]} twins @param {boolean} contrast
 */
export function legendWords(answer, twins, contrast) {
  if (!answer || !contrast) return ["0 least", "evidence", "most 1"];
  const readings = twins.map(({ variant }) => answer[variant]);
  const { class_idx, other_idx } = readings[0];
  const sameClass = readings.every((reading) => reading.class_idx === class_idx);
  return [`−1 for ${other_idx}`, "0", sameClass ? `for ${class_idx} +1` : "for its own +1"];
}

/**
 * Lay a map over what a square canvas shows.
 *
 * @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} heat to colour the map on, before it is stretched
 * @param {{bytes: Uint8Array, low: number}} map @param {[number, number]} size of the map, height and width
 * @param {Field} field @param {Record<string, Palette>} palettes
 * @param {Style} style
 */
export function overlay(canvas, heat, { bytes, low }, size, field, palettes, { colours, opacity, smooth }) {
  const context = contextOf(canvas);
  const scale = canvas.width / UNITS;
  colour(heat, bytes, size, palettes[low < 0 ? "diverging" : colours], smooth);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(heat, field.left * scale, field.top * scale, field.side * scale, field.side * scale);
  context.globalAlpha = 1;
}

/** The colour of the ink's outline over a map. @param {number} low the map's lowest value */
export const outlineInk = (low) => (low < 0 ? "#000a" : "#fffd");

export class Tile {
  bytes = new Uint8Array();
  low = 0;
  heat = document.createElement("canvas");

  /** @param {HTMLElement} figure @param {string} title of its network */
  constructor(figure, title) {
    this.kind = /** @type {"cam" | "caam"} */ (figure.dataset.map);
    this.title = title;
    this.canvas = /** @type {HTMLCanvasElement} */ (find(figure, "canvas"));
    this.caption = find(figure, "figcaption span");
    this.value = find(figure, ".value");
    this.show(null);
  }

  /** @param {Reading | null} reading */
  show(reading) {
    const map = reading ? mapOf(reading, this.kind) : { words: WORDS[this.kind], bytes: new Uint8Array(), low: 0 };
    this.bytes = map.bytes;
    this.low = map.low;
    write(this.caption, map.words);
    this.canvas.setAttribute("aria-label", `${this.title}, ${this.kind.toUpperCase()} ${map.words}`);
  }
}

export class Maps {
  /** @type {Record<string, HTMLCanvasElement>} */ #layers = {};

  /**
   * @param {HTMLElement} root of the tab @param {Tile[]} tiles @param {Twin[]} twins
   * @param {Record<string, Palette>} palettes
   */
  constructor(root, tiles, twins, palettes) {
    this.root = root;
    this.tiles = tiles;
    this.twins = twins;
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

  /** @param {Shown | null} shown @param {string} ink the pen's colour */
  paint(shown, ink) {
    for (const { canvas } of this.tiles) contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);
    if (shown) this.#paintTiles(shown, ink);
    this.#paintLegend(shown);
    this.#paintSeen(shown);
  }

  /** @param {Shown} shown @param {string} ink */
  #paintTiles({ drawing, answer, field }, ink) {
    const { style } = this;
    const side = this.tiles[0].canvas.width;
    const inked = this.#layer("ink", side);
    drawOn(inked, drawing, ink);
    /** @type {Record<string, HTMLCanvasElement>} by colour, of those that are needed */
    const outlines = {};
    for (const tile of this.tiles) {
      const context = contextOf(tile.canvas);
      context.drawImage(inked, 0, 0);
      overlay(tile.canvas, tile.heat, tile, answer.map_size, field, this.palettes, style);
      const edge = outlineInk(tile.low);
      if (!outlines[edge]) {
        outlines[edge] = this.#layer(edge, side);
        drawOutlineOn(outlines[edge], drawing.strokes, edge);
      }
      context.drawImage(outlines[edge], 0, 0);
    }
  }

  /** A canvas to draw on once for all tiles. @param {string} name @param {number} side */
  #layer(name, side) {
    this.#layers[name] ??= document.createElement("canvas");
    const layer = this.#layers[name];
    if (layer.width !== side) {
      layer.width = side;
      layer.height = side;
    }
    return layer;
  }

  /** @param {Shown | null} shown */
  #paintLegend(shown) {
    const contrast = this.tiles[0].low < 0;
    const name = contrast ? "diverging" : this.style.colours;
    const legend = find(this.root, ".legend");
    if (legend.dataset.colours !== name) {
      legend.dataset.colours = name;
      colourScale(find(legend, "canvas"), this.palettes[name]);
    }
    const words = legendWords(shown?.answer ?? null, this.twins, contrast);
    ["low", "middle", "high"].forEach((end, i) => {
      write(find(legend, `[data-end=${end}]`), words[i]);
    });
  }

  /** The 28 x 28 pixels that the networks are given. @param {Shown | null} shown */
  #paintSeen(shown) {
    /** @type {HTMLCanvasElement} */
    const canvas = find(this.root, ".seen canvas");
    contextOf(canvas).clearRect(0, 0, 28, 28);
    if (shown) colour(canvas, unpack(shown.answer.seen), [28, 28], this.palettes.ink, false);
  }
}
