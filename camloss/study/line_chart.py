"""One kind of figure, drawn without a plotting library, so that the same numbers give the same bytes everywhere."""

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from camloss.palette import DARK, LIGHT, SERIES, SERIES_DARK

WIDTH, PLOT = 520, 310  # as wide as a phone shows without scrolling; of the plot, without what stands around it
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 40, 52  # margins; the lines' names lie in the right one
ROW, LETTERS, GAP = 17, 19, 6  # of a name: the height of a row, its letters, and the room to the next name


class Point(NamedTuple):
    """A mean, and the ends of the bar through it."""

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

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"',
        ' font-size="15">',
        f"<title>{escape(title)}</title><style>{_style(LIGHT, SERIES)}",
        f"@media (prefers-color-scheme: dark) {{ {_style(DARK, SERIES_DARK)} }}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        _text(LEFT, 22, title, "font-weight='bold'"),
    ]
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
        for row, words in enumerate(_rows(name)):
            x, y = LEFT + wide + 6, tops[name] + ROW * row + 12
            parts.append(_text(x, y, words, f"class='name s{number % len(SERIES)}' font-size='14'"))
    return "\n".join([*parts, "</svg>\n"])


def _rows(name: str) -> list[str]:
    return textwrap.wrap(name, LETTERS)


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
        f".rule {{ stroke: {colours['rule']} }} polyline {{ fill: none }}"
    )
    lines = (f".line.s{i} {{ stroke: {colour} }} .name.s{i} {{ fill: {colour} }}" for i, colour in enumerate(series))
    return f"{fixed} {' '.join(lines)}"


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{" " + style if style else ""}>{escape(words)}</text>'
