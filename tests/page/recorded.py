"""What the page answered to ten drawings when it was last changed on purpose: `python tests/page/recorded.py` records.

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
sys.path.insert(0, str(ROOT))

from camloss import build_model  # noqa: E402
from camloss.digits.strokes import render_strokes  # noqa: E402
from camloss.page import serve  # noqa: E402
from camloss.twins import VARIANTS, Twins  # noqa: E402


def drawings() -> list[str]:
    """The page's first ten examples as a canvas draws them, as base64 text."""
    examples = json.loads((ROOT / "camloss" / "page" / "web" / "examples.json").read_text(encoding="utf-8"))
    return [drawing(example["strokes"]) for example in examples[:10]]


def drawing(strokes: list[dict[str, Any]]) -> str:
    paths = tuple(tuple(zip(stroke["points"][::2], stroke["points"][1::2], strict=True)) for stroke in strokes)
    canvas = render_strokes(paths, (1000, 1000), strokes[0]["width"]).resize((250, 250))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def untrained() -> Twins:
    models = {}
    for seed, variant in enumerate(VARIANTS):
        torch.manual_seed(seed)
        models[variant] = build_model("plain_cnn").eval()
    return Twins(models, "", "")


def answers() -> list[dict[str, Any]]:
    """Everything in each answer, with pictures and maps as their sums by row and by column."""
    twins = untrained()
    found = [serve.answer(twins, picture, None, (digit + 1) % 10) for digit, picture in enumerate(drawings())]
    return [{name: in_short(value) for name, value in answer.items()} for answer in found]


def in_short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_short(part) for name, part in value.items()}
    if isinstance(value, list) and isinstance(value[0], list):
        picture = np.array(value)
        return [[round(float(x), 6) for x in picture.mean(axis)] for axis in (0, 1)]
    return value


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(answers(), indent=None) + "\n", encoding="utf-8")
