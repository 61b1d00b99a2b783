// One picture of what the page says about a drawing, to be saved and shared: always dark on light.

import { contextOf, percent } from "./dom.js";
import { colourScale } from "./heat.js";
import { legendWords, mapOf, paintSquare } from "./maps.js";

/** @import { MapShown } from "./maps.js" */
/** @import { Palette, Shown, Style } from "./types.d.ts" */

export const CARD = { width: 1200, height: 630 }; // what sites show of a link
const MARGIN = 40;
const SUMMARY = { top: 98, size: 28 };
const DETAIL = { top: 132, line: 26, sizes: [19, 14], lines: 2 }; // more would lie on the titles
const TILE = { top: 196, side: 344 };
const FLOOR = TILE.top + TILE.side;

/**
 * @param {Shown} shown @param {Style} style of the maps, as the page shows them
 * @param {Record<string, Palette>} palettes of the maps @param {Record<string, string>} palette of everything else
 * @param {string} font the page's own
 */
export function cardOf(shown, style, palettes, palette, font) {
  const { answer, models } = shown;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, CARD);
  const context = contextOf(canvas);
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);

  /** @param {string} text @param {number} x @param {number} y @param {number} size @param {Partial<{ink: string, weight: number, align: CanvasTextAlign, width: number}>} [how] */
  const write = (text, x, y, size, { ink = palette.ink, weight = 400, align = "left", width } = {}) => {
    context.font = `${weight} ${size}px ${font}`;
    context.fillStyle = ink;
    context.textAlign = align;
    context.fillText(text, x, y, width);
  };
  /** @param {number} x @param {MapShown | null} map null for the drawing alone */
  const paint = (x, map) => {
    const square = document.createElement("canvas");
    square.width = 2 * TILE.side;
    square.height = 2 * TILE.side;
    paintSquare(square, shown, map, palettes, style, palette.ink);
    context.fillStyle = palette.raised;
    context.fillRect(x, TILE.top, TILE.side, TILE.side);
    context.drawImage(square, x, TILE.top, TILE.side, TILE.side);
    context.strokeStyle = palette.rule;
    context.strokeRect(x + 0.5, TILE.top + 0.5, TILE.side - 1, TILE.side - 1);
  };

  const right = CARD.width - MARGIN;
  write(document.title, MARGIN, 46, 18, { ink: palette.soft });
  write(location.origin + location.pathname, right, 46, 18, { ink: palette.soft, align: "right", width: 560 });
  write(answer.summary, MARGIN, SUMMARY.top, SUMMARY.size, { weight: 700, width: right - MARGIN });
  const inSize = (/** @type {number} */ size) => {
    context.font = `${size}px ${font}`;
    return { size, lines: linesOf(answer.detail, right - MARGIN, (text) => context.measureText(text).width) };
  };
  const [large, small] = DETAIL.sizes.map(inSize);
  const { size, lines } = large.lines.length > DETAIL.lines ? small : large;
  lines.forEach((line, i) => {
    write(line, MARGIN, DETAIL.top + i * DETAIL.line, size, { ink: palette.soft });
  });

  const step = (right - MARGIN - TILE.side) / models.length;
  write("The drawing", MARGIN, TILE.top - 12, 20, { weight: 700 });
  paint(MARGIN, null);
  let low = 0;
  models.forEach(({ variant, title, colour }, i) => {
    const x = MARGIN + (i + 1) * step;
    const reading = answer[variant];
    const map = mapOf(reading, "cam");
    low = Math.min(low, map.low);
    const how = { ink: palette[colour], weight: 700 };
    write(`${title}: ${reading.digit}`, x, TILE.top - 12, 20, how);
    write(percent(reading.probs[reading.digit]), x + TILE.side, TILE.top - 12, 18, {
      ink: palette.soft,
      align: "right",
    });
    paint(x, map);
    write(map.words, x, FLOOR + 24, 17, { weight: 700 });
    const measured = `${Math.round(100 * reading.area_above_half)}% of the image above half, ${Math.round(100 * reading.stroke_energy)}% on the strokes`;
    write(measured, x, FLOOR + 46, 16, { ink: palette.soft, width: TILE.side });
  });

  const scale = document.createElement("canvas");
  colourScale(scale, palettes[low < 0 ? "diverging" : style.colours]);
  context.drawImage(scale, MARGIN, FLOOR + 14, TILE.side, 12);
  const readings = models.map(({ variant }) => answer[variant]);
  const [least, , most] = legendWords(readings, low < 0);
  write(least, MARGIN, FLOOR + 46, 16, { ink: palette.soft });
  write(most, MARGIN + TILE.side, FLOOR + 46, 16, { ink: palette.soft, align: "right" });
  write(answer.source, MARGIN, CARD.height - 16, 14, { ink: palette.soft, width: right - MARGIN });
  return canvas;
}

/**
 * A text in as many lines as it needs.
 *
 * @param {string} text @param {number} width of a line @param {(text: string) => number} measure
 */
export function linesOf(text, width, measure) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trim();
    if (lines.length > 0 && measure(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
