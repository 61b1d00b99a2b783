// gradio's panel "Use via API" says of every value in which component of the page it stands. Ours stand in none: what
// remains are the words of the functions in camloss/demo/endpoints.py.

const COMPONENT = /^The (?:input|output) value that (?:is provided|appears) in the "[^"]*" Api\s+component\.\s*/;

/** @param {HTMLElement} root of the masthead @param {{returned: Record<string, string>}} props what each function says of its answer */
export function start(root, { returned }) {
  const frame = /** @type {HTMLElement} */ (root.closest(".gradio-container"));
  // gradio may have measured its tabs before they had our style, and hidden some that have room.
  document.fonts.ready.then(() => window.dispatchEvent(new Event("resize")));
  const { classList } = document.body;
  let isDark = false;
  window.addEventListener("beforeprint", () => {
    isDark = classList.contains("dark");
    classList.remove("dark"); // paper is white
  });
  window.addEventListener("afterprint", () => classList.toggle("dark", isDark));
  const reword = new MutationObserver(() => {
    for (const words of frame.querySelectorAll(".api-docs .desc")) {
      const text = words.firstChild;
      if (!(text instanceof Text) || !COMPONENT.test(text.data)) continue;
      const title = words.closest(".endpoint-container")?.querySelector("h3")?.textContent ?? "";
      text.data = text.data.replace(COMPONENT, "") || (returned[/\/(\w+)/.exec(title)?.[1] ?? ""] ?? "");
    }
  });
  const panels = new MutationObserver(() => {
    const panel = frame.querySelector(".api-docs");
    if (panel) reword.observe(panel, { childList: true, subtree: true });
  });
  for (const place of frame.querySelectorAll(".main.app, .main.app > .wrap")) {
    panels.observe(place, { childList: true });
  }
}
