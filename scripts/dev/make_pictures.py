"""Make the pictures of README and docs, and the one that stands for a link to the page.

    python scripts/dev/make_pictures.py                 all of these:
    python scripts/dev/make_pictures.py --only page     docs/page.png, the real page in Chromium
    python scripts/dev/make_pictures.py --only card     camloss/demo/web/card.png, what sites show of a link
    python scripts/dev/make_pictures.py --only styles   docs/synthetic_handwriting.png, forty samples a digit
    python scripts/dev/make_pictures.py --only maps     docs/clothing_maps.jpg, maps of the pair in checkpoints/clothing

All but the handwriting say in their metadata of which pair they are; tests hold that it is the one in checkpoints/.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _root
import torch
from _page import box_of, chromium_page, page
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from camloss import cli, explain, overlay, palette
from camloss.data.pictures import fitted
from camloss.data.synthetic_digits import STYLES, draw_synthetic_digits
from camloss.pair import Pair, described

if TYPE_CHECKING:
    from playwright.async_api import Page

Stroke = dict[str, Any]  # width, and points x, y, x, y, ... in thousandths of the pad

WEB = _root.ROOT / "camloss" / "demo" / "web"
CARD = WEB / "card.png"
SAMPLES = 40  # of each digit
TILE, GAP, LINE, NAMES = 96, 6, 16, 100  # pixels of the maps, between them, of a line of text, and left of them
WRONG = palette.LIGHT["alarm"]  # predictions


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--only", choices=("page", "card", "styles", "maps"), help="make these alone")
    parser.add_argument("--output-dir", type=Path, default=_root.ROOT / "docs", help="folder for the pictures")
    flags = parser.parse_args()
    flags.output_dir.mkdir(parents=True, exist_ok=True)
    if flags.only in (None, "styles"):
        draw_samples(flags.output_dir / "synthetic_handwriting.png")
        print(flags.output_dir / "synthetic_handwriting.png")
    if flags.only in (None, "maps"):
        draw_maps(_root.ROOT / "checkpoints" / "clothing", flags.output_dir / "clothing_maps.jpg")
        print(flags.output_dir / "clothing_maps.jpg")
    if flags.only in (None, "page"):
        with page() as url:
            asyncio.run(photograph_page(url, flags.output_dir / "page.png"))
        print(flags.output_dir / "page.png")
    if flags.only in (None, "card"):
        with page() as url:
            asyncio.run(make_card(url, CARD))
        print(CARD)


def strokes_of(digit: int) -> list[Stroke]:
    examples = json.loads((WEB / "examples.json").read_text(encoding="utf-8"))
    strokes: list[Stroke] = next(example["strokes"] for example in examples if example["label"] == digit)
    return strokes


def draw_samples(path: Path) -> None:
    """A row a digit; its writing styles take turns."""
    rows = []
    for digit in range(10):
        styles = [name for name, (label, _) in STYLES.items() if label == digit]
        drawn = draw_synthetic_digits(math.ceil(SAMPLES / len(styles)), seed=0, styles=styles).images[:, 0]
        turns = drawn.unflatten(0, (len(styles), -1)).transpose(0, 1).flatten(0, 1)[:SAMPLES]  # (40, 28, 28)
        rows.append(turns.transpose(0, 1).flatten(1))  # (28, 40 * 28)
    Image.fromarray(torch.cat(rows).numpy()).save(path, optimize=True)


def draw_maps(folder: Path, path: Path) -> None:
    """Below each example of a pair of pictures the CAM of its class from each variant, and what that predicts."""
    pair = Pair.load(folder)
    assert pair.images is not None
    classes, examples = pair.images.classes, sorted((folder / "examples").iterdir())
    size = NAMES + len(examples) * (TILE + GAP), LINE + TILE + len(pair.variants) * (GAP + TILE + LINE)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LINE - 4)
    tops = {variant: LINE + TILE + GAP + row * (TILE + LINE + GAP) for row, variant in enumerate(pair.variants)}
    for variant, top in tops.items():
        pen.text((0, top + TILE // 2), described(variant).title, "black", font)
    for column, example in enumerate(examples):
        left, label = NAMES + column * (TILE + GAP), classes.index(example.stem)
        with Image.open(example) as opened:
            seen = fitted(opened, pair.images.image_size)  # (3, H, W) uint8
        large = Image.fromarray(seen.movedim(0, -1).numpy()).resize((TILE, TILE), Image.Resampling.BICUBIC)
        pen.text((left, 0), classes[label], "black", font)
        sheet.paste(large, (left, LINE))
        for variant, model in pair.models.items():
            found = explain(model, seen[None].float() / 255, label)
            sheet.paste(overlay(large, found.cam[0]), (left, tops[variant]))
            prob, predicted = found.probs[0].max(0)
            words = f"{classes[predicted]} {prob:.0%}"
            pen.text((left, tops[variant] + TILE), words, "black" if predicted == label else WRONG, font)
    sheet.save(path, quality=85, comment=pair.source)


async def photograph_page(url: str, path: Path) -> None:
    async with chromium_page(url, device_scale_factor=1.5) as tab:
        source = await see_opening(tab)
        await tab.screenshot(path=path)
    sign(path, source)


async def make_card(url: str, path: Path) -> None:
    """The picture that *Save picture* makes, but for the address: nobody knows where the page will stand."""
    async with chromium_page(url) as tab:
        source = await see_opening(tab)
        await tab.evaluate(
            """() => {
                const { fillText } = CanvasRenderingContext2D.prototype;
                CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
                    if (!text.startsWith(location.origin)) fillText.call(this, text, ...rest);
                };
            }"""
        )
        async with tab.expect_download() as saved:
            await tab.get_by_role("button", name="Save picture").click()
        await (await saved.value).save_as(path)
    sign(path, source)


def sign(path: Path, source: str) -> None:
    """Note in a picture of which pair it is; in all its colours, so that maps have no bands."""
    note = PngInfo()
    note.add_text("Source", source)
    Image.open(path).convert("RGB").save(path, optimize=True, pnginfo=note)


async def see_opening(tab: "Page") -> str:
    """Wait until the page has shown what a first visit begins with, to its end; the answer's source."""
    await tab.wait_for_selector(".board.your-turn", timeout=60_000)
    return await source_of(tab)


async def draw(tab: "Page", strokes: list[Stroke], after_point: Callable[[], Awaitable[None]] | None = None) -> str:
    """With the mouse, point by point; wait for the answer, and give its source."""
    await tab.wait_for_selector("[data-ready]", state="attached")
    box = await box_of(tab, ".pad")
    for stroke in strokes:
        points = zip(stroke["points"][::2], stroke["points"][1::2], strict=True)
        places = [(box["x"] + x / 1000 * box["width"], box["y"] + y / 1000 * box["height"]) for x, y in points]
        await tab.mouse.move(*places[0])
        await tab.mouse.down()
        for place in places[1:]:
            await tab.mouse.move(*place)
            if after_point:
                await after_point()
        await tab.mouse.up()
    await tab.mouse.move(0, 0)
    return await source_of(tab)


async def source_of(tab: "Page") -> str:
    """Of the answer, once it is there."""
    await tab.wait_for_selector(".answer[aria-busy=false]")
    return str(await tab.evaluate("document.querySelector('[data-ready]').answer.source"))


if __name__ == "__main__":
    cli.run(main)
