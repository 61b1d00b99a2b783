"""OODScore: whether an image is like those that a network has learnt to tell apart, from what it computes anyway.

Two signs, each counted in its own spread over images that the network should know:

- the energy `-log sum_k exp(logit_k)` (Liu et al., NeurIPS 2020): nothing speaks loudly for any class;
- the Mahalanobis distance of averaged features to the nearest class (Lee et al., NeurIPS 2018): what the network sees
  is unlike anything that it saw in that class. The features are those in the middle of the network: CAM-loss makes the
  last ones nearly one pattern.

Either misses what the other finds: noise has no lack of energy, a scribble lies near some class.
"""

import torch
from torch import Tensor, nn

from camloss.errors import CamlossError

DISTANCE_SHARE = 0.5  # of the distance's say beside the energy's
SHRINKAGE = 0.05  # of the covariance towards its diagonal
TYPICAL = 0.01  # the doubt in the median of the images it was fitted on; 0.5 is the threshold


class OODScore(nn.Module):
    """From logits and features to a doubt in [0, 1]; 0.5 and more says "this may be none of the classes".

    Its numbers are buffers, so that they are saved and loaded with the model that they belong to.

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
    """(2,): the score at which doubt is 0.5, and the step in it that takes the odds by e."""

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
        """Learn what is usual.

        Args:
            logits: (N, K).
            features: (N, C), averaged over their places.
            targets: (N,) int64, the true classes; each of the K at least once.
            known: (N,) bool, those of the images on which the threshold is set.
            threshold: the share of them that are to be doubted, in (0, 0.5).

        Raises:
            CamlossError: a class has no image.
        """
        num_classes = logits.shape[1]
        if len(targets.unique()) < num_classes:
            raise CamlossError(f"ood_score is fitted on images of every class; of {num_classes} some have none")
        ood_score = cls(features.shape[1], num_classes)
        wide = features.double()
        means = torch.stack([wide[targets == k].mean(0) for k in range(num_classes)])  # (K, C)
        within = wide - means[targets]
        covariance = within.T @ within / len(within)
        variances = covariance.diagonal()
        covariance = torch.lerp(covariance, torch.diag(variances), SHRINKAGE)
        covariance += 1e-3 * variances.mean().clamp_min(1e-12) * torch.eye(len(variances))  # dead channels have none
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
        score = self.score(logits, features.float().mean((-2, -1)))
        return torch.sigmoid((score - limit) / step)

    def score(self, logits: Tensor, features: Tensor) -> Tensor:
        """Args: logits (N, K), averaged features (N, C). Returns (N,), unbounded: the higher, the stranger."""
        signs = torch.stack(self._signs(logits, features))  # (2, N)
        shares = torch.tensor([1.0, DISTANCE_SHARE])
        return shares @ ((signs - self.spread[:, :1]) / self.spread[:, 1:])

    def _signs(self, logits: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        away = (features.float() @ self.directions)[:, None] - self.means  # (N, K, C)
        return -logits.float().logsumexp(1), away.square().sum(-1).amin(1).sqrt()
