// The networks in a thread of their own, so that drawing never waits for them. reader.js is its other end.

import { Tasks } from "./tasks.js";

/** @type {Record<string, any>} */
const tasks = new Tasks();

self.addEventListener("message", async ({ data: { id, task, given } }) => {
  try {
    self.postMessage({ id, result: await tasks[task](given) });
  } catch (problem) {
    self.postMessage({ id, problem: String(problem) });
  }
});
