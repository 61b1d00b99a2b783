// What the page shows now, for both of its tabs.

/** @import { Shown } from "./types.d.ts" */

/** @type {{shown: Shown | null}} null while the pad is blank */
export const state = { shown: null };

/** Tell whoever listens for "camloss" on the document that it has been painted. */
export function announce() {
  document.dispatchEvent(new CustomEvent("camloss"));
}
