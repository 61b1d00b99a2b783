"""For everyone: axe, and the dark."""

import pytest
from playwright.sync_api import FilePayload, Page, expect

from browser.driving import (
    PHONE,
    Open,
    corrupt,
    draw,
    example,
    settled,
    show_example,
)

pytestmark = pytest.mark.browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_no_violation(open_page: Open, scheme: str, device: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(color_scheme=scheme, **(PHONE if device == "phone" else {}))
    violations = []

    def check() -> None:
        for violation in Axe().run(page).response["violations"]:
            nodes = [node["html"] for node in violation["nodes"]]
            violations.append((violation["impact"], violation["id"], nodes[:3]))

    expect(page.get_by_text("Loading...")).to_have_count(0)  # gradio's own, until the page stands
    check()
    page.evaluate("document.querySelectorAll('.examples button')[9].click()")
    settled(page)
    check()
    page.keyboard.press("Delete")
    draw(page, example(3))
    corrupt(page, "clutter")
    expect(page.locator(".finds button").first).to_be_attached()  # they disagree about it
    page.locator("[name=erase]").fill("20")
    settled(page)
    expect(page.locator(".losses")).to_be_visible()
    check()
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(300)  # until its maps are there
        check()
    assert violations == []


def test_dark_mode_is_dark(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    draw(page, example(8))
    assert settled(page)["cam"]["digit"] == 8  # light ink on dark paper reads the same
    shades = page.evaluate(
        """() => ["body", ".paper", ".pad"].map((selector) => {
            const style = getComputedStyle(document.querySelector(selector));
            return (selector === ".pad" ? style.color : style.backgroundColor).match(/[0-9]+/g).slice(0, 3).map(Number);
        })"""
    )
    ground, paper, pen = (sum(shade) / 3 for shade in shades)
    assert ground < 60
    assert paper < 60
    assert pen > 200


@pytest.mark.parametrize("size", [(341, 192), (568, 320), (390, 844)])
def test_the_pad_is_never_too_small_to_draw_on(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    box = page.locator(".paper").bounding_box()
    assert box is not None
    assert box["width"] >= 200


SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"""


@pytest.mark.parametrize("width", [390, 1000, 1280])
def test_no_words_are_cut_with_wide_spacing(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    show_example(page, 3)
    style = page.add_style_tag(content=SPACED)
    for place in page.locator(".summary, .confidence, dd").all():
        assert place.evaluate("(place) => place.scrollHeight <= place.clientHeight + 1"), place.inner_text()
    style.evaluate("(style) => style.remove()")


def test_screen_readers_are_told_once_and_by_name(page: Page) -> None:
    show_example(page, 3)
    said = page.locator(".detail").inner_text()
    tree = page.locator(".board").aria_snapshot()
    assert tree.count(said) == 1
    expect(page.get_by_role("article", name="Cross-entropy", exact=True)).to_have_count(1)
    expect(page.get_by_role("article", name="CAM-loss", exact=True)).to_have_count(1)
    heic: FilePayload = {"name": "a.heic", "mimeType": "image/heic", "buffer": b"no picture"}
    page.locator("[name=photo]").set_input_files(heic)
    expect(page.locator(".spoken")).to_have_text(
        "a.heic is not a picture that the browser can read. Save it as a JPEG."
    )


def test_a_page_from_right_to_left_leaves_the_tabs_beside_the_title(page: Page) -> None:
    page.evaluate("document.documentElement.dir = 'rtl'")
    try:
        title = page.locator("h1").bounding_box()
        assert title is not None
        for tab in page.get_by_role("tab").all():
            box = tab.bounding_box()
            assert box is not None
            assert box["x"] >= title["x"] + title["width"]
            assert box["x"] + box["width"] <= 1280
    finally:
        page.evaluate("document.documentElement.dir = 'ltr'")
