"""The colours that the page paints with."""

import json

from page_server import WEB

from camloss.hub import card_figures


def test_page_paints_with_matplotlibs_colours() -> None:
    assert json.loads((WEB / "colours.json").read_text(encoding="utf-8")) == card_figures.colour_tables()


def test_tables_hold_256_colours_from_low_to_high() -> None:
    table = card_figures.colour_tables()["viridis"]
    assert len(table) == 256 * 6
    assert table.startswith("440154")
    assert table.endswith("fde725")
