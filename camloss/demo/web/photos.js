// A photo of a digit: chosen, dropped or pasted.

import { control, find } from "./dom.js";
import { photoFrom } from "./picture.js";

/** @import { Photo } from "./types.d.ts" */

/**
 * @param {HTMLElement} root of the tab @param {(photo: Photo) => void} give
 * @param {(problem: string) => void} say
 */
export function takePhotos(root, give, say) {
  /** @param {File | undefined} file */
  async function take(file) {
    if (!file) return;
    try {
      give(await photoFrom(file));
    } catch {
      say(`${file.name || "This"} is not a picture that the browser can read.`);
    }
  }

  const chooser = control(root, "photo");
  chooser.addEventListener("change", () => {
    take(chooser.files?.[0]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  // Beside the pad nothing is taken, but the browser must not leave the page for the file either.
  for (const name of /** @type {const} */ (["dragover", "drop"])) {
    document.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  find(root, ".paper").addEventListener("drop", (event) => {
    take(event.dataTransfer?.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    const typing = event.target instanceof Element && event.target.matches("input, textarea");
    if (file && root.isConnected && !typing) take(file);
  });
}
