"""The page: draw a digit, and see what two networks read and where they look.

    python app.py

CAMLOSS_CHECKPOINTS names another folder of checkpoints than the one beside this file. CAMLOSS_HUB_REPO names a pair on
the Hugging Face Hub (USER/NAME, as pushed by scripts/push_to_hub.py) that replaces the first pair as soon as it is
loaded, if it is newer; CAMLOSS_HUB_REVISION takes a certain one.
"""

import functools
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from camloss.demo import environment
from camloss.errors import CamlossError, quoted

try:
    environment.check()
except CamlossError as error:
    raise SystemExit(f"error: {error}") from None

import gradio as gr
from gradio.events import api
from gradio.routes import templates
from gradio.themes.utils.fonts import LocalFont
from gradio.utils import get_function_description
from starlette.middleware import Middleware

from camloss.demo import html_metadata, inference, launch, palette, request_guard
from camloss.demo.browser_weights import weight_routes
from camloss.demo.hub_updates import follow_hub
from camloss.demo.pairs import find_pairs, load_for_page
from camloss.demo.results import results_in
from camloss.demo.web_files import WEB, files_in, web_route
from camloss.demo.worker_pools import WORKERS, Busy, lane_for
from camloss.pair import VARIANTS, Pair

CHECKPOINTS = Path(os.environ.get("CAMLOSS_CHECKPOINTS") or Path(__file__).resolve().parent / "checkpoints")


load = functools.cache(load_for_page)

try:
    PAIRS = find_pairs(CHECKPOINTS)
    DEFAULT, default_place = next(iter(PAIRS.items()))
    default = load(default_place)  # now, so that the first stroke need not wait, and a damaged file is seen at once
except CamlossError as error:
    raise SystemExit(f"error: {error}") from None
shown = follow_hub(default, default_place, os.environ.get("CAMLOSS_HUB_REPO"), os.environ.get("CAMLOSS_HUB_REVISION"))

try:
    import spaces
except ImportError:  # not on ZeroGPU
    pass
else:

    @spaces.GPU  # type: ignore[untyped-decorator]
    def borrow_gpu() -> None:
        """ZeroGPU starts no page without such a function. Nobody calls it: a drawing takes milliseconds on the CPU."""


def pair(networks: object) -> Pair:
    """The pair of that name, or the default one; loaded when it is first asked for."""
    if networks is None or networks == DEFAULT:
        return shown()
    if not isinstance(networks, str) or networks not in PAIRS:
        raise CamlossError(f"unknown networks {quoted(networks)}; expected one of {', '.join(PAIRS)}")
    return load(PAIRS[networks])


async def explain_digit(
    picture: str | None = None,
    class_idx: int | None = None,
    other_idx: int | None = None,
    networks: str | None = None,
    strokes: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Read a handwritten digit with two networks and say where in the picture each of them finds its evidence.

    One was trained with cross-entropy ("ce"), its twin with CAM-loss ("cam").

    Args:
        picture: a PNG, JPEG or WebP image as base64 text, at most 4 megapixels: a drawing or photo of one digit.
        class_idx: the digit 0 to 9 whose evidence to show; by default the one that each network reads.
        other_idx: show what speaks for class_idx rather than for this digit, too.
        networks: which pair; by default the page's first.
        strokes: in place of a picture, where the pen went: a list of {"width": w, "points": [x, y, x, y, ...]}, y down.

    Returns:
        blank, summary; seen (28 x 28) and frame [left, top, scale], which say what the networks were given and where
        its pixels and the maps' lie in the picture; ce and cam, each with digit, probs (10), class_idx, other_idx, the
        maps cam and caam in [0, 1], contrast in [-1, 1] or null, agreement of CAM and CAAM, and ink_energy, the share
        of the CAM, or of what in the contrast speaks for class_idx, that lies on the strokes.
    """
    question = request_guard.question_for(
        {
            "picture": picture,
            "class_idx": class_idx,
            "other_idx": other_idx,
            "networks": networks,
            "strokes": strokes,
        }
    )
    try:
        lane = lane_for(question["picture"], question["strokes"])
        return await lane.run(
            lambda: inference.answer(pair(question.pop("networks")), **question), request_guard.caller()
        )
    except CamlossError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        logging.exception("the server failed on a call")
        raise gr.Error(FAILED, print_exception=False) from error


Answer = dict[str, Any]
FAILED = "The server failed on this drawing, and its log says why; try another one."


def for_page(function: Callable[[dict[str, Any]], Answer]) -> Callable[[Any], Awaitable[Answer]]:
    """A server function of the page: takes what anyone may send, and says what is wrong with it in one line.

    The answer to what it cannot answer is {"error": one line}, and {"busy": true, "error": one line} where nothing is
    wrong and the same question may be asked again in a moment.
    """

    @functools.wraps(function)
    async def checked(question: Any) -> Answer:
        try:
            question = request_guard.question_for(question)
            if not isinstance(question, dict):
                raise CamlossError(f"expected an object with named values, not {type(question).__name__}")
            lane = lane_for(question.get("picture"), question.get("strokes"))
            return await lane.run(functools.partial(function, question), request_guard.caller())
        except Busy as error:
            return {"busy": True, "error": str(error)}
        except CamlossError as error:
            return {"error": str(error)}
        except Exception:
            logging.exception("the server failed on a question of the page")
            return {"error": FAILED}

    return checked


@for_page
def answer(question: dict[str, Any]) -> Answer:
    return inference.answer(
        pair(question.get("networks")),
        question.get("picture"),
        question.get("class_idx"),
        question.get("other_idx"),
        encode=inference.as_bytes,
        strokes=question.get("strokes"),
    )


@for_page
def build_up(question: dict[str, Any]) -> Answer:
    return inference.build_up(
        pair(question.get("networks")),
        question.get("picture"),
        question.get("variant"),
        question.get("class_idx"),
        encode=inference.as_bytes,
        strokes=question.get("strokes"),
    )


@for_page
def sketch(question: dict[str, Any]) -> Answer:
    return inference.sketch(question.get("picture"))


def web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def component(name: str, script: str | None = None, **options: Any) -> gr.HTML:
    """NAME.html with its style NAME.css and the page's colours; `start` of the script, a module, brings it to life."""
    start = (
        f"""import(new URL("web/{script}", document.baseURI)).then((module) => module.start(element, props, server));"""
    )
    return gr.HTML(
        html_template=web(f"{name}.html"),
        css_template=palette.custom_properties() + web(f"{name}.css"),
        js_on_load=start if script else None,
        apply_default_css=False,
        **options,
    )


def document_api(page: gr.Blocks) -> None:
    """gradio documents the values of an API by what their components say; ours say what the docstring does."""
    _, parameters, _ = get_function_description(explain_digit)
    (function,) = page.fns.values()
    component: Any
    (component,) = function.outputs
    component.label = "answer"
    component._api_info = {**component._api_info, "description": RETURNED}
    for component, (name, words) in zip(function.inputs, parameters.items(), strict=True):
        component.label = name
        component._api_info = {**component._api_info, "additional_description": words}


RETURNED = " ".join(get_function_description(explain_digit)[2])
RESULTS = results_in(Path(__file__).resolve().parent / "docs")
FILES = {**files_in(), **(RESULTS.figures if RESULTS else {})}
SHOWN = 4  # channels of each twin on the "How it works" tab
MODELS = [{"variant": name, "title": variant.title, "colour": variant.colour} for name, variant in VARIANTS.items()]
COLOURS = json.loads(web("colours.json"))
EXAMPLES = json.loads(web("examples.json"))
FORMULAS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]

with gr.Blocks(title="CAM-loss: what two networks look at", analytics_enabled=False) as demo:
    component("header", script="api.js", returned=RETURNED)
    with gr.Tab("Draw", elem_id="draw"):
        component(
            "draw",
            script="draw.js",
            server_functions=[answer, sketch],
            models=MODELS,
            colours=COLOURS,
            palette=palette.LIGHT,
            examples=EXAMPLES,
            study=json.loads(web("study.json")),
            networks=list(PAIRS),
        )
    with gr.Tab("How it works", elem_id="how"):
        component(
            "steps",
            script="steps.js",
            server_functions=[build_up, sketch],
            models=MODELS,
            colours=COLOURS,
            networks=list(PAIRS),
            example=EXAMPLES[4]["strokes"],
            shown=SHOWN,
        )
        with gr.Accordion("The equations", open=False, elem_classes="fold"):
            gr.Markdown(web("how.md"), latex_delimiters=FORMULAS)
    if RESULTS:
        with gr.Tab("Results", elem_id="results"):
            gr.Markdown(RESULTS.answer, elem_classes="prose", sanitize_html=False)  # which drops tabindex
            with gr.Accordion("Everything that was measured", open=False, elem_classes="fold"):
                gr.Markdown(RESULTS.rest, elem_classes="prose", sanitize_html=False)
    api(explain_digit, api_name="explain", concurrency_limit=WORKERS)
document_api(demo)
demo.queue(max_size=request_guard.MAX_WAITING)
html_metadata.speak_for_itself(templates)

FONT = LocalFont("IBM Plex Sans", weights=(400, 700))  # of the bundled fonts' weights, these two hold every letter
MONO = LocalFont("IBM Plex Mono", weights=(400, 700))
LAUNCH: dict[str, Any] = {
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
        "middleware": [Middleware(request_guard.Guard, blocks=demo)],
        "lifespan": request_guard.without_cors,
        "routes": [*weight_routes(pair), web_route(FILES)],
    },
    "head": "".join(f'<link rel="modulepreload" href="web/{name}">' for name in FILES if name.endswith(".js")),
    "max_file_size": 1,  # byte: nobody has a file to upload here
    "pwa": False,
    "run_history": False,  # triples the time of an API call
    "show_error": False,  # error texts would show paths
    "ssr_mode": False,
    "state_session_capacity": 200,  # nothing of ours is in a session, and gradio makes another where one is gone
}

if __name__ == "__main__":
    try:
        launch.run(demo, LAUNCH)
    except CamlossError as error:
        raise SystemExit(f"error: {error}") from None
