"""Two kinds of figures, drawn without a plotting library, so that the same numbers give the same bytes everywhere."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from camloss.palette import DARK, LIGHT, SERIES, SERIES_DARK

WIDTH, PLOT = 520, 310  # as wide as a phone shows without scrolling; of the plot, without what stands around it
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 40, 52  # margins; the lines' names lie in the right one
ROW, LETTERS, GAP = 17, 19, 6  # of a name: the height of a row, its letters, and the room to the next name
NAMES, WORDS = 26, 58  # letters in a row, of a name before its interval and of the words above


class Point(NamedTuple):
    """A mean, and the ends of the bar through it; they may be nan, of a mean without an interval."""

    mean: float
    low: float
    high: float


def line_chart(title: str, x_label: str, ticks: Sequence[str], series: Mapping[str, Sequence[Point | None]]) -> str:
    """Lines over named places on the x axis; y runs from 0 to 100 %.

    Args:
        title: above the figure.
        x_label: below the axis.
        ticks: what stands at each place.
        series: for each line, by its name, which stands at its end, a point for each tick, or None where there is none.
    """
    wide, high, height = WIDTH - LEFT - RIGHT, PLOT, TOP + PLOT + BOTTOM

    def x_of(place: int) -> float:
        return LEFT + wide * (place + 0.5) / len(ticks)

    def y_of(value: float) -> float:
        return TOP + high * (1 - min(max(value, 0.0), 1.0))

    parts = [*_beginning(title, height), _text(LEFT, 22, title, "font-weight='bold'")]
    for tenth in range(0, 11, 2):
        y = y_of(tenth / 10)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + wide}" class="rule"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tenth * 10} %", "text-anchor='end'"))
    for place, tick in enumerate(ticks):
        parts.append(_text(x_of(place), TOP + high + 18, tick, "text-anchor='middle'"))
    parts.append(_text(LEFT + wide / 2, TOP + high + 38, x_label, "text-anchor='middle'"))
    ends: dict[str, float] = {}
    for number, (name, points) in enumerate(series.items()):
        kind = f'class="line s{number % len(SERIES)}"'
        there = [(x_of(place), point) for place, point in enumerate(points) if point is not None]
        line = " ".join(f"{x:.1f},{y_of(point.mean):.1f}" for x, point in there)
        parts.append(f'<polyline points="{line}" {kind} stroke-width="2"/>')
        for x, point in there:
            parts.append(f'<path d="M{x:.1f} {y_of(point.low):.1f}V{y_of(point.high):.1f}" {kind}/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{y_of(point.mean):.1f}" r="3" {kind} stroke-width="2"/>')
        ends[name] = y_of(there[-1][1].mean) if there else TOP + high
    tops = _apart({name: (y, ROW * len(_rows(name))) for name, y in ends.items()}, TOP + high)
    for number, name in enumerate(series):
        parts += _name(LEFT + wide + 6, tops[name] + 12, _rows(name), number)
    return "\n".join([*parts, "</svg>\n"])


def interval_chart(title: str, x_label: str, groups: Mapping[str, Mapping[str, tuple[Point, int]]]) -> str:
    """Intervals under each other, around a line at zero; x runs as far as they do, in hundredths.

    Args:
        title: above the figure.
        x_label: below the axis.
        groups: by the words above it, a group of intervals: by the name before it, each with the number of its colour,
            0 for that of the first line of a `line_chart`. Its mean stands behind it.
    """
    left, right, top = 210, 56, 34
    found = [point for group in groups.values() for point, _ in group.values()]
    ends = [0.0, *(end for point in found for end in point if not math.isnan(end))]
    low, high, step = _scale(100 * min(ends), 100 * max(ends))

    def x_of(hundredths: float) -> float:
        return left + (WIDTH - left - right) * (hundredths - low) / (high - low)

    rows: list[str] = []
    y = float(top)
    for words, group in groups.items():
        y += GAP
        for line in textwrap.wrap(words, WORDS):
            rows.append(_text(12, y + 14, line, "class='over'"))
            y += ROW + 2
        for name, (point, colour) in group.items():
            wrapped = textwrap.wrap(name, NAMES)
            middle = y + ROW * len(wrapped) / 2
            kind = f'class="line s{colour}"'
            rows += _name(24, y + 13, wrapped, colour)
            if not math.isnan(point.low):
                rows.append(
                    f'<path d="M{x_of(100 * point.low):.1f} {middle:.1f}H{x_of(100 * point.high):.1f}" {kind} '
                    'stroke-width="2"/>'
                )
            x = x_of(100 * point.mean)
            rows.append(f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="3.5" {kind} stroke-width="2"/>')
            told = f"class='name s{colour}' font-size='14' text-anchor='end'"
            rows.append(_text(WIDTH - 8, middle + 5, f"{100 * point.mean:+.1f}", told))
            y += ROW * len(wrapped) + 3
    y += GAP
    axis = []
    for tick in range(low, high + 1, step):
        x, kind = x_of(tick), "zero" if tick == 0 else "rule"
        axis.append(f'<path d="M{x:.1f} {top}V{y:.1f}" class="{kind}"/>')
        axis.append(_text(x, y + 18, f"{tick:+d}" if tick else "0", "text-anchor='middle'"))
    axis.append(_text(WIDTH / 2, y + 40, x_label, "text-anchor='middle'"))
    parts = [*_beginning(title, round(y) + 52), _text(12, 22, title, "font-weight='bold'"), *axis, *rows]
    return "\n".join([*parts, "</svg>\n"])


def _scale(low: float, high: float) -> tuple[int, int, int]:
    """The ends of an axis on which both lie, and the step between its marks."""
    step = next((step for step in (1, 2, 5, 10, 20) if high - low <= 6 * step), 50)
    return step * math.floor(low / step), step * math.ceil(max(high, low + step) / step), step


def _beginning(title: str, height: float) -> list[str]:
    """Of a figure: its name, its colours by day and by night, and its ground."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"',
        ' font-size="15">',
        f"<title>{escape(title)}</title><style>{_style(LIGHT, SERIES)}",
        f"@media (prefers-color-scheme: dark) {{ {_style(DARK, SERIES_DARK)} }}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
    ]


def _rows(name: str) -> list[str]:
    return textwrap.wrap(name, LETTERS)


def _name(x: float, y: float, rows: Sequence[str], colour: int) -> list[str]:
    style = f"class='name s{colour % len(SERIES)}' font-size='14'"
    return [_text(x, y + ROW * row, words, style) for row, words in enumerate(rows)]


def _apart(wanted: Mapping[str, tuple[float, float]], bottom: float) -> dict[str, float]:
    """The tops of names that lie beside the middle they want, none over another; from the middle and height of each."""
    order = sorted(wanted, key=lambda name: wanted[name][0])
    tops: dict[str, float] = {}
    lowest = -GAP * 1.0
    for name in order:
        middle, height = wanted[name]
        tops[name] = max(middle - height / 2, lowest + GAP)
        lowest = tops[name] + height
    highest = bottom + ROW
    for name in reversed(order):
        tops[name] = min(tops[name], highest - wanted[name][1])
        highest = tops[name] - GAP
    return tops


def _style(colours: Mapping[str, str], series: Sequence[str]) -> str:
    fixed = (
        f"text {{ fill: {colours['ink']} }} .ground, circle {{ fill: {colours['raised']} }} "
        f".rule {{ stroke: {colours['rule']} }} .zero {{ stroke: {colours['ink']} }} polyline {{ fill: none }} "
        f".over {{ paint-order: stroke; stroke: {colours['raised']}; stroke-width: 5px }}"
    )
    lines = (f".line.s{i} {{ stroke: {colour} }} .name.s{i} {{ fill: {colour} }}" for i, colour in enumerate(series))
    return f"{fixed} {' '.join(lines)}"


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{" " + style if style else ""}>{escape(words)}</text>'
