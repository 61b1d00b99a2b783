import pytest
import torch

from camloss.digits.pen import BOX, FIELD, PEN, draw, write


def test_a_point_leaves_a_dot_as_wide_as_the_pen() -> None:
    ink = draw(torch.tensor([[14.0, 9.5]]), pen=4.0)
    assert ink.shape == (FIELD, FIELD)
    assert ink[9, 13] == ink[9, 14] == 1  # half a pixel away
    assert ink[9, 16] == 0  # 2.5 away: the edge is one pixel wide, around the radius of 2
    assert ink[9, 15] == pytest.approx(1.0)
    assert float(ink.sum()) == pytest.approx(torch.pi * 4, rel=0.05)


def test_pens_of_many_widths_draw_at_once_what_each_draws_alone() -> None:
    paths = torch.rand(3, 40, 2) * FIELD
    pens = torch.tensor([1.0, 2.6, 5.0]).view(3, 1, 1)
    for path, pen, ink in zip(paths, pens, draw(paths, pens), strict=True):
        assert torch.equal(ink, draw(path, float(pen)))


def test_written_in_the_box_centred_by_mass_and_back() -> None:
    line = torch.tensor([[300.0, 100 + y] for y in range(401)])
    sketch = write(line, brush=30)
    rows = (sketch.pixels[0, 0].amax(1) > 0.5).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == BOX
    assert sketch.to_drawing(FIELD / 2, FIELD / 2) == pytest.approx((300, 300), abs=1e-3)
    assert sketch.scale == pytest.approx(400 / (BOX - PEN))


def test_a_dot_is_no_larger_than_the_pen_and_may_be_drawn_with_any_brush() -> None:
    for brush in (1.0, 60.0):
        pixels = write(torch.tensor([[5.0, 7.0]]), brush).pixels
        assert float(pixels.sum()) == pytest.approx(torch.pi * PEN**2 / 4, rel=0.1)
        assert pixels[0, 0, 13:15, 13:15].min() > 0.9
