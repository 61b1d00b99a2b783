"""What may be learnt beside cross-entropy: CAM-loss's distance, and what it has to be compared with.

A control knows nothing of where the evidence for the class is; an ablation is CAM-loss with one part changed.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.maps import caam, cam, full_precision, min_max_normalize, weighted_maps

Term = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From features (N, C, H, W), weight (K, C) and targets (N,) to the scalar that is learnt beside cross-entropy."""
MapOf = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the same to one map an image: (N, H, W)."""


def cam_distance(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """How far each image's CAM is from its CAAM: the mean absolute difference of the two normalised maps.

    Args:
        features: (N, C, H, W), in any layout and floating point type. Sums over the channels of bfloat16 features are
            rounded to bfloat16 once: a float32 copy of the features would cost one training step in fourteen.
        weight: (K, C).
        targets: (N,) class indices of any integer type, or (N, K) class probabilities: the CAM is linear in the weight
            of its class, so that the map of mixed labels is exactly that of the mixed weights, `targets @ weight`.

    Returns:
        (N,), float32 (float64 where the features are), in [0, 1]: 0 where the backbone reacts exactly where the class
        has its evidence.
    """
    exact = full_precision(features)
    number = torch.bfloat16 if features.dtype == torch.bfloat16 else exact  # a sum of float16 may be past its range
    class_weight = class_weights(weight, targets).to(number)  # (N, C)
    both = torch.stack([class_weight, torch.ones_like(class_weight)], dim=2)  # CAAM is the CAM of a weight of ones
    maps = weighted_maps(features, both).to(exact)  # (N, 2, H, W)
    class_map, agnostic_map = min_max_normalize(maps).unbind(1)
    return (agnostic_map - class_map).abs().mean(dim=(-2, -1))


def class_weights(weight: Tensor, targets: Tensor) -> Tensor:
    """(K, C) or (K, C, 1, 1), and (N,) indices or (N, K) probabilities -> (N, C)."""
    weight = weight.flatten(1)
    if targets.dim() == 1:
        return weight[targets.long()]
    with torch.autocast(weight.device.type, enabled=False):  # it would round the labels to half precision
        wide = full_precision(weight)
        return targets.to(wide) @ weight.to(wide)


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
    return cam_distance(features, _fixed_weight(weight.shape, weight.device), targets).mean()


@functools.cache  # a step that a GPU records can copy nothing from the CPU
def _fixed_weight(shape: torch.Size, device: torch.device) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)


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


def _apart(class_map: Tensor, agnostic_map: Tensor) -> Tensor:
    return (min_max_normalize(agnostic_map) - min_max_normalize(class_map)).abs().mean()
