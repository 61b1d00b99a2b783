"""Where maps lie and peak, by hand, and the maps that no network made."""

import pytest
import torch
from tiny_mnist import digits
from torch import Tensor

from camloss import build_model
from camloss.data.peaks import CENTRE_PRIOR, SMALL, centre_prior, locate_peaks, peaks, pixels, true_cams
from camloss.metrics import area_above_half
from camloss.split import Split
from camloss.study.measures import CONTROLS, locate, stroke_pixel


@pytest.fixture
def zero_and_four() -> Split:
    """A closed 0, and a 4 whose stem crosses its bar at row 16, column 16."""
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 6:22, 8:20] = 255
    images[0, 0, 9:19, 11:17] = 0
    images[1, 0, 15:18, 6:22] = images[1, 0, 5:24, 15:18] = 255
    return Split(images, torch.tensor([0, 4]))


def peaked_at(*places: tuple[int, int]) -> Tensor:
    maps = torch.zeros(len(places), 28, 28)
    for number, (y, x) in enumerate(places):
        maps[number, y, x] = 1
    return maps


def test_locate_by_hand(zero_and_four: Split) -> None:
    maps = peaked_at((14, 14), (16, 16))  # in the hole of the 0, on the crossing of the 4
    located = locate(maps, zero_and_four)
    assert located["area_above_half"] == pytest.approx(1 / 784)
    assert located["stroke_energy"] == located["pointing_game_own_image"] == 0.5
    strokes = (pixels(zero_and_four) > 0).float().mean().item()
    assert located["stroke_area"] == pytest.approx(strokes)
    assert locate_peaks(maps, zero_and_four) == {"pointing_game_junction": 1.0, "pointing_game_hole": 1.0}
    near, far = (13, 16), (12, 16)  # three and four pixels above where the strokes meet
    assert locate_peaks(peaked_at((7, 14), near), zero_and_four)["pointing_game_junction"] == 1.0
    assert locate_peaks(peaked_at((7, 14), far), zero_and_four) == {
        "pointing_game_junction": 0.0,
        "pointing_game_hole": 0.0,
    }


def test_only_what_is_there_is_measured(zero_and_four: Split) -> None:
    six = Split(zero_and_four.images, torch.tensor([6, 4]))
    assert "pointing_game_hole" not in locate_peaks(peaked_at((14, 14), (16, 16)), six)
    stroke = Split(six.images[:1], six.labels[:1])
    assert "pointing_game_junction" not in locate_peaks(peaked_at((14, 14)), stroke)


def test_the_controls_know_the_strokes_and_nothing_else(zero_and_four: Split) -> None:
    images = pixels(zero_and_four)
    maps = centre_prior(images)
    assert area_above_half(maps).tolist() == pytest.approx([SMALL] * 2, abs=0.005)
    mass = images[1, 0] / images[1].sum()
    middle = [round(float(mass.sum(axis) @ torch.arange(28.0))) for axis in (1, 0)]
    assert list(divmod(int(maps[1].argmax()), 28)) == middle
    picked = stroke_pixel(images)
    assert picked.sum((1, 2)).tolist() == [1, 1]
    assert (picked * images[:, 0]).sum((1, 2)).tolist() == [1, 1]
    blank = torch.zeros(1, 1, 28, 28)
    assert all(control(blank).isfinite().all() for control in CONTROLS.values())


def test_peaks_of_a_network_stand_beside_those_of_the_control() -> None:
    torch.manual_seed(0)
    images, labels = digits(40, seed=1)
    model, split = build_model("light_cnn").eval(), Split(images[:, None], labels)
    assert peaks(model, split) == {
        "network": locate_peaks(true_cams(model, split), split),
        CENTRE_PRIOR: locate_peaks(centre_prior(pixels(split)), split),
    }
