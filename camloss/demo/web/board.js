// What the tabs Draw and Images have in common: their summary, their tools, and the keys of these.

import { button, find, write } from "./dom.js";

/** @param {HTMLElement} root of the tab @param {string} headline @param {string} [detail] */
export function say(root, headline, detail = "") {
  write(find(root, ".verdict"), headline);
  write(find(root, ".detail"), detail);
}

/** With what a screen reader says at once. @param {HTMLElement} root of the tab @param {string} headline */
export function sayNow(root, headline) {
  say(root, headline);
  write(find(root, ".spoken"), headline);
}

/** Let a screen reader say the summary as it stands. @param {HTMLElement} root of the tab */
export function speak(root) {
  const told = [".verdict", ".detail"].map((place) => find(root, place).textContent);
  write(find(root, ".spoken"), told.join(" ").trim());
}

/**
 * A button that is disabled loses the focus: the pad takes it.
 *
 * @param {HTMLElement} root of the tab @param {string} name @param {boolean} enabled
 */
export function enable(root, name, enabled) {
  const tool = button(root, name);
  if (!enabled && document.activeElement === tool) find(root, ".pad").focus({ preventScroll: true });
  tool.disabled = !enabled;
}

/**
 * Buttons do these, and while the tab is shown the keys of undo, redo and clear, too.
 *
 * @param {HTMLElement} root of the tab @param {Record<string, () => void>} commands by the name of their button
 */
export function heed(root, commands) {
  for (const [name, command] of Object.entries(commands)) button(root, name).addEventListener("click", command);
  document.addEventListener("keydown", (event) => {
    const command = root.offsetParent && commandOf(event);
    if (!command) return;
    event.preventDefault();
    commands[command]();
  });
}

const TEXT_FIELDS = "textarea, [contenteditable], input:not([type=range], [type=checkbox], [type=radio], [type=file])";

/** Which command a key means where it was pressed. @param {KeyboardEvent} event */
function commandOf(event) {
  const isIn = (/** @type {string} */ selector) => event.target instanceof Element && event.target.matches(selector);
  if (event.defaultPrevented || isIn(TEXT_FIELDS)) return null;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    return key === "y" ? "redo" : null;
  }
  return key === "delete" || key === "backspace" ? "clear" : null;
}
