"""Training methods that CAM-loss has to be compared with: what else could give the same result, one entry each.

A method is cross-entropy plus `alpha` times one term of the features, the head's weight and the labels; at most the
pooling or the images differ besides. The alpha start epoch is that of the pair: before it, methods that share pooling
and images train the same network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.corruptions import among_clutter
from camloss.losses import CAMLoss, LossTerms, cam_distance
from camloss.maps import caam, cam, min_max_normalize
from camloss.models import Pooling

Term = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From features (N, C, H, W), weight (K, C) and targets (N,) to the scalar that is learnt beside cross-entropy."""
MapOf = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the same to one map an image: (N, H, W)."""


class TermLoss(CAMLoss):
    """`L = L_ce + alpha * term`; the head's weight is not detached for the term, which may do so itself.

    Args:
        alpha: as in `CAMLoss`.
        term: what takes the place of `L_cam`.
    """

    def __init__(self, alpha: float, term: Term) -> None:
        super().__init__(alpha)
        self.term = term

    def forward(self, logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        ce = F.cross_entropy(logits.float(), targets)
        if self.alpha == 0:
            features, weight = features.detach(), weight.detach()
        term = self.term(features, weight, targets)
        return LossTerms(ce + self.alpha * term, ce, term)


def true_cam(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The CAM of the label, the head's weight detached as in CAM-loss."""
    return cam(features, weight.detach(), targets)


def any_caam(features: Tensor, _weight: Tensor, _targets: Tensor) -> Tensor:
    return caam(features)


def area_of(map_of: MapOf) -> Term:
    """The mean of the normalised map: small where the map is small, wherever it lies."""
    return lambda features, weight, targets: min_max_normalize(map_of(features, weight, targets)).mean()


def wrong_class(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss with the CAM of a wrong class: which one, an image's place in the (shuffled) batch decides."""
    num_classes = len(weight)
    steps = 1 + torch.arange(len(targets), device=targets.device) % (num_classes - 1)
    return cam_distance(features, weight.detach(), (targets + steps) % num_classes).mean()


def random_weight(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss with fixed random numbers in (0, 1), ever the same, in place of the head's weight."""
    fixed = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0))
    return cam_distance(features, fixed.to(weight.device), targets).mean()


def other_image(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss with the CAM of the next image in the batch, for that image's label."""
    return _apart(true_cam(features, weight, targets).roll(1, 0), caam(features))


def stop_grad_cam(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss whose gradient flows through the CAAM alone."""
    return _apart(true_cam(features.detach(), weight, targets), caam(features))


def stop_grad_caam(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss whose gradient flows through the CAM alone."""
    return _apart(true_cam(features, weight, targets), caam(features.detach()))


def no_head_detach(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """CAM-loss whose gradient reaches the head too."""
    return cam_distance(features, weight, targets).mean()


def correlation(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """1 - the correlation of CAM and CAAM over the cells, in [0, 2]: a distance that no map's size decides."""
    one, other = (
        F.normalize(maps.flatten(1) - maps.mean((-2, -1))[:, None], dim=1)
        for maps in (true_cam(features, weight, targets), caam(features))
    )
    return 1 - (one * other).sum(1).mean()


def softmax(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Half the L1 distance of CAM and CAAM, each a softmax over its cells, in [0, 1]."""
    one, other = (maps.flatten(1).softmax(1) for maps in (true_cam(features, weight, targets), caam(features)))
    return (one - other).abs().sum(1).mean() / 2


def feature_size(features: Tensor, _weight: Tensor, _targets: Tensor) -> Tensor:
    """The mean absolute feature."""
    return features.float().abs().mean()


def put_among_clutter(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch (B, 1, 28, 28) in [0, 1] as (B, 1, 40, 40): each image among eight clutter of the others."""
    (number,) = torch.randint(2**31, (1,), generator=generator, device=images.device).tolist()
    grey = (images * 255).round().to(torch.uint8).cpu()
    return among_clutter(grey, number + torch.arange(len(grey)), grey, side=40).to(images) / 255


def _apart(class_map: Tensor, agnostic_map: Tensor) -> Tensor:
    return (min_max_normalize(agnostic_map) - min_max_normalize(class_map)).abs().mean()


Kind = Literal["baseline", "alpha sweep", "control", "ablation", "reference"]


@dataclass(frozen=True)
class Method:
    """One training method."""

    loss: Callable[[float], CAMLoss]
    """From the alpha of an epoch to what is learnt in it."""
    title: str = ""
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
    pooling: Pooling | None = None
    """In place of the network's own."""
    vary: Callable[[Tensor, torch.Generator], Tensor] | None = None
    """Changes the images of a batch, when they have been augmented."""

    @property
    def training(self) -> dict[str, Any]:
        """What `camloss.training.loop.train` takes of it."""
        return {"loss": self.loss, "pooling": self.pooling, "vary": self.vary}


def alpha_sweep(alpha: float, early: bool = False) -> Method:
    return Method(CAMLoss, f"CAM-loss at alpha {alpha:g}", "alpha sweep", alpha, seeds=5, early=early)


def of_term(term: Term, title: str, kind: Kind = "control") -> Method:
    return Method(lambda alpha: TermLoss(alpha, term), title, kind)


def of_area(map_of: MapOf, title: str) -> Method:
    term = area_of(map_of)
    return Method(lambda alpha: TermLoss(alpha, term), title, alpha=1.0, seeds=5, early=True, matched=map_of)


def cross_entropy(_alpha: float) -> CAMLoss:
    return CAMLoss(0.0)


BASELINE = "ce"
MATCHED_TO = "alpha-3"  # whose area the matched controls have
METHODS: dict[str, Method] = {  # in the order of their worth
    BASELINE: Method(cross_entropy, "cross-entropy", "baseline", alpha=0.0, seeds=5, early=True),
    MATCHED_TO: alpha_sweep(3.0, early=True),
    "alpha-0.1": alpha_sweep(0.1),
    "alpha-0.3": alpha_sweep(0.3),
    "alpha-1": alpha_sweep(1.0),
    "alpha-10": alpha_sweep(10.0, early=True),
    "alpha-30": alpha_sweep(30.0),
    "small-caam": of_area(any_caam, "a small CAAM"),
    "small-cam": of_area(true_cam, "a small CAM"),
    "wrong-class": of_term(wrong_class, "CAM of a wrong class"),
    "max-pooling": Method(cross_entropy, "cross-entropy, max pooling", alpha=0.0, pooling="max"),
    "ce-among-clutter": Method(
        cross_entropy, "cross-entropy, trained among clutter", "reference", alpha=0.0, vary=put_among_clutter
    ),
    "stop-grad-cam": of_term(stop_grad_cam, "stop-gradient on the CAM", "ablation"),
    "stop-grad-caam": of_term(stop_grad_caam, "stop-gradient on the CAAM", "ablation"),
    "random-weight": of_term(random_weight, "random weights in place of the class's"),
    "other-image": of_term(other_image, "CAM of another image"),
    "small-features": of_term(feature_size, "small features"),
    "no-head-detach": of_term(no_head_detach, "no detach of the head", "ablation"),
    "correlation": of_term(correlation, "correlation as the distance", "ablation"),
    "softmax": of_term(softmax, "maps normalised by softmax", "ablation"),
}
