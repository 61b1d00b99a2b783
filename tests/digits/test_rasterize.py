from itertools import pairwise

import pytest
import torch

from camloss.digits.pendigits import render_strokes
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import (
    FEW_LINES,
    IMAGE_SIDE,
    MNIST_PEN,
    PEN,
    REACH,
    PenStroke,
    _squared_distances,
    draw_lines,
    draw_points,
    write,
    write_strokes,
)
from camloss.digits.stroke_topology import STROKE, holes

SEVEN = (
    PenStroke(((40.0, 50.0), (160.0, 50.0), (80.0, 250.0)), 14.0),
    PenStroke(((70.0, 150.0), (150.0, 150.0)), 14.0),
)


def test_a_point_leaves_a_dot_as_wide_as_the_pen() -> None:
    ink = draw_points(torch.tensor([[14.0, 9.5]]), pen=4.0)
    assert ink.shape == (IMAGE_SIDE, IMAGE_SIDE)
    assert ink[9, 13] == ink[9, 14] == 1  # half a pixel away
    assert ink[9, 16] == 0  # 2.5 away: the edge is one pixel wide, around the radius of 2
    assert ink[9, 15] == pytest.approx(1.0)
    assert float(ink.sum()) == pytest.approx(torch.pi * 4, rel=0.05)


def test_pens_of_many_widths_draw_at_once_what_each_draws_alone() -> None:
    paths = torch.rand(3, 40, 2) * IMAGE_SIDE
    pens = torch.tensor([1.0, 2.6, 5.0]).view(3, 1, 1)
    for path, pen, ink in zip(paths, pens, draw_points(paths, pens), strict=True):
        assert torch.equal(ink, draw_points(path, float(pen)))


def test_written_in_the_box_centred_by_mass_and_back() -> None:
    line = torch.tensor([[300.0, 100 + y] for y in range(401)])
    sketch = write(line, 30, draw_points)
    rows = (sketch.pixels[0, 0].amax(1) > 0.5).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == round(REACH + PEN)
    assert sketch.to_drawing(IMAGE_SIDE / 2, IMAGE_SIDE / 2) == pytest.approx((300, 300), abs=1e-3)
    assert sketch.scale == pytest.approx(400 / REACH)


def test_a_dot_is_no_larger_than_the_pen_and_may_be_drawn_with_any_brush() -> None:
    for brush in (1.0, 60.0):
        pixels = write(torch.tensor([[5.0, 7.0]]), brush, draw_points).pixels
        assert (pixels > 0).nonzero().tolist() == [[0, 0, y, x] for y in (13, 14) for x in (13, 14)]
        assert pixels.max() == pytest.approx(PEN / 2 + 0.5 - 0.5**0.5)


def test_any_number_of_points_on_the_way_gives_the_same_ink() -> None:
    """A slow mouse gives many points, a fast one few."""

    def halved(stroke: PenStroke) -> PenStroke:
        middles = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in pairwise(stroke.points)]
        alternating = [*sum(zip(stroke.points, middles, strict=False), ()), stroke.points[-1], stroke.points[-1]]
        return PenStroke(tuple(alternating), stroke.width)

    few = write_strokes(SEVEN)
    many = write_strokes([halved(halved(halved(stroke))) for stroke in SEVEN])
    assert few is not None
    assert many is not None
    torch.testing.assert_close(many.pixels, few.pixels, atol=1e-6, rtol=0)
    assert (many.scale, many.left, many.top) == pytest.approx((few.scale, few.left, few.top))


def test_as_read_from_the_drawing_itself() -> None:
    """The pen's path, and the path found by thinning what it drew."""
    written = write_strokes(SEVEN, MNIST_PEN)
    found = prepare_sketch(render_strokes(tuple(stroke.points for stroke in SEVEN), (300, 300), 14.0), MNIST_PEN)
    assert written is not None
    assert found is not None
    assert float((written.pixels - found.pixels).abs().sum() / found.pixels.sum()) < 0.1
    assert (written.scale, written.left, written.top) == pytest.approx((found.scale, found.left, found.top), abs=3)


def test_the_brush_does_not_matter_where_the_path_is_longer_than_it() -> None:
    thin, fat = (write_strokes([PenStroke(stroke.points, width) for stroke in SEVEN]) for width in (2.0, 120.0))
    assert thin is not None
    assert fat is not None
    assert torch.equal(thin.pixels, fat.pixels)


def test_a_tap_beside_the_digit_is_a_speck_and_a_lone_tap_a_dot() -> None:
    tap = PenStroke(((290.0, 290.0),), 14.0)
    clean, touched, alone = write_strokes(SEVEN), write_strokes([*SEVEN, tap]), write_strokes([tap])
    assert clean is not None
    assert touched is not None
    assert alone is not None
    assert torch.equal(clean.pixels, touched.pixels)
    torch.testing.assert_close(alone.pixels, write(torch.tensor([[290.0, 290.0]]), 14.0, draw_points).pixels)
    assert alone.to_drawing(IMAGE_SIDE / 2, IMAGE_SIDE / 2) == pytest.approx((290, 290))
    assert write_strokes([]) is None


def test_thousands_of_points_are_drawn_in_parts() -> None:
    circle = torch.linspace(0, 2 * torch.pi, 2_000, dtype=torch.float64)
    points = torch.stack([300 + 200 * circle.cos(), 300 + 200 * circle.sin()], 1)
    round_zero = write_strokes([PenStroke(tuple((x, y) for x, y in points.tolist()), 40.0)])
    assert round_zero is not None
    angles = (circle[::25].float(), REACH / 2)
    on_circle = torch.stack([14 + angles[1] * angles[0].cos(), 14 + angles[1] * angles[0].sin()], 1)
    assert (round_zero.pixels[0, 0][on_circle[:, 1].long(), on_circle[:, 0].long()] > 0.3).all()


def test_strokes_are_whole_where_half_a_pixel_of_ink_counts() -> None:
    """Else a closed 0 has no hole to point at; with a pen thinner than a pixel many have none."""
    generator = torch.Generator().manual_seed(0)
    circle = torch.linspace(0, 2 * torch.pi, 200, dtype=torch.float64)
    zeros = []
    for _ in range(50):
        wide, high = (60 + 60 * torch.rand(2, generator=generator)).tolist()
        points = torch.stack([wide * circle.cos(), high * circle.sin()], 1).tolist()
        zero = write_strokes([PenStroke(tuple((x, y) for x, y in points), 20.0)])
        assert zero is not None
        zeros.append(zero.pixels[0, 0] >= STROKE)
    assert holes(torch.stack(zeros)).flatten(1).any(1).all()


def scribble(count: int, step: float, generator: torch.Generator) -> torch.Tensor:
    """Lines end to end as large as MNIST's digits; the longer a step, the more of them cross the whole image."""
    path = step * torch.randn(count + 1, 2, generator=generator, dtype=torch.float64)
    path = path.cumsum(0) if step < 1 else path
    path = path * (REACH / (path.amax(0) - path.amin(0)).max().clamp_min(1e-9))
    path = path - (path.amax(0) + path.amin(0)) / 2 + IMAGE_SIDE / 2
    return torch.stack([path[:-1], path[1:]], 1)


@pytest.mark.parametrize("count", [1, 2, 100, FEW_LINES, FEW_LINES + 1, 1_000, 3_000])
def test_lines_drawn_tile_by_tile_are_those_of_the_whole_image_bit_for_bit(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    centres = torch.arange(IMAGE_SIDE) + 0.5
    for step in (0.1, 0.5, 5.0):
        for width in (0.4, PEN, 4.0):
            lines = scribble(count, step, generator)
            lines[::7, 1] = lines[::7, 0]  # dots
            points = torch.cartesian_prod(centres, centres).to(lines)[:, :, None]
            start, along = lines[:, 0], lines[:, 1] - lines[:, 0]
            across, down = points[:, 1] - start[:, 0], points[:, 0] - start[:, 1]
            length = along.square().sum(-1).clamp_min(torch.finfo(lines.dtype).tiny)
            share = (across * (along[:, 0] / length)).addcmul(down, along[:, 1] / length).clamp(0, 1)
            across, down = (axis.addcmul(share, along[:, idx], value=-1) for idx, axis in enumerate((across, down)))
            nearest = (across.square() + down.square()).amin(-1).view(IMAGE_SIDE, IMAGE_SIDE)
            assert torch.equal(draw_lines(lines, width), (width / 2 + 0.5 - nearest.sqrt()).clamp(0, 1))


@pytest.mark.parametrize(("step", "most"), [(0.0, 0.3), (0.1, 0.3), (5.0, 0.7)])
def test_a_line_is_held_against_the_pixels_of_the_tiles_that_it_reaches(
    monkeypatch: pytest.MonkeyPatch, step: float, most: float
) -> None:
    pairs = 0

    def counted(points: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        nonlocal pairs
        pairs += len(points) * lines.shape[1]
        return _squared_distances(points, lines)

    monkeypatch.setattr("camloss.digits.rasterize._squared_distances", counted)
    draw_lines(scribble(2_000, step, torch.Generator().manual_seed(0)))
    assert 0 < pairs < most * 2_000 * IMAGE_SIDE * IMAGE_SIDE
