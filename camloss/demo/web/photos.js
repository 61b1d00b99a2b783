// A photo or another picture: chosen, dropped, pasted or taken.

import { TooLarge } from "./picture.js";

/**
 * @template T
 * @param {HTMLElement} root of the tab @param {HTMLElement} place of it where pictures may be dropped
 * @param {(file: File) => Promise<T>} open @param {(photo: T) => void} give
 * @param {(problem: string) => void} say
 */
export function takePhotos(root, place, open, give, say) {
  /** @param {File | undefined} file */
  async function take(file) {
    if (!file) return;
    try {
      give(await open(file));
    } catch (problem) {
      say(problem instanceof TooLarge ? problem.message : unreadable(file));
    }
  }

  /** @type {NodeListOf<HTMLInputElement>} */
  const choosers = root.querySelectorAll("input[type=file]");
  for (const chooser of choosers) {
    chooser.addEventListener("change", () => {
      take(chooser.files?.[0]);
      chooser.value = ""; // so that the same file can be chosen again
    });
  }
  // Beside the pad nothing is taken, but the browser must not leave the page for the file either.
  for (const name of /** @type {const} */ (["dragover", "drop"])) {
    document.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  place.addEventListener("drop", (event) => {
    take(event.dataTransfer?.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    const typing = event.target instanceof Element && event.target.matches("input, textarea");
    if (file && root.offsetParent && !typing) take(file);
  });
}

/** @param {File} file */
function unreadable({ name, type }) {
  const instead = /\.hei[cf]$/i.test(name) || type.includes("hei") ? " Save it as a JPEG." : "";
  return `${name || "This"} is not a picture that the browser can read.${instead}`;
}
