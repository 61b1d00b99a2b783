// Small helpers for elements and words, shared by both tabs.

/** @param {number} ms @returns {Promise<undefined>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The one element of that kind; the markup is ours, so that a missing one is a mistake.
 *
 * @template {Element} [E=HTMLElement]
 * @param {ParentNode} root @param {string} selector @returns {E}
 */
export function find(root, selector) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {any} */ (found);
}

/** An input or select by its name. @param {ParentNode} root @param {string} name @returns {HTMLInputElement} */
export const control = (root, name) => find(root, `[name=${name}]`);

/** A button by what it does. @param {ParentNode} root @param {string} name @returns {HTMLButtonElement} */
export const button = (root, name) => find(root, `[data-do=${name}]`);

/**
 * Change a text in place: a new text node would make gradio's `:has()` rules restyle the whole page.
 *
 * @param {Element} place @param {string | number} text
 */
export function write(place, text) {
  if (!place.firstChild) place.append("");
  const node = /** @type {Text} */ (place.firstChild);
  if (node.data !== String(text)) node.data = String(text);
}

/** @param {number} share in [0, 1] */
export const percent = (share) => (share > 0.9995 ? ">99.9%" : `${(100 * share).toFixed(1)}%`);

/** @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [settings] */
export function contextOf(canvas, settings) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", settings));
}
