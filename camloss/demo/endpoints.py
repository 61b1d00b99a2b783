"""What callers may ask of the page's server: `explain` of its API, and the server functions of its components."""

import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from camloss.demo import images, inference, request_guard
from camloss.demo.worker_pools import IMAGES, Busy, WorkerPool, pool_for
from camloss.errors import CamlossError
from camloss.pair import Pair

Answer = dict[str, Any]
Question = dict[str, Any]
PairNamed = Callable[[object], Pair]
FAILED = "The server failed on this drawing, and its log says why; try another one."


@dataclass(frozen=True)
class Endpoints:
    explain_digit: Callable[..., Awaitable[Answer]]
    answer: Callable[[Any], Awaitable[Answer]]
    build_up: Callable[[Any], Awaitable[Answer]]
    sketch: Callable[[Any], Awaitable[Answer]]
    explain_image: Callable[..., Awaitable[Answer]]
    answer_image: Callable[[Any], Awaitable[Answer]]


def endpoints_of(pair_named: PairNamed, image_pair_named: PairNamed) -> Endpoints:
    """The endpoints for pairs of digits and pairs of pictures, which these give by name; None stands for the first."""

    async def explain_digit(  # noqa: PLR0917, gradio gives them by position
        picture: str | None = None,
        class_idx: int | None = None,
        other_idx: int | None = None,
        networks: str | None = None,
        strokes: list[dict[str, Any]] | None = None,
        second: str | None = None,
    ) -> Answer:
        """Classify a handwritten digit with two models, and say where in the picture each of them finds its evidence.

        One was trained with cross-entropy ("ce"), the other with CAM-loss ("cam").

        Args:
            picture: a PNG, JPEG or WebP image as base64 text, at most 4 megapixels: a drawing or photo of one digit.
            class_idx: the digit 0 to 9 whose evidence to show; by default the one that each model predicts.
            other_idx: show the evidence for class_idx over this digit, too.
            networks: which pair; by default the page's first.
            strokes: in place of a picture, where the pen went: a list of {"width": w, "points": [x, y, ...]}, y down.
            second: another variant of the pair in place of "cam", such as "alpha-3".

        Returns:
            blank; seen (28 x 28) and frame [left, top, scale], which say what the models were given and where its
            pixels and the maps' lie in the picture; ce and cam, or the second in its place, each with digit, probs
            (10), class_idx, other_idx, the maps cam and caam in [0, 1], contrast in [-1, 1] or null, similarity of CAM
            and CAAM, and of the CAM, or of the evidence for class_idx in the contrast, stroke_energy, its share on the
            strokes, and area_above_half.
        """
        values = {"picture": picture, "class_idx": class_idx, "other_idx": other_idx, "networks": networks}
        return await _called(
            {**values, "strokes": strokes, "second": second},
            lambda question: inference.answer(pair_named(question.pop("networks")), **question),
            _by_cost,
        )

    async def explain_image(
        picture: str | None = None,
        class_idx: int | None = None,
        other_idx: int | None = None,
        networks: str | None = None,
        erase: float | None = None,
    ) -> Answer:
        """Classify a picture with two models, and say where in it each of them finds its evidence.

        One was trained with cross-entropy ("ce"), the other with CAM-loss ("cam").

        Args:
            picture: a PNG, JPEG or WebP image as base64 text, at most 4 megapixels.
            class_idx: the number of the class whose evidence to show; by default the one that each model predicts.
            other_idx: show the evidence for class_idx over this class, too.
            networks: which pair; by default the page's first that is of pictures.
            erase: a share of the positions, 0 to 0.5, to erase: those where each model's evidence is highest.

        Returns:
            classes, their names; frame [left, top, width, height], the part of the picture that the models are given;
            ce and cam, each with predicted, probs, class_idx, other_idx, the maps cam and caam in [0, 1], contrast in
            [-1, 1] or null, similarity of CAM and CAAM, area_above_half, and loss: what erasing changes, beside
            a hole of the same shape elsewhere and one in the middle.
        """
        values = {"picture": picture, "class_idx": class_idx, "other_idx": other_idx, "networks": networks}
        return await _called(
            {**values, "erase": erase},
            lambda question: images.answer(image_pair_named(question.pop("networks")), **question),
            _for_images,
        )

    @_for_page
    def answer(question: Question) -> Answer:
        return inference.answer(
            pair_named(question.get("networks")),
            encode=inference.as_bytes,
            **_named(question, "picture", "class_idx", "other_idx", "strokes", "second"),
        )

    @_for_page
    def build_up(question: Question) -> Answer:
        return inference.build_up(
            pair_named(question.get("networks")),
            encode=inference.as_bytes,
            **_named(question, "picture", "variant", "class_idx", "strokes"),
        )

    @_for_page
    def sketch(question: Question) -> Answer:
        return inference.sketch(question.get("picture"))

    @functools.partial(_for_page, pool=_for_images)
    def answer_image(question: Question) -> Answer:
        return images.answer(
            image_pair_named(question.get("networks")),
            encode=inference.as_bytes,
            **_named(question, "picture", "class_idx", "other_idx", "erase"),
        )

    return Endpoints(explain_digit, answer, build_up, sketch, explain_image, answer_image)


def _named(question: Question, *names: str) -> dict[str, Any]:
    return {name: question.get(name) for name in names}


def _by_cost(question: Question) -> WorkerPool:
    return pool_for(question.get("picture"), question.get("strokes"))


def _for_images(_question: Question) -> WorkerPool:
    return IMAGES


async def _called(
    given: Question, answer: Callable[[Question], Answer], pool: Callable[[Question], WorkerPool]
) -> Answer:
    """What a function of the API answers; `given` is what gradio called it with."""
    question = request_guard.question_for(given)
    try:
        return await pool(question).run(lambda: answer(question), request_guard.caller())
    except CamlossError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        logging.exception("the server failed on a call")
        raise gr.Error(FAILED, print_exception=False) from error


def _for_page(
    function: Callable[[Question], Answer], pool: Callable[[Question], WorkerPool] = _by_cost
) -> Callable[[Any], Awaitable[Answer]]:
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
            return await pool(question).run(functools.partial(function, question), request_guard.caller())
        except Busy as error:
            return {"busy": True, "error": str(error)}
        except CamlossError as error:
            return {"error": str(error)}
        except Exception:
            logging.exception("the server failed on a question of the page")
            return {"error": FAILED}

    return checked
