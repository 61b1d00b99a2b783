"""Maps as pictures: colour tables, overlays, and figures. The only module that imports matplotlib, and never pyplot."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from camloss.errors import CamlossError
from camloss.hub.card import CURVES, MAPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

Box = tuple[float, float, float, float]  # left, right, bottom, top, as matplotlib's extent

SEQUENTIAL = ("cividis", "viridis", "inferno")  # perceptually uniform; the first is made for colour-blind eyes too
DIVERGING = "PuOr_r"
TWINS = {"ce": ("Cross-entropy", "#2b65a8"), "cam": ("CAM-loss", "#b04a00")}
INK, SOFT, RULE = "#1a1c22", "#595d66", "#d8d5cc"
HEAT = 0.8  # opacity of a map over the drawing


def colour_tables() -> dict[str, str]:
    """The page's colour maps: 256 colours each in hexadecimal RGB, lowest value first.

    `camloss/page/web/colours.json` holds what this returns, so that the page needs no matplotlib.
    """
    from matplotlib import colormaps

    def table(name: str) -> str:
        return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes().hex()

    return {**{name: table(name) for name in SEQUENTIAL}, "diverging": table(DIVERGING), "ink": table("gray")}


def overlay(axes: "Axes", drawing: "Image", values: Any, box: Box, colours: str = SEQUENTIAL[0]) -> None:
    """Paint a map over a drawing, bilinear between the cells, on the colour scale that all maps share.

    Args:
        axes: where.
        drawing: dark ink on a transparent or light ground; it fills the axes from 0 to 1.
        values: (H, W) in [0, 1], or in [-1, 1] where colours is `DIVERGING`.
        box: the part of the drawing that the map covers; may reach beyond it.
        colours: the name of a colour map.
    """
    show_drawing(axes, drawing)
    axes.imshow(
        np.asarray(values),
        cmap=colours,
        vmin=-1 if colours == DIVERGING else 0,
        vmax=1,
        alpha=HEAT,
        extent=box,
        interpolation="bilinear",
    )
    axes.set(xlim=(0, 1), ylim=(1, 0))


def show_drawing(axes: "Axes", drawing: "Image") -> None:
    axes.imshow(drawing, extent=(0, 1, 1, 0))
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(RULE)


def answer_png(drawing: "Image", place: object, answer: Mapping[str, Any], colours: object, source: str) -> bytes:
    """One picture of everything that the page says about a drawing.

    Args:
        drawing: the whole pad, square.
        place: where the picture that was read lies in it: `left` and `top` of its corner and the size of one of its
            pixels, `unit`, all as shares of the pad's side.
        answer: what `camloss.serve.answer` returned, with maps as lists; not blank.
        colours: one of `SEQUENTIAL`.
        source: a line that says which models these are.

    Raises:
        CamlossError: place or colours is not such.
    """
    if colours not in SEQUENTIAL:
        raise CamlossError(f"unknown colours {colours!r}; expected one of {', '.join(SEQUENTIAL)}")
    box = _box(place, answer["frame"])
    figure = _figure(11, 5.8)
    grid = figure.add_gridspec(
        2, 4, left=0.02, right=0.98, top=0.86, bottom=0.17, hspace=0.42, wspace=0.12, width_ratios=[2.27, 1.25, 1, 1]
    )
    show_drawing(figure.add_subplot(grid[:, 0]), drawing)
    figure.text(0.02, 0.93, answer["summary"], fontsize=15, color=INK, weight="bold")
    for row, (variant, (name, colour)) in enumerate(TWINS.items()):
        said = answer[variant]
        bars = figure.add_subplot(grid[row, 1])
        bars.bar(range(10), said["probs"], color=colour)
        bars.set(ylim=(0, 1), xticks=range(10), yticks=[])
        bars.tick_params(length=0, labelsize=8, colors=SOFT)
        bars.spines[["top", "left", "right"]].set_visible(False)
        bars.set_title(f"{name}: {said['digit']}", loc="left", fontsize=12, color=colour, weight="bold")
        bars.text(
            0,
            -0.17,
            f"{said['probs'][said['digit']]:.1%} sure; CAM matches CAAM {said['agreement']:.0%}, "
            f"evidence on the ink {said['ink_energy']:.0%}",
            transform=bars.transAxes,
            va="top",
            fontsize=8,
            color=SOFT,
        )
        contrast = said["contrast"]
        cam = figure.add_subplot(grid[row, 2])
        if contrast is None:
            overlay(cam, drawing, said["cam"], box, str(colours))
            cam.set_title(f"CAM: evidence for {said['class_idx']}", loc="left", fontsize=9, color=INK)
        else:
            overlay(cam, drawing, contrast, box, DIVERGING)
            cam.set_title(f"{said['class_idx']} rather than {said['other_idx']}", loc="left", fontsize=9, color=INK)
        caam = figure.add_subplot(grid[row, 3])
        overlay(caam, drawing, said["caam"], box, str(colours))
        caam.set_title("CAAM: all it reacts to", loc="left", fontsize=9, color=INK)
    contrasted = answer["ce"]["contrast"] is not None
    _legend(figure, str(colours), (0.78, 0.045, 0.2, 0.02), "0 least", "most 1")
    if contrasted:
        _legend(figure, DIVERGING, (0.54, 0.045, 0.2, 0.02), f"-1 for {answer['ce']['other_idx']}", "for the digit +1")
    figure.text(0.02, 0.045, source, fontsize=8, color=SOFT)
    return _png(figure)


def card_pictures(images: Any, cams: Any, caams: Any, history: list[dict[str, float]]) -> dict[str, bytes]:
    """The pictures of a model card, as `save_checkpoint` takes them.

    Args:
        images: (N, 1, 28, 28) in [0, 1], a handful.
        cams, caams: (N, H, W) in [0, 1], as in the `Explanation` of those images.
        history: one entry an epoch; see `camloss.training`.
    """
    return {MAPS: heatmap_strip(images, cams, caams), CURVES: training_curves(history)}


def heatmap_strip(images: Any, cams: Any, caams: Any) -> bytes:
    """Digits in a row, below each its CAM and its CAAM on one colour scale, as PNG; arguments as `card_pictures`."""
    rows = {"digit": images[:, 0], "CAM": cams, "CAAM": caams}
    figure = _figure(0.6 * len(images) + 0.4, 2)
    figure.set_layout_engine("compressed")
    axes = figure.subplots(len(rows), len(images), squeeze=False)
    for row, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            colours = "gray" if name == "digit" else SEQUENTIAL[0]
            axis.imshow(np.asarray(picture), cmap=colours, vmin=0, vmax=1, extent=(0, 1, 0, 1))
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, fontsize=8)
    return _png(figure)


def training_curves(history: list[dict[str, float]]) -> bytes:
    """Both parts of the loss and the validation accuracy by epoch, as PNG."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = _figure(7, 2.6)
    figure.set_layout_engine("constrained")
    losses, accuracies = figure.subplots(1, 2)
    epochs = [entry["epoch"] for entry in history]
    for part, name in (("ce", "cross-entropy"), ("cam", "CAM-loss")):
        losses.plot(epochs, [entry[part] for entry in history], marker=".", label=name)
    losses.set(xlabel="epoch", ylabel="training loss", yscale="log")
    losses.legend()
    accuracies.plot(epochs, [entry["validation_accuracy"] for entry in history], marker=".", color="C2")
    accuracies.set(xlabel="epoch", ylabel="validation accuracy")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (losses, accuracies):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, facecolor="white")


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _legend(figure: "Figure", colours: str, place: Box, low: str, high: str) -> None:
    axes = figure.add_axes(place)
    axes.imshow(np.arange(256)[None], cmap=colours, aspect="auto")
    axes.set_axis_off()
    left, bottom, width, _ = place
    figure.text(left, bottom - 0.01, low, fontsize=8, color=SOFT, va="top")
    figure.text(left + width, bottom - 0.01, high, fontsize=8, color=SOFT, va="top", ha="right")


def _box(place: object, frame: list[float]) -> Box:
    """The square that a map covers, as shares of the pad."""
    values = [place.get(name) for name in ("left", "top", "unit")] if isinstance(place, dict) else []
    numbers = [float(value) for value in values if isinstance(value, int | float) and abs(value) < 1e4]
    if len(numbers) != 3:
        raise CamlossError(f"the place of the picture is {place!r}; expected numbers for left, top and unit")
    left, top, unit = numbers
    x, y, scale = (value * unit for value in frame)
    return left + x, left + x + 28 * scale, top + y + 28 * scale, top + y
