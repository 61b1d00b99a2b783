"""Choose what a first visit of the demo begins with, from the pair in checkpoints/.

For each kind of corruption, as strong as in the study, the page's examples are read in many draws. The opening is the
draw of median failure: of those in which the baseline changes its reading and the other model keeps it, the one whose
wrong reading has the median probability. A typical draw of a kind is one in which each model keeps its reading of as
many examples as in the median draw, or as near to it as can be.

    python scripts/dev/choose_opening.py
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import _root
import torch
from torch import Tensor

from camloss import cli
from camloss.demo.inference import open_strokes
from camloss.demo.web_files import WEB
from camloss.digits import corruptions
from camloss.digits.rasterize import write_strokes
from camloss.pair import Pair, described

DRAWS = 20
CHECKPOINTS = _root.ROOT / "checkpoints"

#: What the page's KINDS (web/corruptions.js) do at the study's strength. Clutter is cut from the examples, too.
KINDS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "clutter": lambda digits, numbers, seed: corruptions.among_clutter(digits, numbers, digits, seed=seed),
    "line": lambda digits, numbers, seed: corruptions.line(digits, numbers, seed=seed),
    "salt_noise": lambda digits, numbers, seed: corruptions.salt_noise(digits, numbers, seed=seed),
    "gaussian_noise": lambda digits, numbers, seed: corruptions.gaussian_noise(digits, numbers, seed=seed),
}


@dataclass(frozen=True)
class Readings:
    """What two models read: of the examples (2, N), and in each draw (2, N, draws) with its probability."""

    clean: Tensor
    digits: Tensor
    probs: Tensor

    @property
    def kept(self) -> Tensor:
        """Whether each keeps its reading, (2, N, draws)."""
        return self.digits == self.clean[:, :, None]


def main() -> None:
    cli.Parser(__doc__).parse_args()
    pair = Pair.load(CHECKPOINTS)
    examples = json.loads((WEB / "examples.json").read_text(encoding="utf-8"))
    digits = torch.cat([pixels_of(example["strokes"]) for example in examples])
    readings = {kind: read_draws(pair, digits, kind) for kind in KINDS}
    opening = opening_of(readings["clutter"])
    opening["seeds"] = {kind: typical_draw(found) for kind, found in readings.items()}
    opening["caption"] = caption(readings["clutter"], pair)
    opening["run"] = pair.run  # of no other pair is the caption said
    text = json.dumps(opening, indent=1) + "\n"
    (WEB / "opening.json").write_text(text, encoding="utf-8")
    print(text, end="")


def pixels_of(strokes: object) -> Tensor:
    """An example as the networks get it, (1, 1, 28, 28) uint8."""
    sketch = write_strokes(open_strokes(strokes))
    assert sketch is not None, "the page's own examples have strokes"
    return (255 * sketch.pixels).round().to(torch.uint8)


def read_draws(pair: Pair, digits: Tensor, kind: str) -> Readings:
    """What both models make of all examples in all draws of a corruption."""
    models = list(pair.shown.models.values())
    clean = torch.stack([read(model, digits).argmax(1) for model in models])
    draws = [KINDS[kind](digits, torch.zeros(len(digits), dtype=torch.long), seed) for seed in range(DRAWS)]
    probs = torch.stack([torch.stack([read(model, draw) for model in models]) for draw in draws], dim=2)
    return Readings(clean, probs.argmax(3), probs.max(3).values)


@torch.no_grad()
def read(model: torch.nn.Module, pictures: Tensor) -> Tensor:
    """Probabilities, (N, classes)."""
    logits: Tensor = model(pictures.float() / 255)[0]
    return logits.softmax(1)


def opening_of(found: Readings) -> dict[str, Any]:
    """The example and the draw of median failure; no corruption where there is none."""
    baseline, other = found.kept
    failures = (~baseline & other).nonzero().tolist()
    failures.sort(key=lambda place: float(found.probs[0][tuple(place)]))
    if not failures:
        return {"example": 0, "corruption": None}
    example, draw = failures[len(failures) // 2]
    return {"example": example, "corruption": {"kind": "clutter", "strength": 0.5, "seed": draw}}


def typical_draw(found: Readings) -> int:
    """The first draw in which the models keep about as many readings as in their median draws."""
    counts = found.kept.sum(1)  # (2, draws)
    far = (counts - counts.median(1, keepdim=True).values).abs().sum(0)
    return int(far.argmin())


def caption(found: Readings, pair: Pair) -> str:
    total, examples = found.kept[0].numel(), len(found.clean[0])
    (first, kept), (other, others) = zip(
        [described(variant).title for variant in pair.shown.variants], found.kept.sum((1, 2)).tolist(), strict=True
    )
    return (
        f"{first} keeps its reading in {kept} of {total} draws of clutter around the {examples} examples of this page, "
        f"{other} in {others}. This is the draw of median failure."
    )


if __name__ == "__main__":
    cli.run(main)
