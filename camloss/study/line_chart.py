"""One kind of figure, drawn without a plotting library, so that the same numbers give the same bytes everywhere."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from camloss.palette import LIGHT, SERIES

INK, GROUND, RULE = LIGHT["ink"], LIGHT["raised"], LIGHT["rule"]
WIDTH, PLOT = 520, 310  # as wide as a phone shows without scrolling; of the plot, without what stands around it
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 62  # margins; the legend lies below
ROW = 22  # of the legend


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
        series: for each line, by its name in the legend, a point for each tick, or None where there is none.
    """
    wide, high, legend = WIDTH - LEFT - RIGHT, PLOT, TOP + PLOT + BOTTOM
    height = legend + ROW * len(series)

    def x_of(place: int) -> float:
        return LEFT + wide * (place + 0.5) / len(ticks)

    def y_of(value: float) -> float:
        return TOP + high * (1 - min(max(value, 0.0), 1.0))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"',
        ' font-size="15">',
        f'<title>{escape(title)}</title><rect width="{WIDTH}" height="{height}" fill="{GROUND}"/>',
        _text(LEFT, 22, title, "font-weight='bold'"),
    ]
    for tenth in range(0, 11, 2):
        y = y_of(tenth / 10)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + wide}" stroke="{RULE}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tenth * 10} %", "text-anchor='end'"))
    for place, tick in enumerate(ticks):
        parts.append(_text(x_of(place), TOP + high + 18, tick, "text-anchor='middle'"))
    parts.append(_text(LEFT + wide / 2, TOP + high + 38, x_label, "text-anchor='middle'"))
    for number, (name, points) in enumerate(series.items()):
        colour = SERIES[number % len(SERIES)]
        there = [(x_of(place), point) for place, point in enumerate(points) if point is not None]
        line = " ".join(f"{x:.1f},{y_of(point.mean):.1f}" for x, point in there)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, point in there:
            parts.append(f'<path d="M{x:.1f} {y_of(point.low):.1f}V{y_of(point.high):.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{y_of(point.mean):.1f}" r="3.5" fill="{colour}"/>')
        y = legend + ROW * number
        parts.append(f'<path d="M{LEFT} {y}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(_text(LEFT + 24, y + 4, name))
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}"{" " + style if style else ""}>{escape(words)}</text>'
