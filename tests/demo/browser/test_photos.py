"""Photos in place of drawings."""

import base64
import io

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from browser.driving import VARIANTS, draw, example, ink, photo, settled, where

pytestmark = pytest.mark.browser


GIVE_FILE = """([bytes, event, selector]) => {
    const transfer = new DataTransfer();
    const data = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    transfer.items.add(new File([data], "digit.jpg", { type: "image/jpeg" }));
    const options = { bubbles: true, cancelable: true };
    const made = event === "paste" ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
                                   : new DragEvent(event, { ...options, dataTransfer: transfer });
    document.querySelector(selector).dispatchEvent(made);
}"""


def test_a_photo_is_sent_once(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    file: FilePayload = {"name": "digit.jpg", "mimeType": "image/jpeg", "buffer": photo(5)}
    page.locator("[name=photo]").set_input_files(file)
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    page.locator("[name=class]").select_option("3")
    answer = settled(page)
    assert [answer[variant]["class_idx"] for variant in VARIANTS] == [3, 3]
    assert where(page) == "in your browser"
    assert len([url for url in asked if "component_server" in url]) == 1


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_photo_is_read(page: Page, way: str) -> None:
    if way == "choose":
        file: FilePayload = {"name": "digit.jpg", "mimeType": "image/jpeg", "buffer": photo(5)}
        page.locator("[name=photo]").set_input_files(file)
    else:
        data = base64.b64encode(photo(5)).decode()
        page.evaluate(GIVE_FILE, [data, way, ".paper" if way == "drop" else "body"])
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    answer = settled(page)
    assert [answer[variant]["digit"] for variant in VARIANTS] == [5, 5]
    expect(page.get_by_role("button", name="Copy link")).to_be_disabled()  # a link holds strokes alone
    draw(page, example(3))
    assert settled(page)["cam"]["digit"] == 3  # drawing takes the photo's place
    page.get_by_role("button", name="Undo").click()
    assert settled(page)["cam"]["digit"] == 5


def test_a_drop_beside_the_pad_stays_on_the_page(page: Page) -> None:
    page.evaluate("() => addEventListener('drop', (event) => (window.left = !event.defaultPrevented))")
    page.evaluate(GIVE_FILE, [base64.b64encode(photo(5)).decode(), "drop", ".answer"])
    assert page.evaluate("window.left") is False
    assert ink(page) == 0


def test_a_photo_without_a_digit_is_said_to_have_none(page: Page) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), (205, 200, 190)).save(file, "JPEG")
    page.locator("[name=photo]").set_input_files(
        {"name": "paper.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    expect(page.locator(".verdict")).to_have_text("No digit found in this photo: crop closer, avoid shadows.")
    page.keyboard.press("Delete")
    expect(page.locator(".verdict")).to_have_text("Draw a digit, or take an example.")


def test_a_file_that_is_no_picture_is_said_to_be_none(page: Page) -> None:
    page.locator("[name=photo]").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no"})
    expect(page.locator(".verdict")).to_have_text("notes.txt is not a picture that the browser can read.")
