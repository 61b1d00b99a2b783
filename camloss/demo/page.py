"""The page: its layout, its endpoints, and the options it is launched with."""

import functools
import json
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api
from gradio.routes import templates
from gradio.themes.utils.fonts import LocalFont
from gradio.utils import get_function_description
from starlette.middleware import Middleware

from camloss import palette
from camloss.demo import html_metadata, request_guard
from camloss.demo.browser_weights import weight_routes
from camloss.demo.endpoints import Endpoints, endpoints_of
from camloss.demo.hub_updates import follow_hub
from camloss.demo.pairs import find_pairs, load_for_page
from camloss.demo.results import Results, results_in
from camloss.demo.web_files import WEB, files_in, web_route
from camloss.demo.worker_pools import WORKERS
from camloss.errors import CamlossError, quoted
from camloss.pair import Pair, described

try:
    import spaces
except ImportError:  # not on ZeroGPU
    pass
else:

    @spaces.GPU  # type: ignore[untyped-decorator]
    def borrow_gpu() -> None:
        """ZeroGPU starts no page without such a function. Nobody calls it: a drawing takes milliseconds on the CPU."""


DOCS = Path(__file__).resolve().parents[2] / "docs"  # of a checkout; a wheel has none
SHOWN = 4  # channels of each model on the "How it works" tab
FORMULAS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
FONT = LocalFont("IBM Plex Sans", weights=(400, 700))  # of the bundled fonts' weights, these two hold every letter
MONO = LocalFont("IBM Plex Mono", weights=(400, 700))


class Pairs:
    """The pairs in a folder of checkpoints; the first may give way to a newer one on the Hub.

    Raises:
        CamlossError: there is none in the folder.
    """

    def __init__(self, checkpoints: Path, repo: str | None = None) -> None:
        self.folders = find_pairs(checkpoints)
        self._load = functools.cache(load_for_page)
        self.default, folder = next(iter(self.folders.items()))
        first = self._load(folder)  # now, so that the first stroke need not wait, and a damaged file is seen at once
        self._shown = follow_hub(first, repo)

    def named(self, name: object) -> Pair:
        """The pair of that name, or the first one; loaded when it is first asked for."""
        if name is None or name == self.default:
            return self._shown()
        if not isinstance(name, str) or name not in self.folders:
            raise CamlossError(f"unknown networks {quoted(name)}; expected one of {', '.join(self.folders)}")
        return self._load(self.folders[name])


def build(checkpoints: Path, repo: str | None = None) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page for the pairs in a folder, and the options that `launch.run` starts it with.

    Args:
        checkpoints: as for `find_pairs`.
        repo: a pair on the Hub that replaces the first one as soon as it is loaded, as for `follow_hub`.

    Raises:
        CamlossError: there is no pair in the folder.
    """
    pairs = Pairs(checkpoints, repo)
    results = results_in(DOCS)
    blocks = _layout(endpoints_of(pairs.named), pairs, results)
    blocks.queue(max_size=request_guard.MAX_WAITING)
    html_metadata.put_into(templates)
    files = {**files_in(), **(results.figures if results else {})}
    options: dict[str, Any] = {
        "theme": gr.themes.Base(
            primary_hue="stone", font=[FONT, "system-ui", "sans-serif"], font_mono=[MONO, "ui-monospace", "monospace"]
        ).set(
            body_background_fill=palette.LIGHT["ground"],
            body_background_fill_dark=palette.DARK["ground"],
            body_text_color=palette.LIGHT["ink"],
            body_text_color_dark=palette.DARK["ink"],
            body_text_color_subdued=palette.LIGHT["soft"],
            body_text_color_subdued_dark=palette.DARK["soft"],
        ),
        "footer_links": ["api", "gradio"],
        "app_kwargs": {
            "middleware": [Middleware(request_guard.Guard, blocks=blocks)],
            "lifespan": request_guard.without_cors,
            "routes": [*weight_routes(pairs.named), web_route(files)],
        },
        "head": "".join(f'<link rel="modulepreload" href="web/{name}">' for name in files if name.endswith(".js")),
        "max_file_size": 1,  # byte: nobody has a file to upload here
        "pwa": False,
        "run_history": False,  # triples the time of an API call
        "show_error": False,  # error texts would show paths
        "ssr_mode": False,
        "state_session_capacity": 200,  # nothing of ours is in a session, and gradio makes another where one is gone
    }
    return blocks, options


def _layout(endpoints: Endpoints, pairs: Pairs, results: Results | None) -> gr.Blocks:
    models = [
        {"variant": variant, "title": described(variant).title, "colour": palette.OF_VARIANT.get(variant, "alarm")}
        for variant in pairs.named(None).variants
    ]
    _, parameters, returned = get_function_description(endpoints.explain_digit)
    shared = {"models": models, "colours": json.loads(_web("colours.json")), "networks": list(pairs.folders)}
    examples = json.loads(_web("examples.json"))
    blocks = gr.Blocks(title="CAM-loss: what two networks look at", analytics_enabled=False)
    with blocks:
        _component("header", script="api.js", returned=" ".join(returned))
        with gr.Tab("Draw", elem_id="draw"):
            _component(
                "draw",
                script="draw.js",
                server_functions=[endpoints.answer, endpoints.sketch],
                palette=palette.LIGHT,
                examples=examples,
                study=json.loads(_web("study.json")),
                opening=json.loads(_web("opening.json")),
                **shared,
            )
        with gr.Tab("How it works", elem_id="how"):
            _component(
                "steps",
                script="steps.js",
                server_functions=[endpoints.build_up, endpoints.sketch],
                example=examples[4]["strokes"],
                shown=SHOWN,
                **shared,
            )
            with gr.Accordion("The equations", open=False, elem_classes="fold"):
                gr.Markdown(_web("how.md"), latex_delimiters=FORMULAS)
        if results:
            with gr.Tab("Results", elem_id="results"):
                gr.Markdown(results.answer, elem_classes="prose", sanitize_html=False)  # which drops tabindex
                with gr.Accordion("Everything that was measured", open=False, elem_classes="fold"):
                    gr.Markdown(results.rest, elem_classes="prose", sanitize_html=False)
        api(endpoints.explain_digit, api_name="explain", concurrency_limit=WORKERS)
    _document_api(blocks, parameters, " ".join(returned))
    return blocks


def _web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _component(name: str, script: str, **options: Any) -> gr.HTML:
    """NAME.html with its style NAME.css and the page's colours; `start` of the script, a module, brings it to life."""
    start = f"""
const module = import(new URL("web/{script}", document.baseURI));
module.then(({{ start }}) => start(element, props, server)).catch((problem) => {{
  console.error(problem);
  const line = document.createElement("p");
  line.role = "alert";
  line.textContent = "This part of the page did not load whole: reload the page to try again.";
  element.prepend(line);
}});"""
    return gr.HTML(
        html_template=_web(f"{name}.html"),
        css_template=palette.custom_properties() + _web(f"{name}.css"),
        js_on_load=start,
        apply_default_css=False,
        **options,
    )


def _document_api(blocks: gr.Blocks, parameters: dict[str, str], returned: str) -> None:
    """gradio documents the values of an API by what their components say; ours say what the docstring does."""
    (function,) = blocks.fns.values()
    component: Any
    (component,) = function.outputs
    component.label = "answer"
    component._api_info = {**component._api_info, "description": returned}
    for component, (name, words) in zip(function.inputs, parameters.items(), strict=True):
        component.label = name
        component._api_info = {**component._api_info, "additional_description": words}
