// Where answers come from: the visitor's own browser once it has the networks' weights, else the server.

import { unpack } from "./heat.js";
import { summarized } from "./map_statistics.js";
import { ON_PAD, squareOf } from "./picture.js";
import { reader } from "./reader.js";
import { reply } from "./server.js";

/** @import { AtEpoch, BuildUp, BuildUpQuestion, Corruption, Drawing, Draws, EpochQuestion, Given, Outcome, Photo, Question, Server, Sketch, Model } from "./types.d.ts" */

/** @type {WeakMap<Photo, Sketch>} what the server has found in photos */
const sketches = new WeakMap();

/**
 * What the networks see in a drawing.
 *
 * @param {Drawing} drawing @param {Question} question @param {Model[]} models @param {Server} server
 * @param {boolean} isAtRest whether nobody draws, so that the page may wait for an answer
 * @returns {Promise<Outcome>}
 * @throws {import("./server.js").ConnectionLost} there is nobody to answer
 */
export async function answerTo(drawing, question, models, server, isAtRest) {
  const inBrowser = () => answerHere(drawing, question, models, server, isAtRest);
  const here = await inBrowser();
  if (here) return here;
  const { corruption, erase, ...asked } = question; // the server shows a drawing as it is
  const said = await reply(() => server.answer({ ...sent(drawing), ...asked, second: models[1].variant }));
  if (said.error || said.blank) return said;
  const late = asksForMore(question) ? await inBrowser() : null; // the weights may have come meanwhile
  if (late) return late;
  const answer = summarized(said, models);
  return { answer, square: squareOf(placementOf(drawing), answer), where: "on the server" };
}

/** Whether only the browser can answer: the server corrupts nothing. @param {Pick<Question, "corruption" | "erase">} question */
export const asksForMore = ({ corruption, erase }) => corruption !== null || erase > 0;

/**
 * @param {Drawing} drawing @param {Question} question @param {Model[]} models @param {Server} server
 * @param {boolean} isAtRest
 * @returns {Promise<Outcome | null>} null where the networks are not in the browser
 */
async function answerHere(drawing, question, models, server, isAtRest) {
  if (!reader.has(question.networks)) return null;
  const given = await givenOf(drawing, server);
  if ("error" in given || "blank" in given) return given;
  const isQuick = !asksForMore(question); // one small picture
  const answer = await reader.answer(given, question, models, isAtRest && isQuick);
  return answer && { answer, square: squareOf(placementOf(drawing), answer), where: "in your browser" };
}

/**
 * How the maps of one network arise from a drawing.
 *
 * @param {Drawing} drawing @param {string} networks
 * @param {BuildUpQuestion} question what was added counts in the browser alone @param {Server} server
 * @returns {Promise<BuildUp | {error: string} | {blank: true}>}
 * @throws {import("./server.js").ConnectionLost} there is nobody to answer
 */
export async function buildUpOf(drawing, networks, question, server) {
  if (reader.has(networks)) {
    const given = await givenOf(drawing, server);
    if ("error" in given || "blank" in given) return given;
    const steps = await reader.buildUp(given, networks, question);
    if (steps) return steps;
  }
  const { corruption, ...asked } = question;
  return reply(() => server.build_up({ ...sent(drawing), networks, ...asked }));
}

/**
 * What both networks saw in a drawing after an epoch of their training; null where that cannot be told.
 *
 * @param {Drawing} drawing @param {string} networks
 * @param {EpochQuestion} question @param {Server} server
 * @returns {Promise<AtEpoch | null>}
 * @throws {import("./server.js").ConnectionLost} there is nobody to find the digit in a photo
 */
export async function atEpochOf(drawing, networks, question, server) {
  const given = await givenOf(drawing, server);
  return "error" in given || "blank" in given ? null : reader.atEpoch(given, networks, question);
}

/**
 * What the networks read in many draws of a corruption; null where they are not in the browser.
 *
 * @param {Drawing} drawing @param {string} networks @param {{draws: Corruption[], variants: string[]}} question
 * @param {Server} server
 * @returns {Promise<Draws | null>}
 * @throws {import("./server.js").ConnectionLost} there is nobody to find the digit in a photo
 */
export async function drawsOf(drawing, networks, question, server) {
  const given = await givenOf(drawing, server);
  return "error" in given || "blank" in given ? null : reader.draws(given, networks, question);
}

/** @param {Drawing} drawing */
export const placementOf = ({ photo }) => photo ?? ON_PAD;

/** @param {Drawing} drawing */
const sent = ({ strokes, photo }) => (photo ? { picture: photo.text } : { strokes });

/**
 * What the worker needs. A photo's 28 x 28 pixels come from the server, once.
 *
 * @param {Drawing} drawing @param {Server} server
 * @returns {Promise<Given | {error: string} | {blank: true}>}
 */
async function givenOf({ strokes, photo }, server) {
  if (!photo) return { strokes };
  let sketch = sketches.get(photo);
  if (!sketch) {
    const found = await reply(() => server.sketch({ picture: photo.text }));
    if (found.error || found.blank) return found;
    sketch = { pixels: new Float32Array(unpack(found.pixels).buffer), frame: found.frame };
    sketches.set(photo, sketch);
  }
  return { strokes: [], sketch };
}
