"""One palette: what the page's style, theme and saved pictures are made from."""

import re

from page_server import ROOT, WEB

from camloss import palette
from camloss.losses import PAIR

HEXADECIMAL = re.compile(r"#[0-9a-fA-F]{6}\b")


def test_every_colour_is_there_by_day_and_by_night() -> None:
    assert palette.LIGHT.keys() == palette.DARK.keys()
    for colour in (*palette.LIGHT.values(), *palette.DARK.values()):
        assert HEXADECIMAL.fullmatch(colour)


def test_each_variant_has_its_colour() -> None:
    assert set(PAIR) <= set(palette.OF_VARIANT)
    keys = list(palette.OF_VARIANT.values())
    assert len(set(keys)) == len(keys)
    assert set(keys) <= palette.LIGHT.keys()


def test_no_file_repeats_a_colour_of_the_palette() -> None:
    pages = (path for kind in ("css", "html", "js") for path in WEB.glob(f"*.{kind}"))
    files = [*pages, *(ROOT / "camloss").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    repeated = {
        (path.name, colour)
        for path in [*files, ROOT / "app.py"]
        if path.name != "palette.py"
        for colour in HEXADECIMAL.findall(path.read_text(encoding="utf-8"))
    }
    assert repeated == set()


def test_styles_use_only_colours_that_there_are() -> None:
    style = palette.custom_properties()
    for name, colour in palette.LIGHT.items():
        assert f"--{name}: {colour};" in style.partition(".dark")[0]
    given = {"mono", "model", "share", "body-text-color", "body-text-color-subdued"}  # the last two by gradio
    for path in WEB.glob("*.css"):
        text = path.read_text(encoding="utf-8")
        own = set(re.findall(r"--([a-z-]+):", text))
        used = set(re.findall(r"var\(--([a-z-]+)", text))
        assert used - own - given <= palette.LIGHT.keys(), path.name
