// Where answers come from.

import { fieldOf, pictureOf } from "./picture.js";
import { reply } from "./server.js";

/** @import { Drawing, Outcome, Question, Server } from "./types.d.ts" */

/**
 * What the networks see in a drawing.
 *
 * @param {Drawing} drawing @param {Question} question @param {Server} server
 * @returns {Promise<Outcome>}
 * @throws {import("./server.js").ConnectionLost} there is nobody to answer
 */
export async function answerTo(drawing, question, server) {
  const picture = pictureOf(drawing);
  const answer = await reply(() => server.answer({ picture: picture.text, ...question }));
  if (answer.error || answer.blank) return answer;
  return { answer, field: fieldOf(picture, answer.frame) };
}
