// Calling the server's functions, and telling a connection that is lost from a server that failed.

import { pause } from "./dom.js";

const STALL_TIMEOUT = 15000; // ms until a call counts as failed

export class ConnectionLost extends Error {}

/** The server has too much to do at this moment; nothing is wrong with the question. */
export class ServerBusy extends ConnectionLost {}

/**
 * The reply to a call, in time. gradio's client gives undefined for whatever went wrong. Where the server is there all
 * the same, the call is made once more; asking for ever would not make a server answer that fails on this question.
 *
 * @template T
 * @param {() => Promise<T | undefined>} call @param {string} subject of the question
 * @returns {Promise<T | {error: string}>}
 * @throws {ConnectionLost} the server cannot be reached, or is busy
 */
export async function reply(call, subject = "drawing") {
  for (let attempt = 0; attempt < 2; attempt++) {
    const answer = await Promise.race([call(), pause(STALL_TIMEOUT)]);
    if (isBusy(answer)) throw new ServerBusy("the server has too much to do");
    if (answer !== undefined) return answer;
    if (!(await serverIsThere())) throw new ConnectionLost("the server cannot be reached");
  }
  return { error: `The server failed on this ${subject}. Your ${subject} is safe: change it, or try again later.` };
}

/** @param {unknown} answer */
function isBusy(answer) {
  return typeof answer === "object" && answer !== null && "busy" in answer;
}

async function serverIsThere() {
  try {
    const probe = fetch(import.meta.url, { method: "HEAD", cache: "no-store" });
    return (await Promise.race([probe, pause(STALL_TIMEOUT)]))?.ok ?? false;
  } catch {
    return false;
  }
}
