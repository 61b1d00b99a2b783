"""Boxes of maps by hand, and against a labelling that goes pixel by pixel."""

import pytest
import torch
from torch import Tensor

from camloss import CamlossError, box_accuracy, box_masks, boxes_from, min_max_normalize
from camloss.metrics import peak_inside, top_precision

MAP = torch.tensor(
    [
        [0.0, 0.0, 0.0, 0.0, 0.9],
        [0.0, 0.8, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.6, 0.0, 0.0, 0.7],
    ]
)


def test_one_box_a_region_the_largest_first_corners_touch() -> None:
    (boxes,) = boxes_from(MAP, 0.5)
    assert boxes.tolist() == [[1, 1, 2, 3], [4, 0, 4, 0], [4, 3, 4, 3]]
    (boxes,) = boxes_from(MAP, 0.7)  # a share of the range, reached or passed
    assert boxes.tolist() == [[1, 1, 2, 2], [4, 0, 4, 0], [4, 3, 4, 3]]
    assert [len(boxes) for boxes in boxes_from(torch.stack([MAP, MAP.flip(0)]), 0.85)] == [2, 2]


def test_the_threshold_is_a_share_of_the_range_of_each_map() -> None:
    shifted = torch.stack([MAP, 7 - 3 * (1 - MAP)])
    for one, other in zip(*(boxes_from(maps, 0.65) for maps in shifted), strict=True):
        assert torch.equal(one, other)


def test_a_flat_map_has_one_box_of_everything_or_none() -> None:
    assert [boxes.tolist() for boxes in boxes_from(torch.full((1, 3, 4), 5.0), 0.0)] == [[[0, 0, 3, 2]]]
    assert [boxes.tolist() for boxes in boxes_from(torch.full((1, 3, 4), 5.0), 0.1)] == [[]]


def test_boxes_are_of_the_image_where_its_size_is_given() -> None:
    quadrant = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    (boxes,) = boxes_from(quadrant, 0.5, size=(8, 12))
    ((x_min, y_min, x_max, y_max),) = boxes.tolist()
    assert (x_max, y_max) == (11, 7)
    assert 6 <= x_min <= 8
    assert 4 <= y_min <= 6


def regions_pixel_by_pixel(mask: Tensor) -> set[tuple[int, int, int, int]]:
    left = {(int(y), int(x)) for y, x in mask.nonzero()}
    boxes = set()
    while left:
        region, edge = [], [left.pop()]
        while edge:
            y, x = edge.pop()
            region.append((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            edge.extend(around)
        rows, columns = zip(*region, strict=True)
        boxes.add((min(columns), min(rows), max(columns), max(rows)))
    return boxes


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_regions_are_those_found_pixel_by_pixel(threshold: float) -> None:
    maps = torch.rand(8, 17, 23, generator=torch.Generator().manual_seed(0))
    for boxes, heat in zip(boxes_from(maps, threshold), min_max_normalize(maps), strict=True):
        assert set(map(tuple, boxes.tolist())) == regions_pixel_by_pixel(heat >= threshold)


def test_a_spiral_is_one_region() -> None:
    spiral = torch.zeros(9, 9)
    spiral[0, :] = spiral[:, 8] = spiral[8, 2:] = spiral[2:, 2] = spiral[2, 2:7] = spiral[2:7, 6] = spiral[6, 4:7] = 1
    assert [boxes.tolist() for boxes in boxes_from(spiral, 0.5)] == [[[0, 0, 8, 8]]]


def test_box_accuracy_by_hand() -> None:
    # At 0.5 the largest region is (1, 1, 2, 3), at 0.7 (1, 1, 2, 2); the true box shares all, then two thirds of it.
    true = torch.tensor([[1, 1, 2, 3]])
    assert box_accuracy(MAP[None], true, [0.5, 0.7, 1.0], iou=0.7).tolist() == [1.0, 0.0, 0.0]
    assert box_accuracy(MAP[None], true, [0.5, 0.7, 1.0], iou=0.6).tolist() == [1.0, 1.0, 0.0]
    elsewhere = torch.tensor([[4, 0, 4, 0]])
    assert box_accuracy(MAP[None], elsewhere, [0.5]).tolist() == [0.0]  # the largest alone counts
    both = [torch.cat([elsewhere, true]), elsewhere]
    assert box_accuracy(torch.stack([MAP, MAP]), both, [0.5]).tolist() == [0.5]  # the best of an image's boxes


def test_boxes_of_floats_and_images_without_a_box() -> None:
    true = torch.tensor([[1.0, 1.0, 2.0, 3.0]])
    assert box_accuracy(MAP[None], true, [0.5, 0.7, 1.0], iou=0.7).tolist() == [1.0, 0.0, 0.0]
    assert box_accuracy(MAP[None], [true[:0]], [0.5]).tolist() == [0.0]  # one image without a box


def test_flat_maps_are_not_found() -> None:
    assert box_accuracy(torch.zeros(2, 4, 4), torch.tensor([[0, 0, 3, 3]] * 2), [0.0, 0.5]).tolist() == [1.0, 0.0]


def test_masks_of_boxes_feed_the_measures_of_regions() -> None:
    masks = box_masks(torch.tensor([[1, 1, 2, 3], [4, 0, 4, 3]]), (4, 5))
    assert masks.sum((1, 2)).tolist() == [6, 4]
    assert masks[0, 1:4, 1:3].all()
    maps = torch.stack([MAP, MAP])
    assert peak_inside(maps, masks).tolist() == [1.0, 0.0]
    assert top_precision(maps, masks, 0.2).tolist() == [0.5, 0.5]  # 1.0 and 0.8; 0.9 and 0.7


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_outside_the_range_is_one_line(threshold: float) -> None:
    with pytest.raises(CamlossError, match="expected a share of the map's range, from 0 to 1"):
        boxes_from(MAP, threshold)


def test_other_numbers_of_boxes_and_maps_are_one_line() -> None:
    with pytest.raises(CamlossError, match="there are boxes of 2 images and 1 maps"):
        box_accuracy(MAP[None], torch.zeros(2, 4).long(), [0.5])
