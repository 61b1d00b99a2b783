"""Both kinds of figures: their names, and their colours by day and by night; where intervals lie."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest

from camloss import palette
from camloss.study.charts import ROW, WIDTH, Point, interval_chart, line_chart

SVG = "{http://www.w3.org/2000/svg}"


def chart(**ends: float) -> ElementTree.Element:
    series = {name.replace("_", " "): [Point(0.5, 0.4, 0.6), Point(end, end, end)] for name, end in ends.items()}
    return ElementTree.fromstring(line_chart("Title", "place", ["a", "b"], series))


def named(figure: ElementTree.Element) -> list[tuple[float, str, str]]:
    """Where each row of a name stands, its words, and the class of its colour."""
    texts = (text for text in figure.iter(f"{SVG}text") if "name" in text.get("class", ""))
    return [(float(text.get("y", "")), str(text.text), str(text.get("class")).split()[1]) for text in texts]


def test_a_name_stands_at_the_end_of_its_line_in_its_colour() -> None:
    figure = chart(low=0.0, high=1.0)
    (low_y, low, low_colour), (high_y, high, high_colour) = named(figure)
    assert (low, high) == ("low", "high")
    assert high_y < low_y
    lines = [line.get("class", "").split()[1] for line in figure.iter(f"{SVG}polyline")]
    assert lines == [low_colour, high_colour]
    last = [float(str(line.get("points")).split(",")[-1]) for line in figure.iter(f"{SVG}polyline")]
    assert abs(low_y - last[0]) < ROW
    assert abs(high_y - last[1]) < ROW


def test_names_lie_over_no_other_and_within_the_figure() -> None:
    figure = chart(**{f"a_rather_long_name_of_line_{i}": 0.97 + 0.005 * i for i in range(6)})
    height = float(str(figure.get("viewBox")).split()[3])
    rows = sorted(y for y, _, _ in named(figure))
    assert len(rows) == 12
    assert all(lower - upper >= ROW - 0.1 for upper, lower in itertools.pairwise(rows))
    assert rows[0] > 0
    assert rows[-1] < height
    below = sorted(y for y, _, _ in named(chart(**{f"a_rather_long_name_of_line_{i}": 0.0 for i in range(6)})))
    assert below[-1] < height
    assert all(lower - upper >= ROW - 0.1 for upper, lower in itertools.pairwise(below))


def test_where_the_page_is_dark_the_colours_are_those_of_the_dark() -> None:
    style = str(chart(one=0.5).findtext(f"{SVG}style"))
    by_day, by_night = style.split("@media (prefers-color-scheme: dark)")
    for part, colours, series in (
        (by_day, palette.LIGHT, palette.SERIES),
        (by_night, palette.DARK, palette.SERIES_DARK),
    ):
        assert f"fill: {colours['raised']}" in part
        assert re.findall(r"\.line\.s\d \{ stroke: (#\w+) \}", part) == list(series)


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_names_can_be_read_on_their_ground() -> None:
    for colours, series in ((palette.LIGHT, palette.SERIES), (palette.DARK, palette.SERIES_DARK)):
        assert min(_contrast(colour, colours["raised"]) for colour in series) >= 4.5


def test_intervals_lie_where_their_numbers_say() -> None:
    groups = {
        "one": {"from a": (Point(0.05, 0.02, 0.08), 0), "from b": (Point(-0.10, -0.12, -0.08), 2)},
        "two": {"from a": (Point(0.0, math.nan, math.nan), 0)},
    }
    figure = ElementTree.fromstring(interval_chart("Title", "points", groups))
    circles = [float(circle.get("cx", "")) for circle in figure.iter(f"{SVG}circle")]
    (zero,) = (path for path in figure.iter(f"{SVG}path") if path.get("class") == "zero")
    middle = float(re.findall(r"M([\d.]+)", zero.get("d", ""))[0])
    point = (circles[0] - middle) / 5  # as wide as one percentage point
    assert point > 0
    assert circles[1] == pytest.approx(middle - 10 * point, abs=0.2)
    assert circles[2] == pytest.approx(middle, abs=0.1)
    lines = [path.get("d", "") for path in figure.iter(f"{SVG}path") if "line" in path.get("class", "")]
    ends = [[float(x) for x in re.findall(r"[MH]([\d.]+)", line)] for line in lines]
    assert ends == [
        pytest.approx([middle + 2 * point, middle + 8 * point], abs=0.3),
        pytest.approx([middle - 12 * point, middle - 8 * point], abs=0.3),
    ]  # and none where there is no interval
    assert [(words, colour) for _, words, colour in named(figure)] == [
        *(("from a", "s0"), ("+5.0", "s0"), ("from b", "s2"), ("-10.0", "s2")),
        *(("from a", "s0"), ("+0.0", "s0")),
    ]
    marks = [str(text.text) for text in figure.iter(f"{SVG}text") if "middle" in text.get("text-anchor", "")]
    assert marks == ["-15", "-10", "-5", "0", "+5", "+10", "points"]


@pytest.mark.parametrize("ends", [(0.0, 0.001), (-0.9, 0.9), (-0.002, 0.0), (0.3, 0.31)])
def test_every_interval_is_within_the_figure(ends: tuple[float, float]) -> None:
    figure = ElementTree.fromstring(interval_chart("Title", "x", {"one": {"a": (Point(sum(ends) / 2, *ends), 0)}}))
    places = [float(circle.get("cx", "")) for circle in figure.iter(f"{SVG}circle")]
    for path in figure.iter(f"{SVG}path"):
        places += [float(x) for x in re.findall(r"[MH]([\d.]+)", path.get("d", ""))]
    assert min(places) >= 200
    assert max(places) <= WIDTH - 50
