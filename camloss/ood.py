"""OODScore: whether an image is out of the distribution that a network was trained on, from what it computes anyway.

Logistic regression that tells images of the classes from images of none (outlier exposure, Hendrycks et al., ICLR
2019), on three kinds of numbers of a trained network, which stays as it is:

- intermediate features, averaged over their positions: CAM-loss makes the last ones nearly of rank one;
- the logits;
- their energy `-log sum_k exp(logit_k)` (Liu et al., NeurIPS 2020): high where there is little evidence for any class.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.errors import CamlossError

RIDGE = 0.01  # how much the squares of the weights of standardised inputs count
STEPS = 150
TYPICAL = 0.01  # the score of the median image of those that set the threshold; 0.5 is the threshold


class OODScore(nn.Module):
    """From logits and features to an OOD score in [0, 1]; at 0.5 or more the image may show none of the classes.

    `sigmoid(weight . [features, logits, energy] + bias)`. Its numbers are buffers, saved and loaded with the model that
    they belong to. They move to the model's device, and to its dtype unless that is half precision.

    Args:
        channels: C, of the features in the middle.
        num_classes: K.
    """

    weight: Tensor
    """(C + K + 1,)."""
    bias: Tensor
    """(1,)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(channels + num_classes + 1))
        self.register_buffer("bias", torch.zeros(1))

    @classmethod
    def fit(cls, inside: Tensor, outside: Tensor, known: Tensor, num_classes: int, threshold: float) -> "OODScore":
        """Fit weights and threshold. Both sides count alike, however many images each has.

        Args:
            inside: (N, C + K + 1), `evidence` of images of the classes.
            outside: (M, C + K + 1), of images of none.
            known: (N,) bool, those of the first on which the threshold is set.
            num_classes: K.
            threshold: the share of them that is to score 0.5 or more, in (0, 0.5).

        Raises:
            CamlossError: one side is empty.
        """
        if not (len(inside) and len(outside) and known.any()):
            raise CamlossError("ood_score is fitted on images of the classes and on others; one side has none")
        middle, spread = inside.double().mean(0), inside.double().std(0, correction=0).clamp_min(1e-3)
        weight = _logistic_regression(*((side.double() - middle) / spread for side in (inside, outside))) / spread
        scores = inside[known].double() @ weight
        limit = scores.quantile(1 - threshold)
        scale = torch.tensor(TYPICAL).double().logit() / (scores.median() - limit).clamp_max(-1e-9)
        ood_score = cls(inside.shape[1] - num_classes - 1, num_classes).to(inside.device)
        ood_score.weight.copy_(weight * scale)
        ood_score.bias.copy_(-limit * scale)
        return ood_score

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Args: logits (N, K), features (N, C, H, W). Returns (N,) in [0, 1]."""
        return torch.sigmoid(
            (evidence(logits.to(self.weight), features.to(self.weight)) * self.weight).sum(1) + self.bias
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "OODScore":
        def at_least_float32(buffer: Tensor) -> Tensor:
            moved = fn(buffer)
            return moved if moved.dtype.itemsize >= 4 else buffer.to(moved.device)

        super()._apply(at_least_float32, recurse)  # type: ignore[no-untyped-call]
        return self


def evidence(logits: Tensor, features: Tensor) -> Tensor:
    """(N, K) and (N, C, H, W) -> (N, C + K + 1): averaged features, logits, and their energy."""
    return torch.cat([features.mean((-2, -1)), logits, -logits.logsumexp(1, keepdim=True)], 1)


@torch.enable_grad()
def _logistic_regression(inside: Tensor, outside: Tensor) -> Tensor:
    """(N, D) and (M, D) in float64 -> (D,): higher for those outside."""
    weight = torch.zeros(inside.shape[1] + 1, dtype=inside.dtype, device=inside.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        lost = [
            F.softplus(sign * (side @ weight[:-1] + weight[-1])).mean() for sign, side in ((1, inside), (-1, outside))
        ]
        total = sum(lost) / 2 + RIDGE * weight[:-1].square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return weight.detach()[:-1]
