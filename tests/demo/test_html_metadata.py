"""What the page says of itself to those who show its link."""

import re
import urllib.request
from pathlib import Path

import pytest
from page_server import ROOT, PageServer
from PIL import Image

from camloss.demo import html_metadata
from camloss.demo.web_files import WEB
from camloss.pair import Pair


def tags(page: str) -> dict[str, str]:
    found = re.findall(r'<meta\s+(?:property|name)="((?:og|twitter):[^"]+)"\s+content="([^"]*)"', page)
    assert len(dict(found)) == len(found)  # each once
    return dict(found)


def test_a_link_shows_the_pages_own_title_and_picture(page_server: PageServer) -> None:
    with urllib.request.urlopen(page_server.url, timeout=30) as answer:
        page = answer.read().decode()
    told = tags(page)
    assert re.findall("<title>(.*?)</title>", page) == [told["og:title"]] == ["CAM-loss: what two networks look at"]
    assert told["og:description"] == html_metadata.DESCRIPTION
    assert told["og:image"] == f"{page_server.url}{html_metadata.CARD}"
    assert told["twitter:card"] == "summary_large_image"
    assert "gradio" not in " ".join(told.values()).lower()
    with urllib.request.urlopen(told["og:image"], timeout=30) as picture:
        assert picture.headers["Content-Type"] == "image/png"
        assert picture.read() == (WEB / "card.png").read_bytes()


def test_the_picture_has_the_size_that_is_told() -> None:
    with Image.open(WEB / "card.png") as picture:
        assert picture.size == (1200, 630)


@pytest.mark.parametrize("path", [WEB / "card.png", ROOT / "docs" / "page.png"], ids=lambda path: path.name)
def test_the_pictures_are_small_and_of_the_pair_that_is_shipped(path: Path) -> None:
    """Fails when checkpoints/ has changed: run python scripts/dev/make_pictures.py."""
    assert path.stat().st_size < 400_000
    with Image.open(path) as picture:
        assert picture.mode == "RGB"  # a palette would put bands into the maps
        assert picture.info["Source"] == Pair.load(ROOT / "checkpoints").source
