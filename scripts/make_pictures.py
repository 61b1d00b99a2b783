"""Make the README's pictures from the real page in Chromium: python scripts/make_pictures.py [--digit 8]"""

import argparse
import json
from pathlib import Path
from typing import Any

from _checkout import ROOT
from _page import chromium_page, page

from camloss import cli

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digit", type=int, default=8, help="which of the page's examples to draw (default: 8)")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "docs", help="where to (default: docs)")
    flags = parser.parse_args()
    flags.output_dir.mkdir(parents=True, exist_ok=True)
    examples = json.loads((ROOT / "camloss" / "web" / "examples.json").read_text())
    strokes = next(example["strokes"] for example in examples if example["label"] == flags.digit)
    with page() as url:
        with chromium_page(url, device_scale_factor=2) as tab:
            draw(tab, strokes)
            tab.screenshot(path=flags.output_dir / "page.png")
            with tab.expect_download() as saved:
                tab.get_by_role("button", name="Save picture").click()
            saved.value.save_as(flags.output_dir / "answer.png")
        with chromium_page(url, color_scheme="dark", device_scale_factor=2, **PHONE) as tab:
            draw(tab, strokes)
            tab.screenshot(path=flags.output_dir / "phone-dark.png")
    for name in ("page.png", "answer.png", "phone-dark.png"):
        print(flags.output_dir / name)


def draw(tab: Any, strokes: list[dict[str, Any]]) -> None:
    """With the mouse, point by point, and wait for the answer."""
    tab.wait_for_selector("[data-ready]", state="attached")
    box = tab.locator(".pad").bounding_box()
    for stroke in strokes:
        points = zip(stroke["points"][::2], stroke["points"][1::2], strict=True)
        places = [(box["x"] + x / 1000 * box["width"], box["y"] + y / 1000 * box["height"]) for x, y in points]
        tab.mouse.move(*places[0])
        tab.mouse.down()
        for place in places[1:]:
            tab.mouse.move(*place)
        tab.mouse.up()
    tab.mouse.move(0, 0)
    tab.wait_for_selector(".answer[aria-busy=false]")


if __name__ == "__main__":
    cli.run(main)
