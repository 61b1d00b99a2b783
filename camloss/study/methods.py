"""Training methods that CAM-loss has to be compared with: what else could give the same result, one entry each.

A method is one of `LOSSES`, its alpha, and at most another pooling or other images. The alpha start epoch is that of
the pair: before it, methods that share pooling and images train the same network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from camloss.digits.corruptions import among_clutter
from camloss.losses import BASELINE, LOSSES
from camloss.models import Pooling
from camloss.terms import MapOf, any_caam, true_cam
from camloss.training.step import Mix, Vary


def put_among_clutter(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch (B, 1, 28, 28) in [0, 1] as (B, 1, 40, 40): each image among eight fragments of the others."""
    (number,) = torch.randint(2**31, (1,), generator=generator, device=images.device).tolist()
    grey = (images * 255).round().to(torch.uint8).cpu()
    return among_clutter(grey, number + torch.arange(len(grey)), grey, side=40).to(images) / 255


Kind = Literal["baseline", "alpha sweep", "control", "ablation", "reference"]


@dataclass(frozen=True)
class Method:
    """One training method."""

    loss: str
    """One of `LOSSES`."""
    title: str
    kind: Kind = "control"
    """`alpha sweep`: CAM-loss at one alpha; `control`: knows nothing of where the evidence for the class is;
    `ablation`: CAM-loss with one part changed; `reference`: trained on what the others are only
    measured on."""
    alpha: float = 3.0
    seeds: int = 3
    early: bool = False
    """Whether all its seeds come before the second seed of the others: the claims depend on it."""
    matched: MapOf | None = None
    """The map whose area is that of CAM-loss's at the strength to find; `alpha` is where the search starts."""
    pooling: Pooling | Callable[[Tensor], Tensor] | None = None
    """In place of the network's own; or a function (N, C, H, W) -> (N, C)."""
    vary: Vary | None = None
    """Changes the images of a batch, when they have been augmented."""
    mix: Mix | None = None
    """Mixes images and labels of a batch."""

    @property
    def training(self) -> dict[str, Any]:
        """What `camloss.training.loop.train` takes of it."""
        return {"loss": LOSSES[self.loss].make, "pooling": self.pooling, "vary": self.vary, "mix": self.mix}


def alpha_sweep(alpha: float, early: bool = False) -> Method:
    return Method("cam", f"CAM-loss at alpha {alpha:g}", "alpha sweep", alpha, seeds=5, early=early)


def of_loss(loss: str, kind: Kind = "control") -> Method:
    return Method(loss, in_a_sentence(LOSSES[loss].title), kind)


def of_area(loss: str, map_of: MapOf) -> Method:
    return Method(loss, in_a_sentence(LOSSES[loss].title), alpha=1.0, seeds=5, early=True, matched=map_of)


def in_a_sentence(title: str) -> str:
    """ "Small features" -> "small features", but "CAM of another image" as it is."""
    return title if title[1].isupper() else title[0].lower() + title[1:]


MATCHED_TO = "alpha-3"  # whose area the matched controls have
METHODS: dict[str, Method] = {  # in the order of their worth
    BASELINE: Method(BASELINE, "cross-entropy", "baseline", alpha=0.0, seeds=5, early=True),
    MATCHED_TO: alpha_sweep(3.0, early=True),
    "alpha-0.1": alpha_sweep(0.1),
    "alpha-0.3": alpha_sweep(0.3),
    "alpha-1": alpha_sweep(1.0),
    "alpha-10": alpha_sweep(10.0, early=True),
    "alpha-30": alpha_sweep(30.0),
    "small-caam": of_area("small-caam", any_caam),
    "small-cam": of_area("small-cam", true_cam),
    "wrong-class": of_loss("wrong-class"),
    "max-pooling": Method(BASELINE, "cross-entropy, max pooling", alpha=0.0, pooling="max"),
    "ce-among-clutter": Method(
        BASELINE, "cross-entropy, trained among clutter", "reference", alpha=0.0, vary=put_among_clutter
    ),
    "stop-grad-cam": of_loss("stop-grad-cam", "ablation"),
    "stop-grad-caam": of_loss("stop-grad-caam", "ablation"),
    "random-weight": of_loss("random-weight"),
    "other-image": of_loss("other-image"),
    "small-features": of_loss("small-features"),
    "no-head-detach": of_loss("no-head-detach", "ablation"),
    "correlation": of_loss("correlation", "ablation"),
    "softmax": of_loss("softmax", "ablation"),
}
