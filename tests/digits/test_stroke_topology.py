import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from camloss.digits.bitmap import _take_run
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


def flooded(ink: Tensor) -> Tensor:
    """`holes`, one step of all pixels after the other."""
    empty = F.pad(~ink, (1, 1, 1, 1), value=True).float()
    outside = F.pad(torch.zeros_like(empty[:, 1:-1, 1:-1]), (1, 1, 1, 1), value=1.0)
    cross = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    while True:
        grown = (F.conv2d(outside[:, None], cross, padding=1)[:, 0] > 0) * empty
        if torch.equal(grown, outside):
            return (empty > outside)[:, 1:-1, 1:-1]
        outside = grown


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 8), (16, 15), (28, 28), (33, 20)])
def test_holes_are_what_a_flood_leaves_dry(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    ink = torch.rand(300, *size, generator=generator) < torch.linspace(0, 1, 300)[:, None, None]
    assert torch.equal(holes(ink), flooded(ink))


def test_a_flood_takes_each_run_of_empty_pixels_once_however_long_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    corridor = torch.zeros(1, 28, 28, dtype=torch.bool)
    corridor[0, 1::2] = True
    corridor[0, 1::4, -1] = corridor[0, 3::4, 0] = False  # to and fro, from the top to the last row
    taken = []

    def counted(rows: list[int], y: int, pixel: int) -> int:
        taken.append((y, _take_run(rows, y, pixel)))
        return taken[-1][1]

    monkeypatch.setattr("camloss.digits.bitmap._take_run", counted)
    assert not holes(corridor).any()
    framed = F.pad(~corridor[0], (1, 1, 1, 1), value=True)
    runs = int((framed[:, 1:] & ~framed[:, :-1]).sum() + framed[:, 0].sum())
    assert len(taken) == len(set(taken)) == runs


def test_within_a_radius_by_hand() -> None:
    point = picture(".....", ".....", "..#..", ".....", ".....")
    assert torch.equal(within(point, 1), picture(".....", "..#..", ".###.", "..#..", "....."))
    assert torch.equal(within(point, 1.5), picture(".....", ".###.", ".###.", ".###.", "....."))
    assert within(point, 0).sum() == 1
    assert not within(picture("..", ".."), 3).any()
