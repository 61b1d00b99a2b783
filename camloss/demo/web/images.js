// The Images tab: a picture of the visitor's, or an example, and what two networks that learned from pictures see in it.
// All answers are the server's, which runs any network.

import { enable, heed, say, sayNow, speak } from "./board.js";
import { button, contextOf, control, find, write } from "./dom.js";
import { fit, palettesOf, TOP, unpack } from "./heat.js";
import { ImageColumn } from "./image_column.js";
import { LossTable } from "./image_losses.js";
import { summaryOf } from "./image_summary.js";
import { liveLoop } from "./live.js";
import { legendWords, overlay, paintLegend } from "./maps.js";
import { followPointer } from "./marks.js";
import { takePhotos } from "./photos.js";
import { canvasOf, shrunk } from "./picture.js";
import { QuestionForm } from "./question.js";
import { reply } from "./server.js";
import { UNITS } from "./strokes.js";

/** @import { ImageAnswer, ImageQuestion, ImageShown, ImagesElement, ImagesProps, ImagesServer, Part, Photograph } from "./types.d.ts" */
/** @import { Tile } from "./maps.js" */
/** @typedef {{picture: Photograph | null, answer: ImageAnswer | null, error: string}} Reply */

const SHOWN = 960; // pixels of a picture's longest side, on the screen
const FINER = 2; // times as many pixels as the networks see are sent, so that the server can scale them as in training
const LONGEST = 512; // pixels of the longest side of what is sent
const KEPT = 20; // pictures to go back to
const BLANK = "Drop, paste or choose a picture, or take an example.";

/** @param {ImagesElement} root the tab's element @param {ImagesProps} props @param {ImagesServer} server */
export async function start(root, props, server) {
  bringToLife(root, props, await furnish(root), server);
}

/**
 * Fetch what the tab consists of, which nobody needs before it is opened.
 *
 * @param {HTMLElement} root of the tab @returns {Promise<Record<string, string>>} the tables of colours
 */
async function furnish(root) {
  const fetched = ["images.html", "draw.css", "images.css", "colours.json"].map(async (name) => {
    const response = await fetch(addressOf(name));
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response.text();
  });
  const [html, shared, own, colours] = await Promise.all(fetched);
  const style = document.createElement("style");
  style.textContent = `#${root.id} { ${shared} ${own} }`; // as gradio nests a component's style
  root.innerHTML = html;
  root.prepend(style);
  return JSON.parse(colours);
}

/** @param {ImagesElement} root @param {ImagesProps} props @param {Record<string, string>} colours @param {ImagesServer} server */
function bringToLife(root, props, colours, server) {
  const { models } = props;
  const board = find(root, ".board");
  /** @type {HTMLCanvasElement} */ const pad = find(root, ".pad");
  const palettes = palettesOf(colours);
  const heat = document.createElement("canvas");
  /** @type {ImageShown | null} */ let shown = null;
  const pair = () => props.pairs.find(({ name }) => name === question.networks.value) ?? props.pairs[0];
  const named = (/** @type {number} */ class_idx) => pair().classes[class_idx];
  const columns = models.map((model) => new ImageColumn(root, model, named, explain));
  const tiles = columns.flatMap((column) => column.tiles);
  const unmark = followPointer(root, tiles, () => shown);
  const losses = new LossTable(root, columns);
  const erase = control(root, "erase");

  /** A second click asks about nothing in particular. @param {number} class_idx */
  function explain(class_idx) {
    question.ask({ class: question.class.value === String(class_idx) ? "" : String(class_idx) });
  }

  // ---- pictures

  /** @type {(Photograph | null)[]} */ const pictures = [null];
  let at = 0;

  /** @param {Photograph | null} picture */
  function take(picture) {
    pictures.splice(at + 1, pictures.length, picture);
    if (pictures.length > KEPT) pictures.shift();
    at = pictures.length - 1;
    question.set({ class: "", other: "" }); // it was about that picture
    setErase("0");
    changed();
  }

  /** @param {string} percent */
  function setErase(percent) {
    erase.value = percent;
    write(find(root, ".erase output"), `${percent}%`);
  }

  /** @param {number} step */
  function go(step) {
    if (pictures[at + step] === undefined) return;
    at += step;
    changed();
  }

  function changed() {
    paintPad();
    refresh();
    enable(root, "undo", at > 0);
    enable(root, "redo", at < pictures.length - 1);
    enable(root, "clear", pictures[at] !== null);
  }

  /** @param {File} file @returns {Promise<Photograph>} */
  async function open(file) {
    return { canvas: await canvasOf(file, SHOWN), title: file.name || "your picture", texts: new Map() };
  }

  // ---- show

  /** @param {Reply} reply */
  function show({ picture, answer, error }) {
    delete board.dataset.link;
    shown = picture && answer ? { picture, answer, ...placeOf(picture, answer) } : null;
    root.answer = answer; // for the console and the tests
    board.dataset.state = shown ? "answered" : "blank";
    const reads = columns.map(({ variant, title }) => ({ ...answer?.[variant], title }));
    const summary = answer && summaryOf(/** @type {any} */ (reads), answer.classes);
    say(root, error || (summary?.headline ?? BLANK), summary?.detail);
    write(find(root, ".source"), answer ? `${answer.source}; computed on the server` : "");
    question.show(answer ? models.map(({ variant }) => answer[variant]) : []);
    losses.show(answer);
    for (const column of columns) column.show(answer?.[column.variant] ?? null);
    paint();
    if (root.marked) unmark();
  }

  function paint() {
    const { size } = pair();
    const style = {
      colours: control(root, "colours").value,
      opacity: Number(control(root, "opacity").value),
      smooth: control(root, "smooth").checked,
    };
    for (const tile of tiles) {
      const { canvas } = tile;
      /** @type {HTMLElement} */ (canvas.parentElement).style.aspectRatio = `${size[1]} / ${size[0]}`;
      contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);
      if (!shown) continue;
      drawPart(canvas, shown.picture.canvas, shown.part);
      overlay(canvas, heat, tile, shown.answer.map_size, palettes, style);
      clearErased(canvas, tile, shown.answer.map_size);
    }
    const answer = shown?.answer;
    const contrast = tiles[0].low < 0;
    const words = legendWords(answer ? models.map(({ variant }) => answer[variant]) : [], contrast, named);
    paintLegend(find(root, ".legend"), words, palettes, contrast ? "diverging" : style.colours);
    const outside = find(root, ".outside");
    outside.hidden = !shown;
    if (shown) layOver(outside, shown.square);
  }

  function paintPad() {
    const picture = pictures[at];
    fit(pad);
    const context = contextOf(pad);
    context.clearRect(0, 0, pad.width, pad.height);
    board.classList.toggle("filled", picture !== null);
    pad.setAttribute("aria-label", picture ? `Picture: ${picture.title}` : "No picture yet");
    if (!picture) return;
    context.imageSmoothingQuality = "high";
    const { left, top, width, height } = onPaper(picture.canvas);
    context.drawImage(picture.canvas, left * pad.width, top * pad.height, width * pad.width, height * pad.height);
  }

  // ---- ask

  const { refresh } = liveLoop({
    ready: async () => {},
    async ask() {
      const picture = pictures[at];
      if (!picture) return /** @type {Reply} */ ({ picture, answer: null, error: "" });
      /** @type {ImageQuestion} */
      const asked = { ...question.value, erase: Number(erase.value) / 100 };
      const text = textOf(picture, pair().size);
      const said = await reply(() => server.answer_image({ picture: text, ...asked }), "picture");
      return { picture, answer: said.error ? null : said, error: said.error ?? "" };
    },
    show,
    lost() {
      board.dataset.link = "lost";
      say(root, "The connection is lost; trying again. Your picture is safe.");
    },
    slow() {
      if (!board.dataset.link) say(root, "Reading…");
    },
    overloaded() {
      board.dataset.link = "slow";
      say(root, "The page is busy: the answer to your picture takes a moment.");
    },
    failed(problem) {
      console.error(problem);
      sayNow(root, "This page failed to show the answer. Take another picture, or reload the page.");
    },
    busy(busy) {
      find(root, ".answer").ariaBusy = String(busy);
      if (!busy) speak(root);
    },
  });

  const question = new QuestionForm(
    root,
    props.pairs.map(({ name }) => name),
    props.pairs[0].classes,
    refresh,
  );
  question.networks.addEventListener("change", () => {
    question.offer(pair().classes);
    offerExamples();
    refresh();
  });
  erase.addEventListener("input", () => {
    setErase(erase.value);
    refresh();
  });

  // ---- tools

  /** @type {Record<string, () => void>} by the name of their button */
  const commands = {
    undo: () => go(-1),
    redo: () => go(1),
    clear: () => pictures[at] && take(null),
    choose: () => control(root, "choose").click(),
    camera: () => control(root, "camera").click(),
  };
  heed(root, commands);
  write(find(root, ".study"), props.study);
  button(root, "camera").hidden = !matchMedia("(pointer: coarse)").matches;
  takePhotos(root, board, open, take, (problem) => sayNow(root, problem));
  for (const name of ["opacity", "colours", "smooth"]) control(root, name).addEventListener("input", paint);

  function offerExamples() {
    const choices = pair().examples.map(({ file, title }) => {
      const choice = document.createElement("button");
      choice.type = "button";
      choice.title = title;
      choice.setAttribute("aria-label", `Example: ${title}`);
      const image = document.createElement("img");
      image.src = addressOf(file);
      image.alt = "";
      choice.append(image);
      choice.addEventListener("click", () => takeExample(file, title));
      return choice;
    });
    find(root, ".examples").replaceChildren(...choices);
  }

  /** @param {string} file @param {string} title */
  async function takeExample(file, title) {
    try {
      const response = await fetch(addressOf(file));
      if (!response.ok) throw new Error(response.statusText);
      take({ canvas: await canvasOf(await response.blob(), SHOWN), title, texts: new Map() });
    } catch {
      sayNow(root, "This example could not be fetched: try again, or take another one.");
    }
  }

  new ResizeObserver(() => {
    for (const { canvas } of tiles) fit(canvas);
    paintPad();
    paint();
  }).observe(tiles[0].canvas);
  offerExamples();
  for (const { canvas } of tiles) fit(canvas);
  const [first] = pair().examples;
  if (first) takeExample(first.file, first.title);
  else changed();
  root.dataset.ready = "";
}

/** @param {string} file */
const addressOf = (file) => new URL(file, import.meta.url).href;

/**
 * A picture as it is sent: of the shorter side no more pixels than the server has a use for.
 *
 * @param {Photograph} picture @param {[number, number]} size of what the networks see
 */
function textOf({ canvas, texts }, size) {
  const side = FINER * Math.max(...size);
  let text = texts.get(side);
  if (!text) {
    const [short, long] = [Math.min(canvas.width, canvas.height), Math.max(canvas.width, canvas.height)];
    text = shrunk(canvas, Math.min(side / short, LONGEST / long)).toDataURL("image/png");
    texts.set(side, text);
  }
  return text;
}

/** Where a picture lies on the square paper, in shares of it. @param {HTMLCanvasElement} canvas @returns {Part} */
function onPaper({ width, height }) {
  const longest = Math.max(width, height);
  const [w, h] = [width / longest, height / longest];
  return { left: (1 - w) / 2, top: (1 - h) / 2, width: w, height: h };
}

/** Where what the networks see lies in a picture and on the paper. @param {Photograph} picture @param {ImageAnswer} answer */
function placeOf({ canvas }, { frame: [left, top, width, height] }) {
  const paper = onPaper(canvas);
  const shares = { width: width / (2 * left + width), height: height / (2 * top + height) }; // it is the middle
  const part = { left: (1 - shares.width) / 2, top: (1 - shares.height) / 2, ...shares };
  const square = {
    left: UNITS * (paper.left + part.left * paper.width),
    top: UNITS * (paper.top + part.top * paper.height),
    side: UNITS * part.width * paper.width,
    height: UNITS * part.height * paper.height,
  };
  return { part, square };
}

/** @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} picture @param {Part} part */
function drawPart(canvas, picture, { left, top, width, height }) {
  const context = contextOf(canvas);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  const { width: across, height: down } = picture;
  context.drawImage(
    picture,
    left * across,
    top * down,
    width * across,
    height * down,
    0,
    0,
    canvas.width,
    canvas.height,
  );
}

/** Leave nothing where positions are erased. @param {HTMLCanvasElement} canvas @param {Tile} tile @param {[number, number]} size of the map */
function clearErased(canvas, { mask }, [height, width]) {
  if (!mask) return;
  const x = (/** @type {number} */ column) => Math.round((column * canvas.width) / width); // so that neighbours share an edge
  const y = (/** @type {number} */ row) => Math.round((row * canvas.height) / height);
  unpack(mask).forEach((value, i) => {
    const [column, row] = [i % width, Math.floor(i / width)];
    if (value === TOP) contextOf(canvas).clearRect(x(column), y(row), x(column + 1) - x(column), y(row + 1) - y(row));
  });
}

/** @param {HTMLElement} element on the paper @param {import("./types.d.ts").Square} square */
function layOver(element, { left, top, side, height = side }) {
  const percentOf = (/** @type {number} */ units) => `${(100 * units) / UNITS}%`;
  element.style.left = percentOf(left);
  element.style.top = percentOf(top);
  element.style.width = percentOf(side);
  element.style.height = percentOf(height);
}
