// The live loop: one question at a time, always about the newest drawing, for as long as there is a newer one.

import { pause } from "./dom.js";
import { ConnectionLost, ServerBusy } from "./server.js";

const SLOW = 700; // ms after which a question has been open for long

/**
 * @template T what is asked and what came back
 * @param {{ready: () => Promise<void>, ask: () => Promise<T>, show: (outcome: T) => void, lost: () => void,
 *   slow: () => void, overloaded: () => void, failed: (problem: unknown) => void, busy: (busy: boolean) => void}} page
 *   `ready` for another answer; `ask` about the drawing as it is; `show` what came back; `lost` connection, which is tried
 *   again; `slow` where an answer takes long; `overloaded` where the server is busy; `failed` in asking or
 *   showing, which is not tried again; `busy` while a question is open.
 * @returns {{refresh: () => void, hasten: () => void}} `refresh` is to be called when there is something new to ask;
 *   `hasten` when that shall not wait for the answer to something older
 */
export function liveLoop({ ready, ask, show, lost, slow, overloaded, failed, busy }) {
  let newest = 0; // number of the newest drawing
  let asked = 0; // number of the one that the open question is about
  let running = false;
  let questions = 0; // of which the last one is open
  let isSent = false; // that one, which otherwise waits to be asked
  let giveUp = () => {}; // waiting for it

  /** @returns {Promise<T>} */
  async function askNow() {
    const number = ++questions;
    const isGivenUp = () => number !== questions;
    isSent = false;
    await ready();
    isSent = true;
    for (let delay = 250; ; delay = Math.min(2 * delay, 2000)) {
      asked = newest;
      const timer = setTimeout(() => isGivenUp() || slow(), SLOW);
      try {
        return await ask();
      } catch (problem) {
        if (!(problem instanceof ConnectionLost) || isGivenUp()) throw problem;
        if (problem instanceof ServerBusy) overloaded();
        else lost();
        await pause(delay * (0.5 + Math.random())); // not all visitors at the same moment
        if (isGivenUp()) throw problem;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  const askForNewer = () => (asked < newest ? askNow() : null);

  /** @returns {Promise<null>} */
  const givenUp = () => new Promise((resolve) => (giveUp = () => resolve(null)));

  async function run() {
    running = true;
    busy(true);
    /** @type {Promise<T> | null} */
    let open = askNow();
    while (open) {
      /** @type {Promise<T> | null} */
      let next = null;
      try {
        const outcome = await Promise.race([open, givenUp()]);
        next = askForNewer(); // asked while this outcome is painted
        if (outcome) show(outcome);
      } catch (problem) {
        failed(problem);
        next ??= askForNewer();
      }
      open = next;
    }
    running = false;
    busy(false);
  }

  return {
    refresh() {
      newest += 1;
      if (!running) run();
    },
    hasten() {
      if (running && isSent && asked < newest) giveUp();
    },
  };
}
