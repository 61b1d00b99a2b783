"""Boxes of maps, and how well maps point into boxes: localisation with boxes as the ground truth.

A box is (x_min, y_min, x_max, y_max) in pixels, both ends included. `top_precision` and `peak_inside` of
`camloss.metrics` measure against `box_masks`; here is what needs a box of the map itself.

>>> maps = torch.tensor([[[0.0, 0.0, 0.0, 0.9], [0.7, 1.0, 0.0, 0.0], [0.6, 0.0, 0.0, 0.0]]])
>>> boxes_from(maps, 0.5)
[tensor([[0, 1, 1, 2],
        [3, 0, 3, 0]])]
>>> box_accuracy(maps, torch.tensor([[0, 1, 1, 1]]), [0.5, 0.65], iou=0.9)
tensor([0., 1.])
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.errors import CamlossError
from camloss.maps import min_max_normalize

LARGEST = 2**24  # more pixels than that float32 cannot number one by one


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The pixels of one box an image.

    Args:
        boxes: (N, 4), x_min, y_min, x_max, y_max, both ends included.
        size: (H0, W0) of the images.

    Returns:
        (N, H0, W0) bool.
    """
    rows, columns = (torch.arange(side, device=boxes.device) for side in size)
    x_min, y_min, x_max, y_max = boxes[:, :, None].unbind(1)  # each (N, 1)
    inside_rows = (rows >= y_min) & (rows <= y_max)
    inside_columns = (columns >= x_min) & (columns <= x_max)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


def boxes_from(maps: Tensor, threshold: float, size: tuple[int, int] | None = None) -> list[Tensor]:
    """The boxes of a map: one around each connected region at or above the threshold.

    Args:
        maps: (N, H, W) or (H, W); min-max normalised first, so that the threshold is a share of their range.
        threshold: in [0, 1].
        size: (H0, W0) of the images; the maps are upsampled to it bilinearly. By default boxes are in cells of the map.

    Returns:
        An image: (M, 4) int64, the box of the region with the most pixels first, both ends included. Pixels that touch
        by a corner are of one region. A constant map has one box, of everything, at threshold 0 and none above.

    Raises:
        CamlossError: the threshold is outside [0, 1], or the maps are 1x1.
    """
    if not 0 <= threshold <= 1:
        raise CamlossError(f"the threshold is {threshold}; expected a share of the map's range, from 0 to 1")
    heat = _heat(maps, size)
    image, boxes = _regions(heat >= threshold)
    return list(boxes.split(image.bincount(minlength=len(heat)).tolist()))


def box_accuracy(
    maps: Tensor, boxes: Tensor | Sequence[Tensor], thresholds: Sequence[float], iou: float = 0.5
) -> Tensor:
    """How often the box of a map's largest region meets a true box, by threshold.

    MaxBoxAcc (Choe et al., CVPR 2020, arXiv 2001.07437) is the largest of these numbers. Which threshold reaches it is
    a choice: take it on validation images, `thresholds[accuracy.argmax()]`, and report the accuracy at that threshold
    on others.

    Args:
        maps: (N, H, W), at the size of the images that the boxes are of.
        boxes: (N, 4), or one (M, 4) an image, of which the best counts.
        thresholds: (T) shares of the range of each map, in [0, 1].
        iou: the intersection over union that counts as found, in (0, 1].

    Returns:
        (T,) float32, in [0, 1].
    """
    heat = _heat(maps, None)
    true_boxes = [true.reshape(-1, 4).to(heat.device) for true in boxes]
    if len(true_boxes) != len(heat):
        raise CamlossError(f"there are boxes of {len(true_boxes)} images and {len(heat)} maps; expected as many")
    of_image = torch.arange(len(heat), device=heat.device).repeat_interleave(
        torch.tensor([len(true) for true in true_boxes], device=heat.device)
    )
    every = torch.cat(true_boxes)  # (B, 4)
    accuracy = []
    for threshold in thresholds:
        image, found = _regions(heat >= threshold)
        largest = found.new_full((len(heat), 4), -1)  # where nothing reaches the threshold, a box that meets none
        is_first = torch.cat([image.new_ones(1), image.diff()]).bool()[: len(image)]
        largest[image[is_first]] = found[is_first]
        hit = torch.zeros(len(heat), dtype=torch.bool, device=heat.device)
        hit[of_image[_iou(largest[of_image], every) >= iou]] = True
        accuracy.append(hit.float().mean())
    return torch.stack(accuracy)


def _heat(maps: Tensor, size: tuple[int, int] | None) -> Tensor:
    """(N, H0, W0), min-max normalised."""
    maps = maps[None] if maps.dim() == 2 else maps
    if size is not None:
        maps = F.interpolate(maps[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
    return min_max_normalize(maps)


def _regions(masks: Tensor) -> tuple[Tensor, Tensor]:
    """(N, H, W) bool -> the image (R,) and the box (R, 4) of every connected region, image by image, largest first."""
    labels = _labels(masks)
    image, row, column = masks.nonzero(as_tuple=True)
    names, region, sizes = (image * LARGEST + labels[masks]).unique(return_inverse=True, return_counts=True)
    corners = []
    for places, reduce in ((column, "amin"), (row, "amin"), (column, "amax"), (row, "amax")):
        start = places.new_zeros(len(names))
        corners.append(start.scatter_reduce(0, region, places, reduce, include_self=False))
    image = names // LARGEST
    by_size = sizes.argsort(descending=True, stable=True)
    order = by_size[image[by_size].argsort(stable=True)]
    return image[order], torch.stack(corners, dim=1)[order]


def _labels(masks: Tensor) -> Tensor:
    """(N, H, W) bool -> (N, H, W) int64: one number for each region of pixels that touch, 0 elsewhere.

    A pixel's label is the number of a pixel of its region. Where two labels touch, the larger one is handed to the
    pixel that has the smaller number, and from there to all who named it: a few rounds do for any shape.
    """
    count, height, width = masks.shape
    if height * width >= LARGEST:
        raise CamlossError(f"maps of {height}x{width} are too large; expected fewer than {LARGEST:,} pixels")
    numbers = torch.arange(1, height * width + 1, device=masks.device).view(1, height, width)
    labels = numbers * masks
    while True:
        around = F.max_pool2d(labels[:, None].float(), 3, stride=1, padding=1)[:, 0].long() * masks
        named = torch.cat([around.new_zeros(count, 1), around.flatten(1)], dim=1)  # by number, 0 being no pixel
        named.scatter_reduce_(1, labels.flatten(1), around.flatten(1), "amax")
        for _ in range(2):
            named = named.gather(1, named)
        if torch.equal(named[:, 1:].view_as(labels), labels):
            return labels
        labels = named[:, 1:].view_as(labels)


def _iou(ones: Tensor, others: Tensor) -> Tensor:
    """(B, 4) and (B, 4) -> (B,)."""
    low, high = torch.maximum(ones[:, :2], others[:, :2]), torch.minimum(ones[:, 2:], others[:, 2:])
    common = (high - low + 1).clamp_min(0).prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(1) for boxes in (ones, others)]
    return common / (areas[0] + areas[1] - common)
