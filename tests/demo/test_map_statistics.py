"""What is measured of an answer for its sentence."""

import pytest
import torch
from torch import Tensor

from camloss.demo.map_statistics import hot_part, shared, two_digits


def ring() -> Tensor:
    """A square ring of 12 pixels in the middle of 28 x 28, two pixels thick."""
    pixels = torch.zeros(28, 28)
    pixels[8:20, 8:20] = 1.0
    pixels[10:18, 10:18] = 0.0
    return pixels


def peak_at(y: int, x: int) -> Tensor:
    heat = torch.zeros(28, 28)
    heat[y, x] = 1.0
    return heat


@pytest.mark.parametrize(
    ("peak", "place"), [((14, 14), "hole"), ((8, 14), "stroke"), ((19, 8), "stroke"), ((7, 14), "beside")]
)
def test_places_around_a_ring(peak: tuple[int, int], place: str) -> None:
    assert hot_part(peak_at(*peak), ring()).place == place


@pytest.mark.parametrize(("distance", "place"), [(0, "junction"), (3, "junction"), (5, "stroke")])
def test_a_junction_reaches_three_pixels(distance: int, place: str) -> None:
    cross = torch.zeros(28, 28)
    cross[14, 4:24] = cross[4:24, 14] = 1.0
    assert hot_part(peak_at(14, 14 + distance), cross).place == place


def test_what_was_added_is_none_of_the_digit() -> None:
    given = ring()
    given[2, 10:18] = given[14, 2:6] = 1.0
    assert hot_part(peak_at(2, 14), given, ring()).place == "added"
    assert hot_part(peak_at(2, 14), given).place == "stroke"
    assert hot_part(peak_at(14, 14), given, ring()).place == "hole"
    assert hot_part(peak_at(25, 14), given, ring()).place == "beside"


def test_area_is_what_reaches_half_of_the_maximum_on_the_whole_field() -> None:
    cam = torch.zeros(14, 14)
    cam[:7] = 1.0
    assert hot_part(cam, ring()).area == 0.5
    assert hot_part(0.3 * cam, ring()).area == 0.5  # a contrast may reach less than 1
    cam[7:] = 0.49
    assert hot_part(cam, ring()).area == pytest.approx(0.5, abs=1 / 28)  # the step is a slope, once stretched


def test_what_speaks_for_nothing_is_hot_nowhere() -> None:
    part = hot_part(torch.zeros(14, 14), ring())
    assert (part.area, part.place) == (0.0, "nowhere")


def hill(y: float, x: float, width: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / width**2)


def test_hottest_pixels_are_as_many_whatever_the_size() -> None:
    wide, narrow = (hot_part(hill(14, 14, width), ring()) for width in (9, 2))
    assert wide.area > 10 * narrow.area
    assert wide.hottest.sum() == narrow.hottest.sum() == round(0.05 * 28 * 28)
    assert shared([wide, narrow]) == 1
    assert shared([wide, hot_part(hill(4, 22, 9), ring())]) == 0
    beside = hot_part(hill(14, 17, 9), ring())
    assert shared([wide, beside]) == pytest.approx(0.5, abs=0.1)
    assert shared([wide, narrow, beside]) == shared([wide, beside])


def bars(*places: tuple[int, int, int]) -> Tensor:
    """Upright strokes: column, first and last row."""
    pixels = torch.zeros(28, 28)
    for column, top, bottom in places:
        pixels[top : bottom + 1, column : column + 2] = 1.0
    return pixels


@pytest.mark.parametrize(
    ("strokes", "two"),
    [
        ([(6, 4, 23), (18, 4, 23)], True),
        ([(6, 4, 23), (18, 14, 23)], True),  # half as tall
        ([(6, 4, 23), (18, 16, 23)], False),  # a mark
        ([(12, 4, 23)], False),
        ([(12, 4, 23), (14, 4, 23)], False),  # they touch
        ([], False),
    ],
)
def test_two_digits_stand_apart_and_are_both_tall(strokes: list[tuple[int, int, int]], two: bool) -> None:
    assert two_digits(bars(*strokes)) is two


def test_a_faint_edge_between_two_digits_does_not_join_them() -> None:
    pixels = bars((8, 4, 23), (12, 4, 23))
    pixels[:, 10:12] = 0.49
    assert two_digits(pixels)
