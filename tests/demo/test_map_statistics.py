"""What is measured of the maps for the summary. Computed in the browser alone."""

from collections.abc import Callable, Iterator
from typing import Any

import engines
import pytest
import torch
from page_server import EXAMPLES
from playwright.sync_api import Browser
from torch import Tensor

from camloss.demo import inference
from camloss.digits.rasterize import write_strokes
from camloss.digits.stroke_topology import several_digits

pytestmark = pytest.mark.browser

STATISTICS = """async ([map, size, pixels, drawn]) => {
    const { statisticsOf, upsample } = await import("/web/map_statistics.js");
    const [side, given] = [Math.sqrt(pixels.length), Float32Array.from(pixels)];
    const upsampled = upsample(Float64Array.from(map), size, size, side, side);
    const { top, ...statistics } = statisticsOf(upsampled, Math.max(...map), given, Float32Array.from(drawn));
    return { ...statistics, top: [...top] };
}"""
OVERLAP = (
    """async (tops) => (await import("/web/map_statistics.js")).overlapOf(tops.map((top) => Uint8Array.from(top)))"""
)
SEVERAL_DIGITS = """async (pixels) =>
    (await import("/web/stroke_topology.js")).severalDigits(Float32Array.from(pixels), Math.sqrt(pixels.length))"""


@pytest.fixture(scope="module")
def run(browser: Browser) -> Iterator[engines.Run]:
    with engines.site({}) as address, engines.chromium(browser, address) as run:
        yield run


@pytest.fixture
def statistics_of(run: engines.Run) -> Callable[..., dict[str, Any]]:
    def statistics_of(evidence: Tensor, pixels: Tensor, drawn: Tensor | None = None) -> dict[str, Any]:
        drawn = pixels if drawn is None else drawn
        given = [evidence.flatten().tolist(), len(evidence), pixels.flatten().tolist(), drawn.flatten().tolist()]
        return dict(run(STATISTICS, given))

    return statistics_of


Statistics = Callable[..., dict[str, Any]]


def ring() -> Tensor:
    """A square ring of 12 pixels in the middle of 28 x 28, two pixels thick."""
    pixels = torch.zeros(28, 28)
    pixels[8:20, 8:20] = 1.0
    pixels[10:18, 10:18] = 0.0
    return pixels


def peak_at(y: int, x: int) -> Tensor:
    peak = torch.zeros(28, 28)
    peak[y, x] = 1.0
    return peak


@pytest.mark.parametrize(
    ("at", "peak"), [((14, 14), "hole"), ((8, 14), "stroke"), ((19, 8), "stroke"), ((7, 14), "beside")]
)
def test_peaks_around_a_ring(statistics_of: Statistics, at: tuple[int, int], peak: str) -> None:
    assert statistics_of(peak_at(*at), ring())["peak"] == peak


@pytest.mark.parametrize(("distance", "peak"), [(0, "junction"), (3, "junction"), (5, "stroke")])
def test_a_junction_reaches_three_pixels(statistics_of: Statistics, distance: int, peak: str) -> None:
    cross = torch.zeros(28, 28)
    cross[14, 4:24] = cross[4:24, 14] = 1.0
    assert statistics_of(peak_at(14, 14 + distance), cross)["peak"] == peak


def test_what_was_added_is_none_of_the_digit(statistics_of: Statistics) -> None:
    given = ring()
    given[2, 10:18] = given[14, 2:6] = 1.0
    assert statistics_of(peak_at(2, 14), given, ring())["peak"] == "added"
    assert statistics_of(peak_at(2, 14), given)["peak"] == "stroke"
    assert statistics_of(peak_at(14, 14), given, ring())["peak"] == "hole"
    assert statistics_of(peak_at(25, 14), given, ring())["peak"] == "beside"


def test_area_is_what_reaches_half_of_the_maximum_of_the_whole_image(statistics_of: Statistics) -> None:
    cam = torch.zeros(14, 14)
    cam[:7] = 1.0
    assert statistics_of(cam, ring())["area_above_half"] == 0.5
    assert statistics_of(0.3 * cam, ring())["area_above_half"] == 0.5  # a contrast may reach less than 1
    cam[7:] = 0.49
    assert statistics_of(cam, ring())["area_above_half"] == pytest.approx(
        0.5, abs=1 / 28
    )  # upsampled, the step is a slope


def test_a_map_of_zeros_has_its_peak_nowhere(statistics_of: Statistics) -> None:
    part = statistics_of(torch.zeros(14, 14), ring())
    assert (part["area_above_half"], part["peak"]) == (0.0, "nowhere")


def hill(y: float, x: float, width: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / width**2)


def test_top_positions_are_as_many_whatever_the_area(run: engines.Run, statistics_of: Statistics) -> None:
    wide, narrow = (statistics_of(hill(14, 14, width), ring()) for width in (9, 2))
    assert wide["area_above_half"] > 10 * narrow["area_above_half"]
    assert sum(wide["top"]) == sum(narrow["top"]) == round(0.05 * 28 * 28)

    def overlap(*parts: dict[str, Any]) -> float:
        return float(run(OVERLAP, [part["top"] for part in parts]))

    assert overlap(wide, narrow) == 1
    assert overlap(wide, statistics_of(hill(4, 22, 9), ring())) == 0
    beside = statistics_of(hill(14, 17, 9), ring())
    assert overlap(wide, beside) == pytest.approx(0.5, abs=0.1)
    assert overlap(wide, narrow, beside) == overlap(wide, beside)


def bars(*strokes: tuple[int, int, int]) -> Tensor:
    """Upright strokes: column, first and last row."""
    pixels = torch.zeros(28, 28)
    for column, top, bottom in strokes:
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
        ([(6, 12, 14), (18, 12, 14)], False),  # dots
        ([], False),
    ],
)
def test_two_digits_stand_apart_and_are_both_tall(
    run: engines.Run, strokes: list[tuple[int, int, int]], two: bool
) -> None:
    assert run(SEVERAL_DIGITS, bars(*strokes).flatten().tolist()) is several_digits(bars(*strokes)) is two


def test_a_faint_edge_between_two_digits_does_not_join_them(run: engines.Run) -> None:
    pixels = bars((8, 4, 23), (12, 4, 23))
    pixels[:, 10:12] = 0.49
    assert run(SEVERAL_DIGITS, pixels.flatten().tolist()) is True


def test_no_example_looks_like_two_digits(run: engines.Run) -> None:
    for example in EXAMPLES:
        sketch = write_strokes(inference.open_strokes(example["strokes"]))
        assert sketch is not None
        assert run(SEVERAL_DIGITS, sketch.pixels.flatten().tolist()) is False
