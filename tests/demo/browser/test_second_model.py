"""Another model in the second column: the slider over alpha, and the button of a variant that has no place on it."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_server import ROOT, WEB, PageServer
from playwright.sync_api import Page, expect
from untrained import RECORD, write_pair

from browser.driving import PHONE, Open, draw, example, follow, numbers, settled, show_example, wait_for_networks
from camloss import load_checkpoint, save_checkpoint
from camloss.demo import inference
from camloss.demo.pairs import load_for_page
from camloss.pair import pair_config

pytestmark = pytest.mark.browser

ALPHAS = {"ce": 0.0, "cam": 10.0, "virtual-canvas": 3.0, "alpha-0_3": 0.3, "alpha-3": 3.0, "alpha-30": 30.0}
STOPS = [0, 0.3, 3, 10, 30]  # of the slider
MEASURED = json.loads((WEB / "study.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that have learnt nothing, with records of these alphas."""
    variants = tuple(ALPHAS)
    folder = write_pair(tmp_path_factory.mktemp("second") / "pair", variants=variants)
    for variant, alpha in ALPHAS.items():
        history = [{**entry, "alpha": alpha} for entry in RECORD["history"]]
        record = {"variant": variant, **RECORD, "history": history}
        model = load_checkpoint(folder / variant)
        save_checkpoint(model, folder / variant, record, pair_config(variants, RECORD["run"]))
    return folder


@pytest.fixture(scope="module")
def several(pair_folder: Path) -> Iterator[PageServer]:
    server = PageServer(pair_folder.parent / "log.txt", CAMLOSS_CHECKPOINTS=str(pair_folder))
    yield server
    server.kill()


def second_title(page: Page) -> Any:
    return page.locator("article h2").nth(1)


def move_to(page: Page, alpha: float) -> None:
    page.locator("[name=alpha]").fill(str(STOPS.index(alpha)))


def reload(page: Page) -> None:
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")


def weights_asked(page: Page) -> list[str]:
    """The files of weights that are asked for from now on, and how to count them."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith(".safetensors") else None)
    return asked


def test_the_slider_swaps_the_second_model_and_fetches_it_once(
    open_page: Open, several: PageServer, pair_folder: Path
) -> None:
    page = open_page(server=several)
    show_example(page, 4)
    asked = weights_asked(page)
    expect(page.locator(".second output")).to_have_text("10")
    for alpha, title in ((3, "CAM-loss at alpha 3"), (10, "CAM-loss"), (3, "CAM-loss at alpha 3")):
        move_to(page, alpha)
        expect(second_title(page)).to_have_text(title)
        answer = settled(page)
    assert len(asked) == 1
    assert set(answer) & set(ALPHAS) == {"ce", "alpha-3"}
    pair = load_for_page(pair_folder)
    expected = inference.answer(pair, strokes=example(4), second="alpha-3", encode=inference.as_bytes)
    assert answer["alpha-3"]["digit"] == expected["alpha-3"]["digit"]
    assert (numbers(answer["alpha-3"]["cam"]) - numbers(expected["alpha-3"]["cam"])).abs().max() < 0.02  # float16
    assert answer["alpha-3"]["probs"] == pytest.approx(expected["alpha-3"]["probs"], abs=0.002)
    page.locator("[data-do=clear]").click()
    draw(page, example(7))  # both stay alive while one draws
    assert set(settled(page)) & set(ALPHAS) == {"ce", "alpha-3"}
    assert len(asked) == 1


def test_alpha_0_is_cross_entropy_itself(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several)
    show_example(page, 4)
    asked = weights_asked(page)
    page.locator("[name=alpha]").focus()
    page.keyboard.press("Home")
    expect(second_title(page)).to_have_text("CAM-loss at alpha 0")
    expect(page.locator(".second .fine")).to_contain_text("Alpha 0 is cross-entropy alone")
    expect(page.locator(".verdict")).to_contain_text("Both read")
    columns = [page.locator("article").nth(i) for i in range(2)]
    assert columns[0].locator(".digit").inner_text() == columns[1].locator(".digit").inner_text()
    assert asked == []
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator("#how h3").nth(1)).to_have_text("CAM-loss at alpha 0")
    expect(page.locator(".epochs")).to_be_hidden()


def test_what_has_no_place_on_the_slider_has_a_button(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several)
    show_example(page, 4)
    move_to(page, 30)
    button = page.get_by_role("button", name="CAM-loss with virtual canvases", exact=True)
    button.click()
    expect(second_title(page)).to_have_text("CAM-loss with virtual canvases")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator("[data-do=draws]").click()
    expect(page.locator(".tally")).to_contain_text("CAM-loss with virtual canvases still reads")
    button.click()  # back to where the slider stands
    expect(second_title(page)).to_have_text("CAM-loss at alpha 30")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_until_the_weights_are_there_the_model_before_stays(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, watched=False)
    show_example(page, 4)
    page.route("**/web/weights/*", lambda route: route.abort())
    move_to(page, 3)
    expect(page.locator(".second .fine")).to_have_text("This model did not load: choose it again to try once more.")
    expect(second_title(page)).to_have_text("CAM-loss")
    show_example(page, 7)
    assert set(settled(page)) & set(ALPHAS) == {"ce", "cam"}
    page.unroute_all()
    move_to(page, 30)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 30")


def test_a_link_and_a_reload_keep_the_choice(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, permissions=["clipboard-read", "clipboard-write"])
    show_example(page, 4)
    move_to(page, 0.3)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 0.3")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("location.hash.includes('draw=')")
    link = page.evaluate("location.hash")
    assert "second=alpha-0_3" in link
    page.evaluate("sessionStorage.clear()")
    reload(page)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 0.3")
    wait_for_networks(page)
    expect(page.locator(".second output")).to_have_text("0.3")
    move_to(page, 30)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 30")
    assert page.evaluate("location.hash") == ""  # it is no longer what the link says
    reload(page)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 30")
    follow(page, re.sub("&second=[^&]*", "&second=half", link))  # which this pair does not have
    expect(second_title(page)).to_have_text("CAM-loss")


def test_the_server_answers_where_the_browser_cannot(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, newcomer=True, watched=False)
    told = page.request.get(f"{several.url}web/weights?networks=pair").json()
    told = {**told, "file": None, "seconds": [{**second, "file": None} for second in told["seconds"]]}
    page.route("**/web/weights?*", lambda route: route.fulfill(json=told))
    reload(page)
    show_example(page, 4)
    expect(page.locator("[name=alpha]")).to_be_enabled()
    move_to(page, 3)
    expect(second_title(page)).to_have_text("CAM-loss at alpha 3")
    assert set(settled(page)) & set(ALPHAS) == {"ce", "alpha-3"}
    assert "on the server" in page.locator(".source").inner_text()


def test_the_control_has_room_and_labels_on_a_phone(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, **PHONE)
    show_example(page, 4)
    for name in ("[name=alpha]", ".others button"):
        box = page.locator(f".second {name}").bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert page.get_by_role("slider", name="Weight alpha of CAM-loss").count() == 1
    page.get_by_role("button", name="CAM-loss with virtual canvases", exact=True).click()
    expect(second_title(page)).to_have_text("CAM-loss with virtual canvases")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = second_title(page).bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390


ORDER = """() => [...document.querySelectorAll(`#draw :is(button, select, summary, [tabindex="0"]), #draw input`)]
    .filter((part) => part.offsetParent && !part.disabled && !part.closest("article"))
    .map((part) => part.getBoundingClientRect())
    .map(({ left, right, top, bottom }) => ({ left, right, top, bottom }))"""


def test_on_a_phone_the_tab_key_goes_from_above_to_below(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, **PHONE)
    show_example(page, 4)
    expect(page.locator("[name=alpha]")).to_be_enabled()
    boxes = page.evaluate(ORDER)
    assert len(boxes) > 30
    for one, other in itertools.pairwise(boxes):
        is_below = other["top"] >= one["bottom"] - 1
        is_beside = other["left"] >= one["right"] - 1 and other["bottom"] > one["top"]
        assert is_below or is_beside, (one, other)
    maps = page.locator("article canvas").last.bounding_box()
    slider = page.locator("[name=alpha]").bounding_box()
    assert maps is not None
    assert slider is not None
    assert slider["y"] > maps["y"] + maps["height"]  # the maps come before it in the document, too
    assert page.evaluate(
        "document.querySelector('.models').compareDocumentPosition(document.querySelector('[name=alpha]')) & 4"
    )


@pytest.fixture(scope="module")
def shipped_and_other(pair_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A page with the pair that is shipped, and another of as many models."""
    folder = tmp_path_factory.mktemp("two") / "checkpoints"
    shutil.copytree(ROOT / "checkpoints", folder, ignore=shutil.ignore_patterns("images"))
    shutil.copytree(pair_folder, folder / "other")
    server = PageServer(folder.parent / "log.txt", CAMLOSS_CHECKPOINTS=str(folder))
    yield server
    server.kill()


def test_what_was_measured_of_a_pair_is_said_of_no_other(open_page: Open, shipped_and_other: PageServer) -> None:
    page = open_page(server=shipped_and_other)
    told, study = page.locator(".second .fine"), page.locator(".study")
    show_example(page, 4)
    page.get_by_role("button", name="Add clutter").click()
    own, run = MEASURED["variants"]["cam"]["clutter_8"], MEASURED["run"]
    assert run == json.loads((ROOT / "checkpoints" / "config.json").read_text(encoding="utf-8"))["run"]
    expect(told).to_contain_text(f"Accuracy among clutter: {own:.1%} (cross-entropy ")
    expect(study).to_have_text(MEASURED["of_pair"]["clutter"])
    page.locator("[name=networks]").select_option("other")
    expect(told).to_have_text("One training each, one seed: same start, same pictures, another loss.")
    expect(study).to_have_text(MEASURED["study"]["clutter"])
    wait_for_networks(page)
    page.locator("[name=networks]").select_option("checkpoints")
    expect(told).to_contain_text("Accuracy among clutter: ")
    expect(study).to_have_text(MEASURED["of_pair"]["clutter"])
    page.locator("[name=alpha]").fill("3")
    expect(second_title(page)).to_have_text("CAM-loss at alpha 3")
    expect(study).to_have_text(MEASURED["study"]["clutter"])  # "these two networks" are others now
    expect(told).to_contain_text(f"{MEASURED['variants']['alpha-3']['clutter_8']:.1%}")


def test_the_opening_says_what_was_counted_of_its_pair_alone(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, newcomer=True)
    expect(page.locator(".your-turn")).to_have_count(1, timeout=30_000)
    expect(page.locator(".study")).to_have_text(MEASURED["study"]["clutter"])


WRITTEN = """() => {
    window.written = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
        window.written.push({ text, y });
        return fillText.call(this, text, x, y, ...rest);
    };
}"""


def test_the_saved_picture_has_room_for_long_names(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, newcomer=True)
    name = f"CAM-loss with {'very ' * 18}virtual canvases"
    told = page.request.get(f"{several.url}web/weights?networks=pair").text()
    long = told.replace("CAM-loss with virtual canvases", name)
    page.route("**/web/weights?*", lambda route: route.fulfill(body=long))
    reload(page)
    show_example(page, 4)
    wait_for_networks(page)
    page.get_by_role("button", name=name, exact=True).click()
    page.locator("[name=class]").select_option("7")
    page.locator("[name=other]").select_option("3")
    expect(second_title(page)).to_have_text(name)
    settled(page)
    page.evaluate(WRITTEN)
    with page.expect_download():
        page.get_by_role("button", name="Save picture").click()
    written = page.evaluate("window.written")
    title = next(one["y"] for one in written if one["text"] == "The drawing")
    detail = page.locator(".detail").inner_text()
    assert len(detail) > 250
    lines = [one for one in written if one["text"] in detail and len(one["text"]) > 20 and one["y"] < title + 20]
    assert " ".join(one["text"] for one in lines) == detail
    assert all(one["y"] < title - 15 for one in lines)


def test_a_pair_of_two_has_no_slider(open_page: Open, several: PageServer) -> None:
    page = open_page(server=several, newcomer=True)
    told = page.request.get(f"{several.url}web/weights?networks=pair").json()
    page.route("**/web/weights?*", lambda route: route.fulfill(body=json.dumps({**told, "seconds": []})))
    reload(page)
    wait_for_networks(page)
    expect(page.locator(".second")).to_be_hidden()
