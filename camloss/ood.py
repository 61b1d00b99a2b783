"""OODScore: whether an image is out of the distribution that a network was trained on, from what it computes anyway.

The sum of two measures, each standardised over in-distribution images:

- the energy `-log sum_k exp(logit_k)` (Liu et al., NeurIPS 2020): high where there is little evidence for any class;
- the Mahalanobis distance of averaged features to the nearest class (Lee et al., NeurIPS 2018): high where the features
  are unlike those of every class. They are intermediate features: CAM-loss makes the last ones nearly of rank one.

Either misses what the other finds: noise has a low energy, a scribble lies near some class.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from camloss.errors import CamlossError

DISTANCE_SHARE = 0.5  # weight of the distance; that of the energy is 1
SHRINKAGE = 0.05  # of the covariance towards its diagonal
TYPICAL = 0.01  # the score of the median image of those it was fitted on; 0.5 is the threshold


class OODScore(nn.Module):
    """From logits and features to an OOD score in [0, 1]; at 0.5 or more the image may show none of the classes.

    Its numbers are buffers, saved and loaded with the model that they belong to. They move to the model's device, and
    to its dtype unless that is half precision: float16 holds neither the inverse covariance nor the distances.

    Args:
        channels: C, of the features in the middle.
        num_classes: K.
    """

    directions: Tensor
    """(C, C): features times this have the identity as their covariance within a class."""
    means: Tensor
    """(K, C), the mean of each class, in those directions."""
    spread: Tensor
    """(2, 2): mean and standard deviation of the energy, and of the distance."""
    scale: Tensor
    """(2,): the raw score at which the OOD score is 0.5, and by how much it has to rise for e times the odds."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        identity = torch.zeros(channels, channels).fill_diagonal_(1)  # eye, on the meta device, imports 1 s of torch
        self.register_buffer("directions", identity)
        self.register_buffer("means", torch.zeros(num_classes, channels))
        self.register_buffer("spread", torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        self.register_buffer("scale", torch.tensor([0.0, 1.0]))

    @classmethod
    @torch.no_grad()
    def fit(cls, logits: Tensor, features: Tensor, targets: Tensor, known: Tensor, threshold: float) -> "OODScore":
        """Fit means, covariance and threshold.

        Args:
            logits: (N, K).
            features: (N, C), averaged over their positions.
            targets: (N,) int64, the true classes; each of the K at least once.
            known: (N,) bool, those of the images on which the threshold is set.
            threshold: the share of them that is to score 0.5 or more, in (0, 0.5).

        Raises:
            CamlossError: a class has no image.
        """
        num_classes = logits.shape[1]
        if len(targets.unique()) < num_classes:
            raise CamlossError(f"ood_score is fitted on images of every class; of {num_classes} some have none")
        ood_score = cls(features.shape[1], num_classes).to(features.device)
        wide = features.double()
        means = torch.stack([wide[targets == k].mean(0) for k in range(num_classes)])  # (K, C)
        within = wide - means[targets]
        covariance = within.T @ within / len(within)
        variances = covariance.diagonal()
        covariance = torch.lerp(covariance, torch.diag(variances), SHRINKAGE)
        floor = 1e-3 * variances.mean().clamp_min(1e-12)  # dead channels have no variance
        covariance.diagonal().add_(floor)
        ood_score.directions.copy_(torch.linalg.inv(torch.linalg.cholesky(covariance)).T)
        ood_score.means.copy_(means @ ood_score.directions.double())
        for row, sign in enumerate(ood_score._signs(logits, features)):
            ood_score.spread[row] = torch.stack([sign.mean(), sign.std().clamp_min(1e-6)])
        scores = ood_score.score(logits, features)[known]
        limit, middle = scores.quantile(1 - threshold), scores.median()
        odds = torch.tensor(TYPICAL).logit().neg()
        ood_score.scale.copy_(torch.stack([limit, ((limit - middle) / odds).clamp_min(1e-6)]))
        return ood_score

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Args: logits (N, K), features (N, C, H, W). Returns (N,) in [0, 1]."""
        limit, step = self.scale
        score = self.score(logits, features.to(self.scale.dtype).mean((-2, -1)))
        return torch.sigmoid((score - limit) / step)

    def score(self, logits: Tensor, features: Tensor) -> Tensor:
        """Args: logits (N, K), averaged features (N, C). Returns (N,), unbounded: higher is further off."""
        signs = torch.stack(self._signs(logits, features))  # (2, N)
        energy, distance = (signs - self.spread[:, :1]) / self.spread[:, 1:]
        score: Tensor = energy + DISTANCE_SHARE * distance
        return score

    def _signs(self, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        exact = self.directions.dtype
        with torch.autocast(features.device.type, enabled=False):  # it would round the product to half precision
            projected = features.to(exact) @ self.directions  # (N, C)
        away = projected[:, None] - self.means  # (N, K, C)
        return -logits.to(exact).logsumexp(1), away.square().sum(-1).amin(1).sqrt()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "OODScore":
        def at_least_float32(buffer: Tensor) -> Tensor:
            moved = fn(buffer)
            return moved if moved.dtype.itemsize >= 4 else buffer.to(moved.device)

        super()._apply(at_least_float32, recurse)  # type: ignore[no-untyped-call]
        return self
