"""Record docs/clutter.webp, the moving picture of README: a digit is drawn, then clutter is added around it.

    python scripts/dev/make_animation.py > docs/records/animation.md

The real page in Chromium. Ten digits are drawn with 20 draws of clutter each; the recording takes the digit that the CE
model misreads and the CAM-loss model reads most often. The caption says how often that is, for all ten.
"""

import asyncio
import io
from pathlib import Path
from typing import TYPE_CHECKING

from _page import box_of, chromium_page, page
from _root import ROOT
from make_pictures import draw, strokes_of
from PIL import Image

from camloss import cli

if TYPE_CHECKING:
    from playwright.async_api import Page

PATH = ROOT / "docs" / "clutter.webp"
DRAWS = 20  # of clutter, for each digit
SHOWN = 3  # of them in the recording
VIEWPORT = {"width": 1080, "height": 1200}  # pixels; the page does not scroll
Answers = list[tuple[int, int]]  # what the CE model and the CAM-loss model read, draw by draw


def main() -> None:
    cli.Parser(__doc__).parse_args()
    print(asyncio.run(record(PATH)))


async def record(path: Path) -> str:
    """Make the recording; returns its caption."""
    with page() as url:
        async with chromium_page(url, viewport=VIEWPORT) as tab:
            answers = {digit: await answers_among_clutter(tab, digit) for digit in range(10)}
        digit = max(answers, key=lambda digit: (held(digit, answers[digit][:SHOWN]), held(digit, answers[digit])))
        async with chromium_page(url, viewport=VIEWPORT) as tab:
            frames, source = await film(tab, digit)
    first, *others = [Image.open(io.BytesIO(picture)).convert("RGB") for picture, _ in frames]
    durations = [duration for _, duration in frames]
    first.save(
        path, save_all=True, append_images=others, duration=durations, loop=0, quality=70, method=6, xmp=source.encode()
    )
    return caption(digit, answers)


def held(digit: int, answers: Answers) -> int:
    """For how many draws of clutter the CE model misreads the digit and the CAM-loss model reads it."""
    return sum(ce != digit and cam == digit for ce, cam in answers)


def caption(digit: int, answers: dict[int, Answers]) -> str:
    draws = sum(map(len, answers.values()))
    right = [sum(read[model] == digit for digit, reads in answers.items() for read in reads) for model in (0, 1)]
    return (
        f"A {digit}, then {SHOWN} draws of clutter. Of {draws} drawings with clutter (ten digits, {DRAWS} draws each), "
        f"the cross-entropy model reads {right[0]} correctly and the CAM-loss model {right[1]}. The {digit} is shown "
        f"because they differ most there: in {held(digit, answers[digit])} of {DRAWS} draws, only CAM-loss reads it "
        "correctly."
    )


async def answers_among_clutter(tab: "Page", digit: int) -> Answers:
    await tab.evaluate("sessionStorage.clear()")  # the page would bring back the drawing
    await tab.reload()
    await draw(tab, strokes_of(digit))
    await add_clutter(tab)
    answers = []
    for _ in range(DRAWS):
        answers.append(await reading(tab))
        await tab.locator("[data-do=another]").click()
    return answers


async def add_clutter(tab: "Page") -> None:
    await tab.locator("[data-do=clutter]").click()
    await tab.evaluate("document.querySelector('.corruptions').open = true")  # where another draw is to be had


async def reading(tab: "Page") -> tuple[int, int]:
    await tab.wait_for_selector(".answer[aria-busy=false]")
    found = await tab.evaluate("(({ce, cam}) => [ce.digit, cam.digit])(document.querySelector('[data-ready]').answer)")
    return found[0], found[1]


async def film(tab: "Page", digit: int) -> tuple[list[tuple[bytes, int]], str]:
    """Pictures of the page, each with how long it is shown, in ms; and of which pair they are."""
    frames: list[tuple[bytes, int]] = []
    board, pad = await box_of(tab, ".board"), await box_of(tab, ".pad")
    area = {**board, "height": pad["y"] + pad["height"] - board["y"]}

    async def shoot(duration: int) -> None:
        frames.append((await tab.screenshot(clip=area), duration))  # type: ignore[arg-type]

    source = await draw(tab, strokes_of(digit), after_point=lambda: shoot(60))
    await shoot(1500)
    await add_clutter(tab)
    for _ in range(SHOWN):
        await reading(tab)
        await shoot(1800)
        await tab.locator("[data-do=another]").click()
    return frames, source


if __name__ == "__main__":
    cli.run(main)
