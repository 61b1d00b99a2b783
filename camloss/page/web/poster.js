// One picture of everything that the page says about a drawing, to be saved: always dark on light.

import { contextOf, percent } from "./dom.js";
import { colourScale } from "./heat.js";
import { legendWords, mapOf, outlineInk, overlay } from "./maps.js";
import { drawOn, drawOutlineOn } from "./strokes.js";

/** @import { Palette, Shown, Style, Twin } from "./types.d.ts" */

const WIDTH = 1600;
const MARGIN = 40;
const TOP = 150; // below the title and the sentence
const ROW = 340; // of one network
const BOTTOM = 100; // the legends
const TILE = 240;
const PAPER = 600; // side of the drawing
const PLOT = { left: 690, width: 330, height: 150 };
const MAPS = [
  { kind: /** @type {const} */ ("cam"), left: 1060 },
  { kind: /** @type {const} */ ("caam"), left: 1320 },
];

/**
 * @param {Shown} shown @param {Twin[]} twins @param {Style} style of the maps, as the page shows them
 * @param {Record<string, Palette>} palettes of the maps @param {Record<string, string>} palette of everything else
 * @param {string} font the page's own
 */
export function posterOf(shown, twins, style, palettes, palette, font) {
  const { answer, drawing, field } = shown;
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = TOP + twins.length * ROW + BOTTOM;
  const context = contextOf(canvas);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);

  /** @param {string} text @param {number} x @param {number} y @param {number} size @param {Partial<{ink: string, weight: number, align: CanvasTextAlign, width: number}>} [how] */
  const write = (text, x, y, size, { ink = palette.ink, weight = 400, align = "left", width } = {}) => {
    context.font = `${weight} ${size}px ${font}`;
    context.fillStyle = ink;
    context.textAlign = align;
    context.fillText(text, x, y, width);
  };
  /** @param {HTMLCanvasElement} picture @param {number} x @param {number} y @param {number} side */
  const frame = (picture, x, y, side) => {
    context.drawImage(picture, x, y, side, side);
    context.strokeStyle = palette.rule;
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
  };

  write(document.title, MARGIN, 52, 20, { ink: palette.soft });
  const address = location.origin + location.pathname;
  write(address, WIDTH - MARGIN, 52, 20, { ink: palette.soft, align: "right", width: 760 });
  write(answer.summary, MARGIN, 110, 38, { weight: 700, width: WIDTH - 2 * MARGIN });

  const paper = squareOf(PAPER);
  drawOn(paper, drawing, palette.ink);
  frame(paper, MARGIN, TOP, PAPER);

  let contrasted = false;
  twins.forEach(({ variant, title, colour: key }, row) => {
    const reading = answer[variant];
    const y = TOP + row * ROW;
    write(`${title}: ${reading.digit}`, PLOT.left, y + 26, 28, { ink: palette[key], weight: 700 });
    write(percent(reading.probs[reading.digit]), PLOT.left + PLOT.width, y + 26, 22, {
      ink: palette.soft,
      align: "right",
    });
    const floor = y + 50 + PLOT.height;
    reading.probs.forEach((prob, digit) => {
      const step = PLOT.width / reading.probs.length;
      const [x, height] = [PLOT.left + digit * step, prob * PLOT.height];
      context.fillStyle = palette[key];
      context.fillRect(x + 2, floor - height, step - 4, height);
      const first = digit === reading.digit;
      const how = { ink: first ? palette.ink : palette.soft, weight: first ? 700 : 400 };
      write(String(digit), x + step / 2, floor + 22, 17, { ...how, align: "center" });
    });
    context.fillStyle = palette.rule;
    context.fillRect(PLOT.left, floor, PLOT.width, 1);
    write(`CAM matches CAAM ${Math.round(100 * reading.agreement)}%`, PLOT.left, floor + 52, 17, { ink: palette.soft });
    write(`evidence on the ink ${Math.round(100 * reading.ink_energy)}%`, PLOT.left, floor + 76, 17, {
      ink: palette.soft,
    });
    for (const { kind, left } of MAPS) {
      const { words, bytes, low } = mapOf(reading, kind);
      contrasted ||= low < 0;
      const tile = squareOf(2 * TILE);
      drawOn(tile, drawing, palette.ink);
      overlay(tile, document.createElement("canvas"), { bytes, low }, answer.map_size, field, palettes, style);
      const outline = squareOf(tile.width);
      drawOutlineOn(outline, drawing.strokes, outlineInk(low));
      contextOf(tile).drawImage(outline, 0, 0);
      frame(tile, left, y, TILE);
      write(kind.toUpperCase(), left, y + TILE + 26, 17, { weight: 700 });
      write(words, left + (kind === "cam" ? 48 : 62), y + TILE + 26, 17, { width: TILE - 62 });
    }
  });

  const floor = TOP + twins.length * ROW;
  write(answer.source, MARGIN, floor + 40, 17, { ink: palette.soft, width: PAPER });
  const legends = [{ name: style.colours, left: MAPS[1].left, words: legendWords(answer, twins, false) }];
  if (contrasted) legends.push({ name: "diverging", left: MAPS[0].left, words: legendWords(answer, twins, true) });
  for (const { name, left, words } of legends) {
    const scale = document.createElement("canvas");
    colourScale(scale, palettes[name]);
    context.drawImage(scale, left, floor + 8, TILE, 14);
    write(words[0], left, floor + 44, 16, { ink: palette.soft });
    write(words[2], left + TILE, floor + 44, 16, { ink: palette.soft, align: "right" });
  }
  return canvas;
}

/** @param {number} side */
function squareOf(side) {
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  return canvas;
}
