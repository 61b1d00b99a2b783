"""The Images tab: a picture of the visitor's, or an example, read by two networks of pictures."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_images import CLASSES, SIZE, file_of, write_image_pair
from page_server import PageServer
from playwright.sync_api import Browser, FilePayload, Locator, Page, Request, expect
from untrained import write_pair

import camloss
from browser.driving import PHONE, VARIANTS, Open, ink
from camloss.demo import images, inference
from camloss.pair import Pair
from camloss.study.photo_report import photo_answer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GIVE_FILE = """([bytes, event, selector, name, type]) => {
    const transfer = new DataTransfer();
    const data = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    transfer.items.add(new File([data], name, { type }));
    const options = { bubbles: true, cancelable: true };
    const made = event === "paste" ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
                                   : new DragEvent(event, { ...options, dataTransfer: transfer });
    document.querySelector(selector).dispatchEvent(made);
}"""
NUMBER = {name: i for i, name in enumerate(CLASSES)}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of digits, and two pairs of pictures: "images", and "without" examples."""
    folder = write_pair(tmp_path_factory.mktemp("both") / "checkpoints")
    write_image_pair(folder / "images")
    write_image_pair(folder / "without", examples=False)
    return folder


@pytest.fixture(scope="module")
def both(checkpoints: Path) -> Iterator[PageServer]:
    server = PageServer(checkpoints.parent / "log.txt", CAMLOSS_CHECKPOINTS=str(checkpoints))
    yield server
    server.kill()


@pytest.fixture
def images_page(open_page: Open, both: PageServer) -> Page:
    return show_tab(open_page(server=both))


def show_tab(page: Page) -> Page:
    """Open the tab, and wait until its first example is answered."""
    page.get_by_role("tab", name="Images").click()
    page.wait_for_selector("#images [data-ready]", state="attached")
    page.wait_for_function("document.querySelector('#images [data-ready]').answer")
    answered(page)
    return page


def tab(page: Page) -> Locator:
    return page.locator("#images")


def answered(page: Page) -> Any:
    """Wait until the newest question is answered, and give the answer."""
    expect(tab(page).locator(".answer")).to_have_attribute("aria-busy", "false")
    return page.evaluate("document.querySelector('#images [data-ready]').answer")


def new_answer(page: Page, before: Any) -> Any:
    """The answer to another question than the one that was answered `before`."""
    page.wait_for_function(
        "(before) => JSON.stringify(document.querySelector('#images [data-ready]').answer) !== before",
        arg=json.dumps(before, separators=(",", ":"), ensure_ascii=False),
    )
    return answered(page)


def choose(page: Page, content: bytes, name: str = "mine.png", kind: str = "image/png") -> None:
    file: FilePayload = {"name": name, "mimeType": kind, "buffer": content}
    tab(page).locator("[name=choose]").set_input_files(file)


def asked_in(request: Request) -> dict[str, Any]:
    return dict(json.loads(request.post_data or "{}")["data"])


def is_question(request: Request) -> bool:
    return "component_server" in request.url


def named(answer: Any, variant: str) -> str:
    return str(CLASSES[answer[variant]["predicted"]])


# ---- pictures


def test_the_first_visit_shows_an_example_answered(images_page: Page) -> None:
    answer = answered(images_page)
    for variant in VARIANTS:
        column = tab(images_page).locator(f"[data-variant={variant}]")
        expect(column.locator(".predicted b")).to_have_text(named(answer, variant))
        for kind in ("cam", "caam"):
            assert ink(images_page, f"#images [data-variant={variant}] [data-map={kind}] canvas") > 10_000
        expect(column.locator(".classes button:visible")).to_have_count(3)
    expect(tab(images_page).locator(".pad")).to_have_attribute("aria-label", "Picture: disc")
    expect(tab(images_page).locator(".source")).to_contain_text("computed on the server")
    expect(tab(images_page).locator(".fine").first).to_have_text(
        "Your picture goes to the server to be read, and is not kept."
    )
    told = [tab(images_page).locator(place).inner_text() for place in (".verdict", ".detail")]
    assert tab(images_page).locator(".spoken").inner_text() == " ".join(told)


def test_what_the_study_found_stands_beside_the_networks(images_page: Page) -> None:
    found = photo_answer(Path(camloss.__file__).parent.parent / "docs" / "records" / "photos")
    assert "Supported: " in found
    expect(tab(images_page).locator(".study")).to_have_text(found)


@pytest.mark.parametrize("way", ["choose", "paste", "drop"])
def test_a_picture_is_scaled_down_sent_and_answered(images_page: Page, checkpoints: Path, way: str) -> None:
    content = file_of("square", "JPEG", 1200, 900)
    before = answered(images_page)
    with images_page.expect_request(is_question) as sent:
        if way == "choose":
            choose(images_page, content, "mine.jpg", "image/jpeg")
        else:
            place = "#images .board" if way == "drop" else "body"
            given = [base64.b64encode(content).decode(), way, place, "mine.jpg", "image/jpeg"]
            images_page.evaluate(GIVE_FILE, given)
    answer = new_answer(images_page, before)
    picture = asked_in(sent.value)["picture"]
    width, height = struct.unpack(">II", base64.b64decode(picture.partition(",")[2])[16:24])
    assert (width, height) == (128, 2 * SIZE)
    truth = images.answer(Pair.load(checkpoints / "images"), picture, encode=inference.as_bytes)
    assert {**answer, "source": ""} == {**json.loads(json.dumps(truth)), "source": ""}
    expect(tab(images_page).locator(".pad")).to_have_attribute("aria-label", "Picture: mine.jpg")


def test_an_example_can_be_taken(images_page: Page) -> None:
    before = answered(images_page)
    tab(images_page).get_by_role("button", name="Example: long stripe").click()
    new_answer(images_page, before)
    expect(tab(images_page).locator(".pad")).to_have_attribute("aria-label", "Picture: long stripe")


def test_a_phone_offers_its_camera(open_page: Open, both: PageServer) -> None:
    page = show_tab(open_page(server=both, **PHONE))
    expect(tab(page).get_by_role("button", name="Take a photo")).to_be_visible()
    assert tab(page).locator("[name=camera]").get_attribute("capture") == "environment"
    before = answered(page)
    file: FilePayload = {"name": "image.jpg", "mimeType": "image/jpeg", "buffer": file_of("square", "JPEG")}
    tab(page).locator("[name=camera]").set_input_files(file)
    new_answer(page, before)


def test_a_desktop_offers_none(images_page: Page) -> None:
    expect(tab(images_page).get_by_role("button", name="Take a photo")).to_be_hidden()


def test_what_is_pasted_goes_to_the_tab_that_is_shown(images_page: Page) -> None:
    before = answered(images_page)
    given = [base64.b64encode(file_of("square")).decode(), "paste", "body", "a.png", "image/png"]
    images_page.evaluate(GIVE_FILE, given)
    new_answer(images_page, before)
    assert images_page.evaluate("document.querySelector('#draw [data-ready]').answer") is None
    images_page.get_by_role("tab", name="Draw").click()
    images_page.evaluate(GIVE_FILE, [base64.b64encode(file_of("disc")).decode(), *given[1:]])
    images_page.wait_for_function("document.querySelector('#draw [data-ready]').answer")
    expect(tab(images_page).locator(".pad")).to_have_attribute("aria-label", "Picture: a.png")


# ---- questions


def test_any_class_can_be_explained_and_held_against_another(images_page: Page) -> None:
    before = answered(images_page)
    tab(images_page).locator("[name=class]").select_option(label="long stripe")
    answer = new_answer(images_page, before)
    assert [answer[variant]["class_idx"] for variant in VARIANTS] == [2, 2]
    captions = tab(images_page).locator("[data-map=cam] figcaption b")
    expect(captions).to_have_text(["Evidence for long stripe"] * 2)
    tab(images_page).locator("[name=other]").select_option(label="disc")
    answer = new_answer(images_page, answer)
    assert all(answer[variant]["contrast"] for variant in VARIANTS)
    expect(captions).to_have_text(["Evidence for long stripe rather than disc"] * 2)
    expect(tab(images_page).locator("[data-end=low]")).to_have_text("\N{MINUS SIGN}1 for disc")
    expect(tab(images_page).locator("[data-end=high]")).to_have_text("for long stripe +1")
    expect(tab(images_page).locator(".detail")).to_contain_text("Evidence for long stripe rather than disc: ")
    expect(tab(images_page).locator("[name=other] option[value='2']")).to_be_disabled()


def test_a_listed_class_is_explained_by_a_click_or_a_key(images_page: Page) -> None:
    before = answered(images_page)
    rows = tab(images_page).locator("[data-variant=cam] .classes button")
    second = rows.nth(1)
    name = second.locator("span").inner_text()
    second.click()
    answer = new_answer(images_page, before)
    assert answer["ce"]["class_idx"] == NUMBER[name]
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(tab(images_page).locator("[name=class]")).to_have_value(str(NUMBER[name]))
    second.focus()
    images_page.keyboard.press("Enter")
    new_answer(images_page, answer)
    expect(tab(images_page).locator("[name=class]")).to_have_value("")


def test_another_picture_is_not_asked_the_old_question(images_page: Page) -> None:
    before = answered(images_page)
    tab(images_page).locator("[name=class]").select_option("2")
    tab(images_page).locator("[name=erase]").fill("20")
    answer = new_answer(images_page, before)
    with images_page.expect_request(is_question) as sent:
        choose(images_page, file_of("square"))
    new_answer(images_page, answer)
    asked = asked_in(sent.value)
    assert {name: asked[name] for name in ("class_idx", "other_idx", "erase")} == {
        "class_idx": None,
        "other_idx": None,
        "erase": 0,
    }
    expect(tab(images_page).locator(".erase output")).to_have_text("0%")


def test_erasing_leaves_holes_and_says_what_is_lost(images_page: Page) -> None:
    before = answered(images_page)
    whole = [ink(images_page, f"#images [data-variant={variant}] [data-map=cam] canvas") for variant in VARIANTS]
    expect(tab(images_page).locator(".losses")).to_be_hidden()
    tab(images_page).locator("[name=erase]").fill("25")
    answer = new_answer(images_page, before)
    expect(tab(images_page).locator(".erase output")).to_have_text("25%")
    expect(tab(images_page).locator(".losses")).to_be_visible()
    for variant, row, filled in zip(VARIANTS, tab(images_page).locator(".losses tbody tr").all(), whole, strict=True):
        left = ink(images_page, f"#images [data-variant={variant}] [data-map=cam] canvas")
        assert left / filled == pytest.approx(0.75, abs=0.01)  # 9 of 36 positions
        loss = answer[variant]["loss"]
        name = CLASSES[loss["before"]]
        assert row.locator("td").all_text_contents() == [
            f"{'still' if loss['top']['now'] == loss['before'] else 'now'} {named(answer, variant)} "
            f"({round(100 * loss['top']['prob'])}%)",
            f"{name} in {loss['elsewhere']['kept']} of 5 ({round(100 * loss['elsewhere']['prob'])}%)",
            f"{'still' if loss['middle']['now'] == loss['before'] else 'now'} {CLASSES[loss['middle']['now']]} "
            f"({round(100 * loss['middle']['prob'])}%)",
        ]
    tab(images_page).locator("[name=erase]").fill("0")
    new_answer(images_page, answer)
    expect(tab(images_page).locator(".losses")).to_be_hidden()


def test_other_networks_bring_their_classes_and_examples(images_page: Page) -> None:
    with images_page.expect_request(is_question) as sent:
        tab(images_page).locator("[name=networks]").select_option("without")
    assert asked_in(sent.value)["networks"] == "without"
    answered(images_page)
    expect(tab(images_page).locator(".examples button")).to_have_count(0)
    expect(tab(images_page).locator("[name=class] option")).to_have_text(["the class it predicts", *CLASSES])


# ---- the keyboard


def test_pictures_are_taken_away_and_brought_back_by_keys(images_page: Page) -> None:
    pad = tab(images_page).locator(".pad")
    before = answered(images_page)
    choose(images_page, file_of("square"), "mine.png")
    new_answer(images_page, before)
    images_page.keyboard.press("Control+z")
    expect(pad).to_have_attribute("aria-label", "Picture: disc")
    assert answered(images_page) == before
    images_page.keyboard.press("Control+y")
    expect(pad).to_have_attribute("aria-label", "Picture: mine.png")
    images_page.keyboard.press("Delete")
    expect(pad).to_have_attribute("aria-label", "No picture yet")
    expect(tab(images_page).locator(".verdict")).to_have_text("Drop, paste or choose a picture, or take an example.")
    expect(tab(images_page).locator(".predicted b")).to_have_text(["\N{EN DASH}"] * 2)
    assert ink(images_page, "#images [data-variant=cam] [data-map=cam] canvas") == 0
    images_page.keyboard.press("Control+z")
    expect(pad).to_have_attribute("aria-label", "Picture: mine.png")
    assert images_page.evaluate("document.querySelector('#draw [data-ready]').answer") is None


def test_a_map_is_read_by_arrows_and_by_pointing(images_page: Page) -> None:
    answer = answered(images_page)
    values = list(base64.b64decode(answer["cam"]["cam"]))
    canvas = tab(images_page).locator("[data-variant=cam] [data-map=cam] canvas")
    canvas.focus()
    images_page.keyboard.press("ArrowRight")  # from the middle of 6 x 6
    value = f"{values[3 * 6 + 4] / 254:.2f}"
    expect(tab(images_page).locator(".pointed")).to_have_text(f"column 5, row 4: {value}")
    canvas.hover()
    expect(tab(images_page).locator("[data-variant=cam] [data-map=cam] .value")).to_have_text(
        f"{values[3 * 6 + 3] / 254:.2f}"
    )
    frames = tab(images_page).locator("i.cell:visible")
    expect(frames).to_have_count(5)  # on four maps and on the picture
    paper, cell = (tab(images_page).locator(place).bounding_box() for place in (".paper", ".paper i.cell"))
    assert paper
    assert cell
    assert cell["width"] == pytest.approx(paper["width"] * 0.75 / 6, abs=2)  # 90 of 120 pixels are seen, in 6 columns


# ---- what goes wrong


def huge(side: int) -> bytes:
    """A PNG of a few kB that has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((side + 7) // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "IMG_0001.HEIC",
            b"\0\0\0\x18ftypheic",
            "IMG_0001.HEIC is not a picture that the browser can read. Save it as a JPEG.",
        ),
        ("notes.txt", b"no picture", "notes.txt is not a picture that the browser can read."),
        ("half.png", file_of("disc")[:40], "half.png is not a picture that the browser can read."),
        (
            "wall.png",
            huge(20_000),
            "wall.png is too large: 20000 by 20000 pixels. Scale it to at most 150 megapixels.",
        ),
    ],
)
def test_what_cannot_be_read_is_announced_and_the_picture_stays(
    images_page: Page, name: str, content: bytes, words: str
) -> None:
    before = answered(images_page)
    choose(images_page, content, name, "application/octet-stream")
    expect(tab(images_page).locator(".verdict")).to_have_text(words)
    expect(tab(images_page).locator(".spoken")).to_have_text(words)  # role=status
    expect(tab(images_page).locator(".pad")).to_have_attribute("aria-label", "Picture: disc")
    tab(images_page).locator("[name=class]").select_option("2")
    assert new_answer(images_page, before)["cam"]["class_idx"] == 2


def test_a_large_picture_is_sent_small(images_page: Page) -> None:
    before = answered(images_page)
    with images_page.expect_request(is_question) as sent:
        choose(images_page, file_of("square", "JPEG", 6000, 1000), "wide.jpg", "image/jpeg")
    new_answer(images_page, before)
    picture = asked_in(sent.value)["picture"].partition(",")[2]
    assert struct.unpack(">II", base64.b64decode(picture)[16:24]) == (512, 85)


def test_a_server_that_is_away_is_asked_again(open_page: Open, both: PageServer) -> None:
    page = show_tab(open_page(server=both, watched=False))
    before = answered(page)
    page.route("**/component_server/", lambda route: route.abort())
    page.route("**/web/server.js", lambda route: route.abort())
    tab(page).locator("[name=class]").select_option("2")
    expect(tab(page).locator(".verdict")).to_have_text("The connection is lost; trying again. Your picture is safe.")
    page.unroute_all()
    assert new_answer(page, before)["cam"]["class_idx"] == 2


def test_what_the_server_refuses_is_said(open_page: Open, both: PageServer) -> None:
    page = show_tab(open_page(server=both))
    page.route("**/component_server/", lambda route: route.fulfill(json={"error": "the picture is damaged"}))
    choose(page, file_of("square"))
    expect(tab(page).locator(".verdict")).to_have_text("the picture is damaged")
    expect(tab(page).locator(".spoken")).to_have_text("the picture is damaged")
    assert ink(page, "#images [data-variant=cam] [data-map=cam] canvas") == 0


# ---- for everyone, on every screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_no_violation(open_page: Open, both: PageServer, scheme: str, device: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = show_tab(open_page(server=both, color_scheme=scheme, **(PHONE if device == "phone" else {})))
    violations = []

    def check() -> None:
        for violation in Axe().run(page).response["violations"]:
            violations.append((violation["id"], [node["html"] for node in violation["nodes"]][:3]))

    check()
    before = answered(page)
    tab(page).locator("[name=class]").select_option("0")
    tab(page).locator("[name=other]").select_option("1")
    tab(page).locator("[name=erase]").fill("20")
    new_answer(page, before)
    check()
    page.keyboard.press("Delete")
    expect(tab(page).locator(".pad")).to_have_attribute("aria-label", "No picture yet")
    check()
    assert violations == []


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (1000, 700), (844, 390), (390, 844), (320, 640)])
def test_summary_picture_and_evidence_are_on_the_first_screen(
    open_page: Open, both: PageServer, size: tuple[int, int]
) -> None:
    phone = {**PHONE, "viewport": {"width": size[0], "height": size[1]}} if min(size) < 500 else {}
    page = show_tab(open_page(server=both, **(phone or {"viewport": {"width": size[0], "height": size[1]}})))
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for selector in (".verdict", ".paper", *([] if size[0] == 320 else [".predicted", "[data-map=cam] .tile"])):
        for element in tab(page).locator(selector).all():
            box = element.bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= size[1], selector


def test_a_touch_target_has_44_pixels(open_page: Open, both: PageServer) -> None:
    page = show_tab(open_page(server=both, **PHONE))
    for element in tab(page).locator("button:visible, select:visible, .erase input:visible").all():
        box = element.bounding_box()
        assert box is not None
        assert box["height"] >= 44, element.evaluate("(element) => element.outerHTML")


# ---- beside the Draw tab


def test_its_scripts_and_examples_are_fetched_when_it_is_opened(open_page: Open, both: PageServer) -> None:
    page = open_page(server=both)
    fetched = "performance.getEntriesByType('resource').map(({ name }) => name)"
    own = re.compile(r"/web/(image|example-)")
    assert [name for name in page.evaluate(fetched) if own.search(name)] == []
    show_tab(page)
    scripts = {name.rpartition("/")[2] for name in page.evaluate(fetched) if own.search(name)}
    assert "images.js" in scripts
    assert len([name for name in scripts if name.endswith(".jpg")]) == 3


def test_a_page_of_pictures_alone_has_no_pad(browser: Browser, tmp_path: Path) -> None:
    write_image_pair(tmp_path / "mine")
    server = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(tmp_path))
    page = browser.new_page()
    try:
        page.goto(server.url)
        page.wait_for_function("document.querySelector('#images [data-ready]')?.answer")
        assert page.get_by_role("tab").all_text_contents() == ["Images"]
        expect(page.get_by_text("Choose a picture and see where each of them looks.")).to_be_visible()
        expect(tab(page).locator(".networks")).to_be_hidden()
    finally:
        page.close()
        server.kill()
