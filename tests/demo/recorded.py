"""What the page answered to ten drawings when it was last changed on purpose, as pictures and as strokes.

    python tests/demo/recorded.py    records anew

The networks have learnt nothing, so that a new pair of checkpoints changes no answer; only changed code does.
"""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDED = Path(__file__).with_suffix(".json")
AGAIN = "python tests/demo/recorded.py"  # records
Strokes = list[dict[str, Any]]
sys.path.insert(0, str(ROOT))

from camloss.demo import inference  # noqa: E402
from camloss.digits.pendigits import render_strokes  # noqa: E402
from camloss.losses import PAIR  # noqa: E402
from camloss.models import build_classifier  # noqa: E402
from camloss.pair import Pair  # noqa: E402


def drawings() -> list[Strokes]:
    """The page's first ten examples."""
    examples = json.loads((ROOT / "camloss" / "demo" / "web" / "examples.json").read_text(encoding="utf-8"))
    return [example["strokes"] for example in examples[:10]]


def picture_of(strokes: Strokes) -> str:
    """What a canvas draws of them, as base64 text."""
    paths = tuple(tuple(zip(stroke["points"][::2], stroke["points"][1::2], strict=True)) for stroke in strokes)
    canvas = render_strokes(paths, (1000, 1000), strokes[0]["width"]).resize((250, 250))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def untrained(arch: str) -> Pair:
    models = {}
    for seed, variant in enumerate(PAIR):
        torch.manual_seed(seed)
        models[variant] = build_classifier(arch).eval()
    return Pair(models, "", "")


def answers() -> dict[str, list[dict[str, Any]]]:
    """Everything in each answer, with pictures and maps as their means by row and by column."""
    of_pictures, of_strokes = untrained("plain_cnn"), untrained("light_cnn")
    found: dict[str, list[dict[str, Any]]] = {"pictures": [], "strokes": []}
    for digit, strokes in enumerate(drawings()):
        other = (digit + 1) % 10
        found["pictures"].append(inference.answer(of_pictures, picture_of(strokes), None, other))
        found["strokes"].append(inference.answer(of_strokes, None, None, other, strokes=strokes))
    return {kind: [in_short(answer) for answer in of_kind] for kind, of_kind in found.items()}


def in_short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_short(part) for name, part in value.items()}
    if isinstance(value, list) and isinstance(value[0], list):
        picture = np.array(value)
        return [[round(float(x), 6) for x in picture.mean(axis)] for axis in (0, 1)]
    return value


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(answers(), indent=None) + "\n", encoding="utf-8")
