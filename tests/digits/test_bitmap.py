import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.bitmap import Bitmap, pack, unpack


def picture(*rows: str) -> Tensor:
    """# is set, anything else is empty."""
    return torch.tensor([[character == "#" for character in row] for row in rows])


def drawn(bitmap: Bitmap) -> list[str]:
    return ["".join(".#"[pixel] for pixel in row) for row in bitmap.unpack().int().tolist()]


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (7, 8), (9, 9), (40, 16), (80, 63)])
def test_unpack_is_the_inverse_of_pack(size: tuple[int, int]) -> None:
    mask = torch.rand(size, generator=torch.Generator().manual_seed(0)) > 0.5
    assert torch.equal(pack(mask).unpack(), mask)
    assert pack(mask).count == mask.sum()


def test_many_are_unpacked_at_once_each_as_by_itself() -> None:
    masks = torch.rand(5, 9, 13, generator=torch.Generator().manual_seed(0)) > 0.5
    assert torch.equal(unpack([pack(mask) for mask in masks]), masks)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (30, 23)])
def test_inner_pixels_are_those_of_a_minimum_over_nine(size: tuple[int, int]) -> None:
    mask = torch.rand(size, generator=torch.Generator().manual_seed(1)) > 0.05
    minimum = -F.max_pool2d(-mask.float()[None], 3, stride=1, padding=1)[0]
    assert torch.equal(pack(mask).inner.unpack(), minimum.bool())


def test_length_counts_steps_along_a_line_and_diagonals_where_no_corner_is_set() -> None:
    assert pack(picture("#####")).length == 4
    assert pack(picture("#..", ".#.", "..#")).length == pytest.approx(2 * math.sqrt(2))
    assert pack(picture("..#", ".#.", "#..")).length == pytest.approx(2 * math.sqrt(2))
    assert pack(picture("#..", "#..", "###")).length == 4
    assert pack(picture("#.......", ".......#")).length == 0, "a row does not run into the next"
    assert pack(picture("#")).length == 0


def test_parts_hang_together_by_edges_and_corners() -> None:
    parts = pack(picture("#.......", ".#.....#", "..#.....", "....#..#")).parts()
    assert [part.count for part in parts] == [3, 1, 1, 1]
    assert drawn(parts[0]) == ["#.......", ".#......", "..#.....", "........"]
    assert pack(picture("...", "...")).parts() == []


def test_parts_of_a_spiral_are_one() -> None:
    spiral = picture("#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######")
    assert [part.count for part in pack(spiral).parts()] == [int(spiral.sum())]


def test_thinning_leaves_the_middle_of_a_bar() -> None:
    bar = picture(".........", ".#######.", ".#######.", ".#######.", ".........")
    stages = pack(bar).thinning()
    assert drawn(stages[0]) == drawn(pack(bar))
    assert drawn(stages[-1]) == [".........", ".........", "..#####..", ".........", "........."]


def test_thinning_keeps_a_ring_a_ring_and_parts_apart() -> None:
    ring = torch.ones(12, 12, dtype=torch.bool)
    ring[4:8, 4:8] = False
    both = torch.zeros(14, 30, dtype=torch.bool)
    both[1:13, 1:13] = ring
    both[1:13, 16:28] = True
    skeleton = pack(both).thinning()[-1]
    assert len(skeleton.parts()) == 2
    fattened = F.max_pool2d(skeleton.unpack().float()[None], 3, stride=1, padding=1)[0]
    assert len(pack(fattened == 0).parts()) == 2, "the paper, and the hole in the ring"
    assert skeleton.inner.count == 0
    assert skeleton.count < 45


def test_thinning_is_guo_and_halls() -> None:
    """Against the article's conditions, pixel by pixel."""
    mask = torch.rand(24, 24, generator=torch.Generator().manual_seed(2)) > 0.3
    stages = pack(mask).thinning()
    assert len(stages) > 4
    for number, (before, after) in enumerate(pairwise(stages)):
        expected = before.unpack()
        for y, x in before.unpack().nonzero().tolist():
            expected[y, x] = not removable(before.unpack(), y, x, from_lower_left=number % 2 == 0)
        assert torch.equal(after.unpack(), expected)
    assert stages[-1] == stages[-3]


def removable(mask: Tensor, y: int, x: int, from_lower_left: bool) -> bool:
    ring = F.pad(mask, (1, 1, 1, 1))[y : y + 3, x : x + 3].flatten().tolist()
    p2, p3, p4, p5, p6, p7, p8, p9 = (ring[place] for place in (1, 2, 5, 8, 7, 6, 3, 0))
    starts = [not p2 and (p3 or p4), not p4 and (p5 or p6), not p6 and (p7 or p8), not p8 and (p9 or p2)]
    one_way, other_way = [p9 or p2, p3 or p4, p5 or p6, p7 or p8], [p2 or p3, p4 or p5, p6 or p7, p8 or p9]
    spared = (p6 or p7 or not p9) and p8 if from_lower_left else (p2 or p3 or not p5) and p4
    return sum(starts) == 1 and 2 <= min(sum(one_way), sum(other_way)) <= 3 and not spared
