"""Training methods of the second study (docs/protocol-price.md): what could keep CAM-loss's benefit without its price.

Every random choice is made on the images' device and by their generator, so that a GPU can record a step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.digits.corruptions import DIGIT, FRAGMENT
from camloss.losses import BASELINE, LOSSES, CAMLoss, LossTerms, TermLoss, VirtualCanvasLoss
from camloss.maps import caam, min_max_normalize
from camloss.models import MapClassifier, Pooling
from camloss.training.config import TrainConfig

Pool = Callable[[Tensor], Tensor]
"""Features (N, C, H, W) -> (N, C)."""
CLUTTER_SIDE, CLUTTER_COUNT = 40, 8  # of images that are trained among clutter
CANVAS_SIDE, CANVAS_IMAGES = 48, 8  # of a batch's images that are also shown on a canvas: a fifth more pixels
BLOCKS = 8  # fragments of 8x8 pixels on a virtual canvas
AREA = 0.1  # the mean of the normalised CAAM under which `area_floor` acts


def on_cluttered_canvas(
    images: Tensor, generator: torch.Generator, side: int, count: int, anywhere: bool = False
) -> Tensor:
    """Each image, whole, on a black canvas, among fragments of 8x8 pixels from the middle of the batch's others.

    Args:
        images: (N, 1, 28, 28) in [0, 1].
        generator: on the images' device.
        side: of the canvas in pixels; at least 40.
        count: how many fragments there are.
        anywhere: whether the digit lies anywhere, and has 0 to `count` fragments; else in the middle, and has all.

    Returns:
        (N, 1, side, side). Fragments lie within the canvas's margin, at most two pixels over the digit's own picture.
    """
    device, margin = images.device, (side - DIGIT) // 2

    def below(high: int, *shape: int) -> Tensor:
        return torch.randint(high, (len(images), *shape), generator=generator, device=device)

    # A fragment begins `deep` pixels from one edge, and anywhere along it.
    deep, along, edge = below(margin + 3 - FRAGMENT, count), below(side - FRAGMENT + 1, count), below(4, count)
    deep = torch.where(edge % 2 == 0, deep, side - FRAGMENT - deep)
    is_row = edge < 2
    tops, lefts = torch.where(is_row, deep, along), torch.where(is_row, along, deep)
    source, start_y, start_x = below(len(images), count), 6 + below(9, count), 6 + below(9, count)
    steps = torch.arange(FRAGMENT, device=device)
    rows, columns = (start[..., None] + steps for start in (start_y, start_x))  # (N, count, 8)
    cut = images[source[..., None, None], 0, rows[..., :, None], columns[..., None, :]]  # (N, count, 8, 8)
    if anywhere:
        cut = cut * (below(count + 1, 1) > torch.arange(count, device=device))[..., None, None]
    at = (tops[..., None] + steps)[..., :, None] * side + (lefts[..., None] + steps)[..., None, :]
    canvas = images.new_zeros(len(images), side * side).scatter_reduce(1, at.flatten(1), cut.flatten(1), "amax")
    whole = F.pad(images, 4 * [margin]).flatten(1)
    canvas = torch.maximum(canvas, whole).view(-1, 1, side, side)
    if not anywhere:
        return canvas
    shift = torch.arange(side, device=device)
    rows, columns = ((shift + below(2 * margin + 1, 1) - margin) % side for _ in range(2))  # it moves as a whole
    image = torch.arange(len(images), device=device)[:, None, None]
    return canvas[image, 0, rows[:, :, None], columns[:, None]][:, None]


def among_clutter(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch (B, 1, 28, 28) as (B, 1, 40, 40): each image among fragments of the others."""
    return on_cluttered_canvas(images, generator, CLUTTER_SIDE, CLUTTER_COUNT)


def canvas_term(
    alpha: float, weight: float = 0.5
) -> Callable[[MapClassifier, Tensor, Tensor, torch.Generator], Tensor]:
    """Cross-entropy plus CAM-loss at alpha, weighted, for a few of a batch's images on a larger canvas among clutter.

    Batch norm takes its running statistics there, as it does when it predicts: blank canvas never enters them.
    """
    criterion = CAMLoss(alpha)

    def term(model: MapClassifier, images: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        few = on_cluttered_canvas(images[:CANVAS_IMAGES], generator, CANVAS_SIDE, CLUTTER_COUNT, anywhere=True)
        model.eval()
        logits, features = model(few.contiguous(memory_format=torch.channels_last))
        model.train()
        terms: LossTerms = criterion(logits, features, model.head.weight, targets[: len(few)])
        return weight * terms.total

    return term


def area_floor(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss, and as much as the normalised CAAM's mean is below `AREA`."""
    distance = CAMLoss(1.0).distances(features, weight, targets).mean()
    return distance + F.relu(AREA - min_max_normalize(caam(features)).mean((-2, -1))).mean()


def generalized_mean(power: float) -> Pool:
    return lambda features: features.float().clamp_min(1e-6).pow(power).mean((-2, -1)).pow(1 / power)


def log_sum_exp(sharpness: float) -> Pool:
    """The mean of the exponentials' logarithm: between average (0) and maximum (infinity)."""

    def pool(features: Tensor) -> Tensor:
        cells = features.float().flatten(2) * sharpness
        return (cells.logsumexp(-1) - math.log(cells.shape[-1])) / sharpness

    return pool


def top_cells(count: int) -> Pool:
    """The mean of each channel's highest cells: as many, however large the image is."""
    return lambda features: features.float().flatten(2).topk(count, dim=-1).values.mean(-1)


def fixed_sum(cells: int) -> Pool:
    """The sum over all cells above each channel's lowest one, over the cells of a digit's own picture.

    The lowest cell stands for the background: a blank canvas adds nothing, however large it is.
    """
    return lambda features: (features.float() - features.float().amin((-2, -1), keepdim=True)).sum((-2, -1)) / cells


def until(alpha: float, last: int, end: float = 0.0) -> Callable[[int], float]:
    """Alpha by epoch: 0 in the first, as in the pair; `end` from epoch `last` (counted from 0) on."""
    return lambda epoch: 0.0 if epoch == 0 else alpha if epoch < last else end


@dataclass(frozen=True)
class PriceMethod:
    """One training method of the second study."""

    title: str
    kind: Literal["baseline", "candidate", "reference"] = "candidate"
    """`baseline`: what margins and goals compare with; `reference`: trained on what it is measured on."""
    alpha: float = 0.0
    loss: Callable[[float], CAMLoss] = CAMLoss
    """From the alpha of an epoch to what is learnt in it."""
    alpha_at: Callable[[int], float] | None = None
    pooling: Pooling | Pool | None = None
    vary: Callable[[Tensor, torch.Generator], Tensor] | None = None
    extra: Callable[[MapClassifier, Tensor, Tensor, torch.Generator], Tensor] | None = None
    average: float = 0.0

    def training(self, config: TrainConfig) -> dict[str, Any]:
        """What `camloss.training.loop.train` takes of it."""
        schedule = self.alpha_at or (lambda epoch: self.alpha if epoch >= config.alpha_start_epoch else 0.0)
        return {
            "loss": self.loss,
            "alpha_at": schedule,
            "pooling": self.pooling,
            "vary": self.vary,
            "extra": self.extra,
            "average": self.average,
        }


def on_virtual_canvas(alpha: float, blocks: int, title: str, weight: float = 0.0) -> PriceMethod:
    """With the weight of larger canvases beside the virtual ones."""
    extra = canvas_term(alpha, weight) if weight else None
    return PriceMethod(title, alpha=alpha, loss=lambda alpha: VirtualCanvasLoss(alpha, blocks=blocks), extra=extra)


cross_entropy = LOSSES[BASELINE].make


def smoothed(alpha: float) -> CAMLoss:
    return CAMLoss(alpha, nn.CrossEntropyLoss(label_smoothing=0.05))


PRICE_METHODS: dict[str, PriceMethod] = {  # baselines first, then in the order in which they are tried
    BASELINE: PriceMethod("cross-entropy", "baseline", loss=cross_entropy),
    "max-pooling": PriceMethod("cross-entropy, max pooling", "baseline", loss=cross_entropy, pooling="max"),
    "alpha-1": PriceMethod("CAM-loss at alpha 1", "baseline", 1.0),
    "alpha-3": PriceMethod("CAM-loss at alpha 3", "baseline", 3.0),
    "alpha-10": PriceMethod("CAM-loss at alpha 10", "baseline", 10.0),
    "ce-among-clutter": PriceMethod(
        "cross-entropy, trained among clutter", "reference", loss=cross_entropy, vary=among_clutter
    ),
    "canvas": PriceMethod("larger canvases", extra=canvas_term(0.0), loss=cross_entropy),
    "canvas-alpha-1": PriceMethod("larger canvases, CAM-loss at alpha 1", alpha=1.0, extra=canvas_term(1.0)),
    "canvas-alpha-3": PriceMethod("larger canvases, CAM-loss at alpha 3", alpha=3.0, extra=canvas_term(3.0)),
    "canvas-weak-alpha-1": PriceMethod(
        "larger canvases with a small weight, CAM-loss at alpha 1", alpha=1.0, extra=canvas_term(1.0, 0.2)
    ),
    "virtual-canvas": on_virtual_canvas(0.0, 0, "virtual canvases"),
    "virtual-clutter": on_virtual_canvas(0.0, BLOCKS, "virtual canvases with fragments"),
    "virtual-clutter-alpha-1": on_virtual_canvas(1.0, BLOCKS, "virtual canvases with fragments, CAM-loss at alpha 1"),
    "virtual-clutter-alpha-3": on_virtual_canvas(3.0, BLOCKS, "virtual canvases with fragments, CAM-loss at alpha 3"),
    "canvas-max": PriceMethod(
        "larger canvases, max pooling", extra=canvas_term(0.0), loss=cross_entropy, pooling="max"
    ),
    "canvas-top": PriceMethod(
        "larger canvases, top-k pooling", extra=canvas_term(0.0), loss=cross_entropy, pooling=top_cells(20)
    ),
    "top-k": PriceMethod("cross-entropy, top-k pooling", loss=cross_entropy, pooling=top_cells(20)),
    "log-sum-exp": PriceMethod("cross-entropy, log-sum-exp pooling", loss=cross_entropy, pooling=log_sum_exp(5.0)),
    "background-subtracted": PriceMethod(
        "cross-entropy, background-subtracted pooling", loss=cross_entropy, pooling=fixed_sum(196)
    ),
    "background-alpha-1": PriceMethod(
        "background-subtracted pooling, CAM-loss at alpha 1", alpha=1.0, pooling=fixed_sum(196)
    ),
    "canvas-background-alpha-1": PriceMethod(
        "larger canvases, background-subtracted pooling, CAM-loss at alpha 1",
        alpha=1.0,
        extra=canvas_term(1.0),
        pooling=fixed_sum(196),
    ),
    "canvas-virtual-alpha-1": PriceMethod(
        "larger and virtual canvases, CAM-loss at alpha 1",
        alpha=1.0,
        loss=lambda alpha: VirtualCanvasLoss(alpha, blocks=BLOCKS),
        extra=canvas_term(1.0),
    ),
    "alpha-3-to-0": PriceMethod("CAM-loss at alpha 3, at 0 in the last two epochs", alpha_at=until(3.0, 8)),
    "alpha-10-to-1": PriceMethod("CAM-loss at alpha 10, at 1 in the last two epochs", alpha_at=until(10.0, 8, 1.0)),
    "alpha-5": PriceMethod("CAM-loss at alpha 5", alpha=5.0),
    "stop-grad-caam": PriceMethod(
        "CAM-loss at alpha 3, stop-gradient on the CAAM", alpha=3.0, loss=LOSSES["stop-grad-caam"].make
    ),
    "alpha-3-average": PriceMethod("CAM-loss at alpha 3, averaged weights", alpha=3.0, average=0.998),
    "alpha-3-smoothing": PriceMethod("CAM-loss at alpha 3, label smoothing", alpha=3.0, loss=smoothed),
    "area-floor": PriceMethod(
        "CAM-loss at alpha 3 with a floor under the CAAM's area", alpha=3.0, loss=lambda a: TermLoss(a, area_floor)
    ),
    "gem": PriceMethod("cross-entropy, generalized-mean pooling", loss=cross_entropy, pooling=generalized_mean(3.0)),
    # from here on the second round, after the first had been seen on validation data
    "virtual-clutter-alpha-5": on_virtual_canvas(5.0, BLOCKS, "virtual canvases with fragments, CAM-loss at alpha 5"),
    "virtual-clutter-alpha-10": on_virtual_canvas(
        10.0, BLOCKS, "virtual canvases with fragments, CAM-loss at alpha 10"
    ),
    "virtual-canvas-alpha-10": on_virtual_canvas(10.0, 0, "virtual canvases, CAM-loss at alpha 10"),
    **{
        f"canvas-{name}-virtual-alpha-{alpha:g}": on_virtual_canvas(
            alpha, BLOCKS, f"virtual canvases, larger ones with weight {weight:g}, CAM-loss at alpha {alpha:g}", weight
        )
        for name, weight in (("weak", 0.1), ("faint", 0.03))
        for alpha in (1.0, 3.0, 10.0)
    },
}


def method_of(variant: str, alpha: float) -> str:
    """What a variant of the default recipe would be called here, `alpha` being that of its last epoch; not all are."""
    names = {BASELINE: BASELINE, "virtual-canvas": f"virtual-clutter-alpha-{alpha:g}"}
    return names.get(variant, f"alpha-{alpha:g}")
