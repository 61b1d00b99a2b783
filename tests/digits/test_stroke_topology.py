import pytest
import torch
from torch import Tensor

from camloss.digits.stroke_topology import holes, junctions, within


def picture(*rows: str) -> Tensor:
    """(1, H, W) bool; # is ink."""
    return torch.tensor([[[pixel == "#" for pixel in row] for row in rows]])


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        (("..#..", "..#..", "#####", "..#..", "..#.."), [(2, 2)]),
        (("#...#", ".#.#.", "..#..", "..#..", "..#.."), [(2, 2)]),
        (("..#..", "..#..", "..#..", "..#..", "..#.."), []),
        (("#....", "#....", "#....", "#....", "#####"), []),
        ((".....", ".###.", ".#.#.", ".###.", "....."), []),
        ((".....",) * 5, []),
    ],
    ids=["cross", "fork", "stem", "corner", "ring", "blank"],
)
def test_junctions_by_hand(rows: tuple[str, ...], places: list[tuple[int, int]]) -> None:
    assert [(y, x) for _, y, x in junctions(picture(*rows)).nonzero().tolist()] == places


def test_strokes_as_thick_as_mnists_meet_where_their_middles_cross() -> None:
    ink = torch.zeros(1, 28, 28, dtype=torch.bool)
    ink[:, 13:16, 4:24] = ink[:, 4:24, 9:12] = True
    assert junctions(ink).nonzero().tolist() == [[0, 14, 10]]


def test_a_hole_is_what_straight_steps_cannot_leave() -> None:
    closed = picture(".....", ".###.", ".#.#.", ".###.", ".....")
    assert holes(closed).nonzero().tolist() == [[0, 2, 2]]
    touching_at_corners = picture("..#..", ".#.#.", "#...#", ".#.#.", "..#..")
    assert holes(touching_at_corners).sum() == 5
    open_above = picture(".....", ".#.#.", ".#.#.", ".###.", ".....")
    assert not holes(open_above).any()
    at_the_edge = picture("###", "#.#", "###")
    assert holes(at_the_edge).nonzero().tolist() == [[0, 1, 1]]


def test_each_digit_has_its_own_holes() -> None:
    ring, blank = picture("###", "#.#", "###"), picture("...", "...", "...")
    assert holes(torch.cat([ring, blank, ring])).sum((1, 2)).tolist() == [1, 0, 1]


def test_within_a_radius_by_hand() -> None:
    point = picture(".....", ".....", "..#..", ".....", ".....")
    assert torch.equal(within(point, 1), picture(".....", "..#..", ".###.", "..#..", "....."))
    assert torch.equal(within(point, 1.5), picture(".....", ".###.", ".###.", ".###.", "....."))
    assert within(point, 0).sum() == 1
    assert not within(picture("..", ".."), 3).any()
