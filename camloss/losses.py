"""CAM-loss (Wang et al., ICCV 2021, arXiv 2109.01359)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camloss.errors import CamlossError
from camloss.maps import full_precision, min_max_normalize, weighted_maps


class LossTerms(NamedTuple):
    """The parts of one loss, each a scalar tensor: `total = ce + alpha * cam`."""

    total: Tensor
    ce: Tensor
    cam: Tensor


def cam_distance(features: Tensor, weight: Tensor, class_idx: Tensor) -> Tensor:
    """How far each image's CAM is from its CAAM: the mean absolute difference of the two normalised maps.

    Args:
        features: (N, C, H, W), in any layout and floating point type. Sums over the channels of bfloat16 features are
            rounded to bfloat16 once: a float32 copy of the features would cost one training step in fourteen.
        weight: (K, C).
        class_idx: (N,) int64.

    Returns:
        (N,), float32 (float64 where the features are), in [0, 1]: 0 where the backbone reacts exactly where the class
        has its evidence.
    """
    exact = full_precision(features)
    number = torch.bfloat16 if features.dtype == torch.bfloat16 else exact  # a sum of float16 may be past its range
    class_weight = weight[class_idx].to(number)  # (N, C)
    both = torch.stack([class_weight, torch.ones_like(class_weight)], dim=2)  # CAAM is the CAM of a weight of ones
    maps = weighted_maps(features, both).to(exact)  # (N, 2, H, W)
    class_map, agnostic_map = min_max_normalize(maps).unbind(1)
    return (agnostic_map - class_map).abs().mean(dim=(-2, -1))


class CAMLoss(nn.Module):
    """Cross-entropy plus the distance of what the backbone sees from what the class needs.

    `L = L_ce + alpha * L_cam`, `L_cam = mean |norm(CAAM) - norm(CAM_target)|` (Wang et al., ICCV 2021, equations
    4 to 6). The head's weight is detached inside the CAM, so that the head learns from `L_ce` alone and the backbone
    from both: the paper's Algorithm 1 in one backward pass.

    Works with any CNN whose head is one linear layer on globally pooled features:

        >>> features = torch.rand(8, 16, 7, 7, requires_grad=True)
        >>> head = nn.Linear(16, 10)
        >>> targets = torch.randint(10, (8,))
        >>> terms = CAMLoss(alpha=1.0)(head(features.mean((-2, -1))), features, head.weight, targets)
        >>> terms.total.backward()

    Args:
        alpha: weight of `L_cam`, finite and at least 0. At 0 the loss is plain cross-entropy; `L_cam` is then
            measured without a gradient.

    Raises:
        CamlossError: alpha is negative, infinite or not a number.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        if not (math.isfinite(alpha) and alpha >= 0):
            raise CamlossError(f"alpha is {alpha}; expected a finite number of at least 0, such as 1.0")
        self.alpha = alpha

    def forward(self, logits: Tensor, features: Tensor, weight: Tensor, targets: Tensor) -> LossTerms:
        """Args: logits (N, K), features (N, C, H, W), weight (K, C), targets (N,) int64."""
        ce = F.cross_entropy(logits.float(), targets)
        if self.alpha == 0:
            features = features.detach()
        distance = cam_distance(features, weight.detach(), targets).mean()
        return LossTerms(ce + self.alpha * distance, ce, distance)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"
