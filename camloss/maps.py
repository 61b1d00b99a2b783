"""Class activation maps as pure tensor functions.

Shapes: N images, C feature channels, K classes, an H x W map of features. Features may lie in memory in any layout,
`torch.channels_last` too, and be half precision, under autocast or not: sums over channels are taken, and maps
returned, in float32 (in float64 where the features are float64).

    >>> features = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]])  # (1, 2, 2, 2)
    >>> weight = torch.tensor([[1.0, -1.0], [0.0, 3.0]])  # two classes
    >>> cam(features, weight, torch.tensor([1]))
    tensor([[[0., 0.],
             [0., 6.]]])
    >>> caam(features)
    tensor([[[1., 0.],
             [0., 2.]]])
"""

import torch
from torch import Tensor

from camloss.errors import CamlossError


def cam(features: Tensor, weight: Tensor, class_idx: Tensor) -> Tensor:
    """Class activation map: where in the image the evidence for one class lies.

    `CAM_k(h, w) = sum_c weight[k, c] * features[c, h, w]` (Zhou et al., CVPR 2016, equation 2; Wang et al.,
    ICCV 2021, equation 2). With global average pooling, its mean plus the bias is the logit of class k.

    Args:
        features: (N, C, H, W), what the head pools.
        weight: (K, C), the weight of the linear head, or (K, C, 1, 1), that of a 1x1 convolution.
        class_idx: (N,) of any integer type, one class per image, each in [0, K).

    Returns:
        (N, H, W), in units of the logits; unbounded, negative where there is evidence against the class.
    """
    class_weight = weight[class_idx.long()].flatten(1)  # (N, C)
    return weighted_maps(features, class_weight.unsqueeze(2).to(full_precision(features))).squeeze(1)


def contrastive_cam(features: Tensor, weight: Tensor, class_idx: Tensor, other_idx: Tensor) -> Tensor:
    """Evidence for one class *rather than* another: the CAM of the difference of their weights.

    Its mean is the difference of the two logits, less the difference of the biases, under average pooling.

    Args:
        features: (N, C, H, W).
        weight: (K, C).
        class_idx: (N,) int64, the class asked for.
        other_idx: (N,) int64, the class to contrast it with.

    Returns:
        (N, H, W): positive where there is evidence for `class_idx`, negative where there is evidence for `other_idx`.
    """
    weight = weight.flatten(1).to(full_precision(features))
    return weighted_maps(features, (weight[class_idx.long()] - weight[other_idx.long()]).unsqueeze(2)).squeeze(1)


def caam(features: Tensor) -> Tensor:
    """Class-agnostic activation map: `sum_c features[c, h, w]` (Wang et al., ICCV 2021, equation 3).

    Args:
        features: (N, C, H, W).

    Returns:
        (N, H, W): everything the backbone reacts to, whatever the class.
    """
    return features.sum(dim=1, dtype=full_precision(features))


def min_max_normalize(maps: Tensor) -> Tensor:
    """Min-max normalise each map to [0, 1]: `(map - min) / (max - min)` (Wang et al., ICCV 2021, equation 4).

    Works on a copy and is differentiable, through the minimum and maximum too. A map that is constant (up to the
    resolution of its dtype) becomes zeros, and its gradient stays finite.

    Args:
        maps: (..., H, W), floating point, with at least two cells.

    Returns:
        The same shape and dtype, in [0, 1].

    Raises:
        CamlossError: the maps are 1x1, so that there are no positions to compare.
    """
    height, width = maps.shape[-2:]
    if height * width < 2:
        raise CamlossError(
            f"a {height}x{width} map has no positions to compare: the network shrinks its input too far; "
            "give it a larger image or a stem with less stride"
        )
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    span = high - low
    number = torch.finfo(maps.dtype)
    largest = torch.maximum(high.detach(), -low.detach())  # of the absolute values
    resolution = (largest * number.eps).clamp_min(number.tiny)
    return (maps - low) / span.masked_fill(~(span > resolution), 1)


def full_precision(tensor: Tensor) -> torch.dtype:
    """The dtype to sum a tensor in: its own, or float32 where its own is half precision."""
    return torch.promote_types(tensor.dtype, torch.float32)


def weighted_maps(features: Tensor, channel_weights: Tensor) -> Tensor:
    """M weighted sums over the channels of each image, in one pass over the features.

    Written as a product over the last dimension, so that features in channels_last get their gradient in that layout.

    Args:
        features: (N, C, H, W).
        channel_weights: (N, C, M), each image's own; their dtype is that of the products and of the result.

    Returns:
        (N, M, H, W).
    """
    cells = features.permute(0, 2, 3, 1)  # (N, H, W, C)
    with torch.autocast(features.device.type, enabled=False):  # it would round the product to half precision
        maps = cells.flatten(1, 2).to(channel_weights.dtype) @ channel_weights  # (N, H * W, M)
    return maps.transpose(1, 2).reshape(*channel_weights.shape[::2], *cells.shape[1:3])
