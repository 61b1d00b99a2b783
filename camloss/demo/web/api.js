// gradio's panel "Use via API" says of every value in which component of the page it stands. Ours stand in none: what
// remains are the words of the function in camloss/demo/endpoints.py.

const COMPONENT = /^The (?:input|output) value that (?:is provided|appears) in the "[^"]*" Api\s+component\.\s*/;

/** @param {HTMLElement} root of the masthead @param {{returned: string}} props what the function says of its answer */
export function start(root, { returned }) {
  const frame = /** @type {HTMLElement} */ (root.closest(".gradio-container"));
  const reword = new MutationObserver(() => {
    for (const words of frame.querySelectorAll(".api-docs .desc")) {
      const text = words.firstChild;
      if (!(text instanceof Text) || !COMPONENT.test(text.data)) continue;
      text.data = text.data.replace(COMPONENT, "") || returned;
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
