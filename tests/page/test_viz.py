"""The pictures that people take away, and the colours that the page paints with."""

import io
import json

import numpy as np
import pytest
from matplotlib import colormaps
from page_server import WEB
from PIL import Image
from test_serve import SEVEN, drawn

from camloss import CamlossError
from camloss.page import serve, viz
from camloss.twins import Twins

PLACE = {"left": 0.0, "top": 0.0, "unit": 1 / 128}


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def test_page_paints_with_matplotlibs_colours() -> None:
    assert json.loads((WEB / "colours.json").read_text(encoding="utf-8")) == viz.colour_tables()


def test_tables_hold_256_colours_from_low_to_high() -> None:
    table = viz.colour_tables()["viridis"]
    assert len(table) == 256 * 6
    assert table.startswith("440154")
    assert table.endswith("fde725")


def test_answer_shows_the_maps_where_they_belong(twins: Twins) -> None:
    """A change in one corner of one map changes the picture, and only inside that map's axes."""
    answer = serve.answer(twins, SEVEN)
    before = pixels(viz.answer_png(drawn(), PLACE, answer, "viridis", "source"))
    row = answer["ce"]["cam"][0]
    row[0] = 1 - round(row[0])
    after = pixels(viz.answer_png(drawn(), PLACE, answer, "viridis", "source"))
    rows, columns = np.nonzero((before != after).any(-1))
    height, width = before.shape[:2]
    assert len(rows) > 20
    assert np.ptp(rows) < height / 8
    assert np.ptp(columns) < width / 8
    assert rows.max() < height / 2  # the upper row is cross-entropy's
    assert width / 2 < columns.min()


def test_answer_with_a_contrast_is_painted_in_diverging_colours(twins: Twins) -> None:
    plain = pixels(viz.answer_png(drawn(), PLACE, serve.answer(twins, SEVEN, 4), "viridis", "source"))
    contrast = pixels(viz.answer_png(drawn(), PLACE, serve.answer(twins, SEVEN, 4, 9), "viridis", "source"))
    most = np.array(colormaps[viz.DIVERGING](255)[:3]) * 255

    def nearest(picture: np.ndarray) -> float:
        return float(np.abs(picture - most).sum(-1).min())

    assert nearest(contrast) < 3 < nearest(plain)


def test_answer_is_drawn_without_pyplot(twins: Twins) -> None:
    import matplotlib as mpl

    before = mpl.get_backend(auto_select=False)
    viz.answer_png(drawn(), PLACE, serve.answer(twins, SEVEN), "cividis", "source")
    assert mpl.get_backend(auto_select=False) == before


@pytest.mark.parametrize(
    "place",
    [
        None,
        {},
        {"left": 0, "top": 0},
        {**PLACE, "unit": float("nan")},
        {**PLACE, "unit": "1"},
        {**PLACE, "unit": 10**400},
    ],
)
def test_place_that_is_none_is_refused(twins: Twins, place: object) -> None:
    with pytest.raises(CamlossError, match="expected numbers for left, top and unit"):
        viz.answer_png(drawn(), place, serve.answer(twins, SEVEN), "cividis", "source")


def test_colours_that_are_not_offered_are_refused(twins: Twins) -> None:
    with pytest.raises(CamlossError, match="unknown colours 'jet'; expected one of cividis, viridis, inferno"):
        viz.answer_png(drawn(), PLACE, serve.answer(twins, SEVEN), "jet", "source")
