"""Pictures, JSON and links that can be taken away."""

import base64
import json

import pytest
import torch
from page_server import WEB, PageServer
from PIL import Image
from playwright.sync_api import Page, expect

from browser.driving import VARIANTS, Open, asked_again, draw, example, ink, numbers, settle_in, settled, show_example

pytestmark = pytest.mark.browser


SHARING = """() => {
    navigator.canShare = ({ files }) => files.length === 1 && files[0].type === "image/png";
    navigator.share = async ({ files, title, text, url }) => {
        window.shared = { title, text, url, size: files[0].size };
        if (window.refuse) throw new DOMException("no", "AbortError");
    };
}"""


def test_a_phone_shares_picture_summary_and_link(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Share")).to_have_count(0)  # where a browser cannot share
    page.context.add_init_script(f"({SHARING})()")
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    share = page.get_by_role("button", name="Share")
    expect(share).to_be_disabled()
    draw(page, example(6))
    settled(page)
    for refuse in (False, True):
        page.evaluate(f"window.refuse = {str(refuse).lower()}; window.shared = null")
        share.click()
        page.wait_for_function("window.shared")
        shared = page.evaluate("window.shared")
        assert shared["title"] == page.title()
        said = [page.locator(place).inner_text() for place in (".verdict", ".detail")]
        assert shared["text"] == " ".join(said)
        assert shared["url"] == page.url
        assert "#draw=" in shared["url"]
        assert shared["size"] > 10_000


def test_picture_and_json_can_be_saved(page: Page) -> None:
    for name in ("Save picture", "Save JSON", "Copy link"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    show_example(page, 4)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save picture").click()
    assert saved.value.suggested_filename == "camloss.png"
    assert Image.open(saved.value.path()).format == "PNG"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save JSON").click()
    data = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert data["strokes"] == example(4)
    assert data["cam"]["probs"] == answer["cam"]["probs"]
    saved_map = torch.tensor(data["ce"]["contrast"]).flatten()
    torch.testing.assert_close(saved_map, numbers(answer["ce"]["contrast"], -1), atol=6e-4, rtol=0)
    assert torch.tensor(data["seen"]).shape == (28, 28)


NOTE_TEXTS = """() => {
    window.texts = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        window.texts.push(text);
        return fillText.call(this, text, ...rest);
    };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_saved_picture_says_what_the_page_says(open_page: Open, page_server: PageServer, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.locator("[name=smooth]").uncheck()
    page.locator("[name=opacity]").fill("1")
    show_example(page, 9)
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    answer = settled(page)
    page.evaluate(NOTE_TEXTS)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save picture").click()
    texts = page.evaluate("window.texts")
    picture = Image.open(saved.value.path()).convert("RGB")
    assert picture.size == (1200, 630)
    assert {page.title(), page_server.url, answer["source"]} <= set(texts)
    for place in (".verdict", ".detail"):
        assert page.locator(place).inner_text() in " ".join(texts)
    legend = page.locator(".legend [data-end]").all_text_contents()
    assert {legend[0], legend[2]} <= set(texts)
    palette = json.loads((WEB / "colours.json").read_text(encoding="utf-8"))["diverging"]
    table = [tuple(int(palette[6 * i + 2 * c : 6 * i + 2 * c + 2], 16) for c in range(3)) for i in range(256)]
    for number, variant in enumerate(VARIANTS):
        column = page.locator(f"[data-variant={variant}]")
        title, digit, confidence = (column.locator(place).inner_text() for place in ("h2", ".digit", ".confidence"))
        assert confidence == ">99.9%"
        assert texts.count(confidence) == 2
        area, energy = column.locator("dd").all_text_contents()
        assert {f"{title}: {digit}", f"{area} of the image above half, {energy} on the strokes"} <= set(texts)
        assert texts.count("Evidence for 4 rather than 9") == 2
        # A cell beside the ink has the colour of its value.
        x, y = 40 + (number + 1) * 388 + round(344 * 8.5 / 14), 196 + round(344 * 1.5 / 14)
        painted = picture.getpixel((x, y))
        assert isinstance(painted, tuple)
        truth = table[base64.b64decode(answer[variant]["contrast"])[14 * 1 + 8]]
        assert max(abs(a - b) for a, b in zip(painted, truth, strict=True)) <= 3
    assert picture.getpixel((5, 5)) == (247, 246, 242)  # the page's ground, in the dark as well


def test_a_link_with_too_many_points_is_refused_in_one_line(open_page: Open) -> None:
    strokes = base64.b64encode(b"\x41" + bytes([0xC0, 0x9A, 0x0C]) + b"\x01" * 400_000).decode().rstrip("=")
    page = open_page(f"#draw={strokes}")  # a stroke of 200,000 points
    expect(page.locator(".verdict")).to_contain_text("more than 10,000 points is too long for a link")
    assert ink(page) == 0
    draw(page, example(1))
    assert settled(page)["cam"]["digit"] == 1


def test_a_link_reproduces_drawing_and_question(page: Page, open_page: Open) -> None:
    draw(page, example(6))
    page.locator("[name=class]").select_option("6")
    page.locator("[name=other]").select_option("0")
    answer = settled(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert len(link) < 2000
    other = open_page("#" + link.partition("#")[2])
    assert asked_again(other) == answer


def test_later_work_wins_over_the_link_that_was_opened(page: Page) -> None:
    draw(page, example(6))
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "#draw=" in page.url
    page.keyboard.press("Delete")
    draw(page, example(1))
    assert "#draw=" not in page.url
    page.reload()
    page.wait_for_function("document.querySelector('[data-ready]')?.answer")
    assert settled(page)["cam"]["digit"] == 1


def test_a_broken_link_gives_a_blank_pad(open_page: Open, page_server: PageServer) -> None:
    page = open_page("#draw=")
    for broken in ("%00", "____", "gICAgICAgICAgICAgICA", "AQ", "AQEB&class=12"):
        page.goto("about:blank")
        page.goto(f"{page_server.url}#draw={broken}")
        page.wait_for_selector("[data-ready]", state="attached")
        assert ink(page) == 0
        assert page.locator("[name=class]").input_value() == ""
    draw(page, example(1))
    assert settled(page)["cam"]["digit"] == 1
