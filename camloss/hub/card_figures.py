"""Colour tables, and the figures of a model card. The only module that imports matplotlib, and never pyplot."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from camloss.hub.model_card import CURVES, MAPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEQUENTIAL = ("cividis", "viridis", "inferno")  # perceptually uniform; the first is made for colour-blind eyes too
DIVERGING = "PuOr_r"


def colour_tables() -> dict[str, str]:
    """The page's colour maps: 256 colours each in hexadecimal RGB, lowest value first.

    `camloss/demo/web/colours.json` holds what this returns, so that the page needs no matplotlib.
    """
    from matplotlib import colormaps

    def table(name: str) -> str:
        return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes().hex()

    return {**{name: table(name) for name in SEQUENTIAL}, "diverging": table(DIVERGING), "ink": table("gray")}


def card_pictures(images: Any, cams: Any, caams: Any, history: list[dict[str, float]]) -> dict[str, bytes]:
    """The pictures of a model card, as `save_checkpoint` takes them.

    Args:
        images: (N, 1 or 3, H0, W0) in [0, 1], a handful.
        cams, caams: (N, H, W) in [0, 1], as in the `Explanation` of those images.
        history: one entry an epoch; see `camloss.training`.
    """
    return {MAPS: heatmap_strip(images, cams, caams), CURVES: training_curves(history)}


def heatmap_strip(images: Any, cams: Any, caams: Any) -> bytes:
    """Images in a row, below each its CAM and its CAAM on one colour scale, as PNG; arguments as `card_pictures`."""
    rows = {"image": images[:, 0] if images.shape[1] == 1 else images.movedim(1, -1), "CAM": cams, "CAAM": caams}
    figure = _figure(0.6 * len(images) + 0.4, 2)
    figure.set_layout_engine("compressed")
    axes = figure.subplots(len(rows), len(images), squeeze=False)
    for row, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            colours = "gray" if name == "image" else SEQUENTIAL[0]
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
