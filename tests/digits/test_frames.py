"""What lies around a digit is found, and nothing of a digit is taken for it."""

import pytest
import torch
from torch import Tensor

from camloss.data.synthetic_digits import STYLES, draw_synthetic_digits
from camloss.digits.frames import frame_of

SIDE = 100


def blank() -> Tensor:
    return torch.zeros(SIDE, SIDE, dtype=torch.bool)


def digit() -> Tensor:
    """A 7."""
    ink = blank()
    ink[30:35, 35:65] = True
    ink[30:75, 60:65] = True
    return ink


def ring(radius: float, width: float = 3) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIDE) - SIDE / 2, torch.arange(SIDE) - SIDE / 2, indexing="ij")
    return (torch.hypot(x, y) - radius).abs() <= width / 2


def box(inset: int) -> Tensor:
    ink = blank()
    ink[inset : SIDE - inset, inset : SIDE - inset] = True
    ink[inset + 2 : SIDE - inset - 2, inset + 2 : SIDE - inset - 2] = False
    return ink


@pytest.mark.parametrize("frame", [ring(42), box(0), box(3), box(15)], ids=["circle", "border", "inside it", "box"])
def test_what_encloses_the_digit_is_found_whole_and_alone(frame: Tensor) -> None:
    found = frame_of(digit() | frame)
    assert found is not None
    assert torch.equal(found, frame)


def test_form_boxes_are_one_frame() -> None:
    form = box(5)
    form[5:95, [35, 65]] = True
    ink = form.clone()
    ink[30:70, 50] = True
    found = frame_of(ink)
    assert found is not None
    assert torch.equal(found, form)


@pytest.mark.parametrize("edge", range(4))
def test_a_strip_is_found_though_the_digit_touches_it(edge: int) -> None:
    strip, ink = blank(), digit().roll(25, 0)  # whose foot reaches the border
    strip[-4:] = True
    found = frame_of((ink | strip).rot90(edge))
    assert found is not None
    assert torch.equal(found, strip.rot90(edge))


def test_a_wedge_along_the_border_is_found() -> None:
    wedge = torch.arange(SIDE)[:, None] < torch.linspace(0.5, 5, SIDE).floor()
    found = frame_of(digit() | wedge)
    assert found is not None
    assert not bool((found & ~wedge).any())
    assert int(found.sum()) > 0.85 * int(wedge.sum())


def test_a_digit_that_fills_the_picture_has_no_frame() -> None:
    assert frame_of(digit()[30:75, 35:65]) is None


@pytest.mark.parametrize("outer", [25, 40])
def test_the_outline_of_a_0_is_no_frame(outer: int) -> None:
    assert frame_of(ring(outer) | ring(0.75 * outer)) is None


def test_a_dot_in_a_0_is_no_digit_in_a_frame() -> None:
    assert frame_of(ring(40) | ring(0, 8)) is None


def test_nothing_has_no_frame() -> None:
    assert frame_of(blank()) is None
    assert frame_of(torch.ones(1, 1, dtype=torch.bool)) is None


def test_no_digit_is_taken_for_a_frame() -> None:
    images = draw_synthetic_digits(20, 0, list(STYLES)).images[:, 0]
    assert [idx for idx, image in enumerate(images) if frame_of(image >= 128) is not None] == []


def test_a_slash_in_a_0_is_no_digit_in_a_frame() -> None:
    y, x = torch.meshgrid(torch.arange(SIDE) - SIDE / 2, torch.arange(SIDE) - SIDE / 2, indexing="ij")
    narrow = (torch.hypot(1.6 * x, y) - 42).abs() <= 5
    slash = (x.abs() <= 4) & (y.abs() <= 18)
    assert frame_of(narrow | slash) is None
