"""The page: its layout, its endpoints, and the options it is launched with."""

import functools
import json
from collections.abc import Mapping
from itertools import islice
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
from camloss.demo.examples import Example, examples_in
from camloss.demo.hub_updates import follow_hub
from camloss.demo.pairs import find_pairs, format_of, load_for_page
from camloss.demo.results import Results, results_in
from camloss.demo.web_files import WEB, WebFile, files_in, web_route
from camloss.demo.worker_pools import WORKERS
from camloss.errors import CamlossError, quoted
from camloss.pair import SIDE_BY_SIDE, Pair, described, pair_files

try:
    import spaces
except ImportError:  # not on ZeroGPU
    pass
else:

    @spaces.GPU  # type: ignore[untyped-decorator]
    def borrow_gpu() -> None:
        """ZeroGPU starts no page without such a function. Nobody calls it: a drawing takes milliseconds on the CPU."""


DOCS = Path(__file__).resolve().parents[2] / "docs"  # of a checkout; a wheel has none
LATER = "image"  # begins the names of scripts that are fetched when their tab is opened
OF_LATER = {"images.html": "text/plain", "draw.css": "text/css", "images.css": "text/css"}  # and what they fetch
SHOWN = 4  # channels of each model on the "How it works" tab
FORMULAS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
FONT = LocalFont("IBM Plex Sans", weights=(400, 700))  # of the bundled fonts' weights, these two hold every letter
MONO = LocalFont("IBM Plex Mono", weights=(400, 700))


class Pairs:
    """The pairs in a folder of checkpoints: of digits, and of other pictures; the first may give way to one on the Hub.

    Raises:
        CamlossError: there is none in the folder.
    """

    def __init__(self, checkpoints: Path, repo: str | None = None) -> None:
        folders = find_pairs(checkpoints)
        self._load = functools.cache(load_for_page)
        self._default, folder = next(iter(folders.items()))
        first = self._load(folder)  # now, so that the first stroke need not wait, and a damaged file is seen at once
        self._shown = follow_hub(first, repo)
        formats = {name: format_of(folder) for name, folder in folders.items()}
        self.of_digits = {name: folder for name, folder in folders.items() if formats[name] is None}
        self.of_images = {name: folder for name, folder in folders.items() if formats[name] is not None}
        self.formats = {name: pictures for name, pictures in formats.items() if pictures is not None}

    def digits_named(self, name: object) -> Pair:
        """The pair of that name, or the first one; loaded when it is first asked for."""
        return self._named(name, self.of_digits)

    def images_named(self, name: object) -> Pair:
        """The same for pairs of pictures."""
        return self._named(name, self.of_images)

    def _named(self, name: object, folders: Mapping[str, Path]) -> Pair:
        if name is None:
            name = next(iter(folders), None)
        if not isinstance(name, str) or name not in folders:
            raise CamlossError(f"unknown networks {quoted(name)}; expected one of {', '.join(folders)}")
        return self._shown() if name == self._default else self._load(folders[name])


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
    endpoints = endpoints_of(pairs.digits_named, pairs.images_named)
    examples = {name: examples_in(place) for name, place in pairs.of_images.items()}
    blocks = _layout(endpoints, pairs, examples, results)
    blocks.queue(max_size=request_guard.MAX_WAITING)
    html_metadata.put_into(templates)
    files = {**files_in(), **(results.pages if results else {})}
    scripts = [name for name in files if name.endswith(".js") and not name.startswith(LATER)]
    if examples:
        files |= {name: WebFile((WEB / name).read_bytes(), kind) for name, kind in OF_LATER.items()}
        files |= {example.name: example.file for of_pair in examples.values() for example in of_pair}
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
            "routes": [*weight_routes(pairs.digits_named), web_route(files)],
        },
        "head": "".join(f'<link rel="modulepreload" href="web/{name}">' for name in scripts),
        "max_file_size": 1,  # byte: nobody has a file to upload here
        "pwa": False,
        "run_history": False,  # triples the time of an API call
        "show_error": False,  # error texts would show paths
        "ssr_mode": False,
        "state_session_capacity": 200,  # nothing of ours is in a session, and gradio makes another where one is gone
    }
    return blocks, options


def _layout(
    endpoints: Endpoints, pairs: Pairs, examples: Mapping[str, list[Example]], results: Results | None
) -> gr.Blocks:
    called = {"explain": endpoints.explain_digit, "explain_image": endpoints.explain_image}
    returned = {name: " ".join(get_function_description(function)[2]) for name, function in called.items()}
    blocks = gr.Blocks(title="CAM-loss: what two networks look at", analytics_enabled=False)
    with blocks:
        header = _web("header.html")
        if not pairs.of_digits:
            header = header.replace("Draw a digit", "Choose a picture")
        _component("header", script="api.js", html=header, returned=returned)
        if pairs.of_digits:
            _draw_tab(endpoints, pairs.of_digits)
        if pairs.of_images:
            _images_tab(endpoints, pairs, examples)
        if pairs.of_digits:
            _how_tab(endpoints, pairs.of_digits)
        if pairs.of_digits and results:
            with gr.Tab("Results", elem_id="results"):
                gr.Markdown(results.answer, elem_classes="prose", sanitize_html=False)  # which drops tabindex
        if pairs.of_digits:
            api(endpoints.explain_digit, api_name="explain", concurrency_limit=WORKERS)
        if pairs.of_images:
            api(endpoints.explain_image, api_name="explain_image", concurrency_limit=WORKERS)
    _document_api(blocks)
    return blocks


def _shared(folders: Mapping[str, Path]) -> dict[str, Any]:
    """What both tabs for digits are told."""
    return {"models": _models_of(folders), "colours": json.loads(_web("colours.json")), "networks": list(folders)}


def _models_of(folders: Mapping[str, Path]) -> list[dict[str, str]]:
    """The columns of a tab: of the first variants, which all its pairs have."""
    return [
        {"variant": variant, "title": described(variant).title, "colour": palette.OF_VARIANT.get(variant, "alarm")}
        for variant in islice(pair_files(next(iter(folders.values()))), SIDE_BY_SIDE)
    ]


def _draw_tab(endpoints: Endpoints, folders: Mapping[str, Path]) -> None:
    with gr.Tab("Draw", elem_id="draw"):
        _component(
            "draw",
            script="draw.js",
            server_functions=[endpoints.answer, endpoints.sketch],
            palette=palette.LIGHT,
            examples=json.loads(_web("examples.json")),
            study=json.loads(_web("study.json")),
            opening=json.loads(_web("opening.json")),
            has_seconds=len(pair_files(next(iter(folders.values())))) > SIDE_BY_SIDE,
            **_shared(folders),
        )


def _images_tab(endpoints: Endpoints, pairs: Pairs, examples: Mapping[str, list[Example]]) -> None:
    """Empty until it is opened: its script fetches the rest, so that it costs those who draw nothing."""
    with gr.Tab("Images", elem_id="images"):
        gr.HTML(
            html_template="<p>Loading&hellip;</p>",
            css_template=palette.custom_properties(),
            js_on_load=_start("images.js"),
            apply_default_css=False,
            server_functions=[endpoints.answer_image],
            models=_models_of(pairs.of_images),
            study=json.loads(_web("photo_study.json")),
            pairs=[
                {
                    "name": name,
                    "classes": pictures.classes,
                    "size": pictures.image_size,
                    "examples": [{"file": example.name, "title": example.title} for example in examples[name]],
                }
                for name, pictures in pairs.formats.items()
            ],
        )


def _how_tab(endpoints: Endpoints, folders: Mapping[str, Path]) -> None:
    with gr.Tab("How it works", elem_id="how"):
        _component(
            "steps",
            script="steps.js",
            server_functions=[endpoints.build_up, endpoints.sketch],
            example=json.loads(_web("examples.json"))[4]["strokes"],
            shown=SHOWN,
            **_shared(folders),
        )
        with gr.Accordion("The equations", open=False, elem_classes="fold"):
            gr.Markdown(_web("how.md"), latex_delimiters=FORMULAS)


def _web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _component(name: str, script: str, html: str = "", **options: Any) -> gr.HTML:
    """NAME.html, or `html` in its place, with its style NAME.css and the page's colours.

    `start` of the script, a module, brings it to life.
    """
    return gr.HTML(
        html_template=html or _web(f"{name}.html"),
        css_template=palette.custom_properties() + _web(f"{name}.css"),
        js_on_load=_start(script),
        apply_default_css=False,
        **options,
    )


def _start(script: str) -> str:
    """Calls `start` of a script, a module; what fails is said where it would stand."""
    return f"""
const module = import(new URL("web/{script}", document.baseURI));
module.then(({{ start }}) => start(element, props, server)).catch((problem) => {{
  console.error(problem);
  const line = document.createElement("p");
  line.role = "alert";
  line.textContent = "This part of the page did not load whole: reload the page to try again.";
  element.prepend(line);
}});"""


def _document_api(blocks: gr.Blocks) -> None:
    """gradio documents the values of an API by what their components say; ours say what the docstring does."""
    for function in blocks.fns.values():
        assert function.fn is not None
        _, parameters, returned = get_function_description(function.fn)
        component: Any
        (component,) = function.outputs
        component.label = "answer"
        component._api_info = {**component._api_info, "description": " ".join(returned)}
        for component, (name, words) in zip(function.inputs, parameters.items(), strict=True):
            component.label = name
            component._api_info = {**component._api_info, "additional_description": words}
