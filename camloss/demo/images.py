"""From a picture to what two models of a pair of pictures see in it, as plain JSON; the Images tab and its API share
`answer`.

A picture comes as base64 text from a stranger, as photos of digits do: see `safe_images`. Nothing of it is kept.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.data.pictures import fitted, shown_part
from camloss.demo.inference import as_lists, asked_classes, evidence_in, told_of
from camloss.demo.pairs import side_by_side
from camloss.demo.safe_images import open_picture
from camloss.errors import CamlossError, quoted
from camloss.explain import Explanation, explain
from camloss.models import Classifier
from camloss.pair import Pair

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_ERASED = 0.5  # of all positions
DRAWS = 5  # of places to which the shape of what is erased is moved


def answer(
    pair: Pair,
    picture: object,
    class_idx: object = None,
    other_idx: object = None,
    erase: object = None,
    *,
    encode: Callable[..., Any] = as_lists,
) -> dict[str, Any]:
    """Classify a picture with both models and say where they look.

    Args:
        pair: the two models.
        picture: a PNG, JPEG or WebP image as base64 text, with or without a `data:` prefix.
        class_idx: the class to explain, by default the one that each model predicts.
        other_idx: explain why `class_idx` *rather than* this class, too.
        erase: the share of the positions of a map, at most `MOST_ERASED`, to erase: those where each model's evidence
            is highest. What is said then is of the picture without them.
        encode: how maps are written: `as_lists` or `as_bytes`.

    Returns:
        source: which models these are.
        classes: the names of the classes.
        frame: [left, top, width, height] of the part of the picture that the models are given, in its pixels. The maps
            cover the same part.
        map_size: [height, width] of a map.
        ce, cam: what each model says, trained with cross-entropy and with CAM-loss; class_idx, other_idx, cam, caam,
            contrast, similarity and area_above_half as in `inference.answer`, and
            predicted, probs: the class that it predicts, the probability of each.
            loss: only where something is erased: `before`, the class that was predicted of the whole picture; `mask`, 1
            at the positions that are erased; and what became of that class: `top`, with them erased, `middle`, with as
            many from the centre outwards, each with the class `now` predicted and the `prob` of the one before; and
            `elsewhere`, with a hole of the same shape elsewhere: in how many of the `draws` it is `kept`, and its mean
            `prob`. Scattered positions would be no control: they harm a network more than one hole does.

    Raises:
        CamlossError: the picture is none, or too large, a class is not among the models' or is contrasted with itself,
            or `erase` is no such share.
    """
    if pair.images is None:
        raise CamlossError(f"{pair.source} is a pair for drawn digits, not for pictures; take one trained on pictures")
    size = pair.images.image_size
    wanted, other = asked_classes(pair, class_idx, other_idx)
    share = _checked_share(erase)
    image, frame = prepared(open_picture(picture).decode(), size)
    readings: dict[str, Any] = {}
    for variant, model in side_by_side(pair).items():
        seen = explain(model, image, wanted, other)
        loss: dict[str, Any] = {}
        if share:
            eraser = Eraser(model, image, seen, share)
            seen = explain(model, eraser.without(eraser.top), wanted, other)
            loss = {"loss": eraser.loss(seen, encode)}
        readings[variant] = {"predicted": int(seen.probs.argmax()), **told_of(seen, size, encode), **loss}
        map_size = list(seen.cam.shape[1:])
    return {
        "source": pair.source,
        "classes": list(pair.images.classes),
        "frame": frame,
        "map_size": map_size,
        **readings,
    }


def _checked_share(erase: object) -> float:
    if erase is None:
        return 0.0
    if type(erase) in (int, float) and 0 <= erase <= MOST_ERASED:  # type: ignore[operator]
        return float(erase)  # type: ignore[arg-type]
    raise CamlossError(f"erase is {quoted(erase)}; expected a share of the positions from 0 to {MOST_ERASED:g}")


def prepared(image: "Image", size: tuple[int, int]) -> tuple[Tensor, list[float]]:
    """What the models are given of a picture: its middle, as in training.

    Returns:
        (1, 3, H, W) in [0, 1], and [left, top, width, height] of that part in the picture's pixels.
    """
    left, top, right, bottom = shown_part((image.height, image.width), size)
    frame = [round(number, 3) for number in (left, top, right - left, bottom - top)]
    return fitted(image, size)[None].float() / 255, frame


class Eraser:
    """Erases positions of one model's map in the picture, and asks the model what is left of its prediction."""

    def __init__(self, model: Classifier, image: Tensor, whole: Explanation, share: float) -> None:
        """
        Args:
            model: of pixels in [0, 1].
            image: (1, 3, H0, W0).
            whole: what the model sees in the image.
            share: of the positions.
        """
        self.model, self.image = model, image
        mean = model.checkpoint_config.get("mean", [0.5])  # what is standardised to 0
        self.fill = torch.tensor(mean).view(1, -1, 1, 1)
        self.before = int(whole.probs.argmax())
        evidence = evidence_in(whole)[0]
        self.size = evidence.shape
        self.count = round(share * evidence.numel())
        self.top = self._first(evidence.flatten().argsort(descending=True, stable=True))

    def _first(self, order: Tensor) -> Tensor:
        """As many positions as are to be erased, from an order of all of them: (H, W), 1 at these and 0 elsewhere."""
        mask = torch.zeros(self.size.numel())
        mask[order[: self.count]] = 1
        return mask.view(self.size)

    def without(self, mask: Tensor) -> Tensor:
        """The image without the positions of a mask (H, W)."""
        return torch.where(F.interpolate(mask[None, None], self.image.shape[-2:]) > 0, self.fill, self.image)

    def loss(self, seen: Explanation, encode: Callable[..., Any]) -> dict[str, Any]:
        """What became of the prediction, as in `answer`; `seen` is what the model sees without the top positions."""
        offsets = torch.randperm(self.size.numel() - 1, generator=torch.Generator().manual_seed(0))[:DRAWS] + 1
        moved = [divmod(offset, self.size[1]) for offset in offsets.tolist()]  # around the edges
        draws = [self._fate(self.top.roll(shifts, (0, 1))) for shifts in moved]
        middle, prob = self._fate(self._first(from_the_middle(*self.size)))
        return {
            "before": self.before,
            "mask": encode(self.top),
            "top": {"now": int(seen.probs.argmax()), "prob": round(float(seen.probs[0, self.before]), 6)},
            "middle": {"now": middle, "prob": round(prob, 6)},
            "elsewhere": {
                "kept": sum(now == self.before for now, _ in draws),
                "draws": len(draws),
                "prob": round(sum(prob for _, prob in draws) / len(draws), 6),
            },
        }

    def _fate(self, mask: Tensor) -> tuple[int, float]:
        """The class predicted without the positions of a mask, and the probability of the one before."""
        with torch.inference_mode():
            probs = self.model(self.without(mask))[0].softmax(1)[0]
        return int(probs.argmax()), float(probs[self.before])


def from_the_middle(height: int, width: int) -> Tensor:
    """(H * W,), the positions of a map from its centre outwards."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    far = ((2 * rows + 1) / height - 1) ** 2 + ((2 * columns + 1) / width - 1) ** 2
    return far.flatten().argsort(stable=True)
