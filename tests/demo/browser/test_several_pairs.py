"""A page with several pairs, and epoch snapshots."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_server import PageServer
from playwright.sync_api import Page, expect
from untrained import RECORD, write_pair, write_snapshots

from browser.driving import (
    VARIANTS,
    Open,
    area_above_half,
    draw,
    example,
    ink,
    settled,
    show_example,
    wait_for_networks,
)
from camloss import build_model, explain, save_checkpoint
from camloss.demo import inference
from camloss.demo.pairs import load_for_page
from camloss.digits.rasterize import write_strokes
from camloss.pair import Snapshot, pair_config, write_pair_config

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def several_pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A page with three pairs that have learnt nothing: the first one; "plain"; and "snapshots", which has some."""
    folder = tmp_path_factory.mktemp("several")
    pairs = write_pair(folder / "pairs")
    for variant in VARIANTS:
        record = {**RECORD, "variant": variant, "config": {"arch": "plain_cnn"}}
        pair = pair_config(VARIANTS, RECORD["run"])
        save_checkpoint(build_model("plain_cnn"), pairs / "plain" / variant, record, pair)
    write_pair_config(pairs / "plain", VARIANTS, RECORD["run"])
    write_snapshots(write_pair(pairs / "snapshots", seed=2))
    server = PageServer(folder / "log.txt", CAMLOSS_CHECKPOINTS=str(pairs))
    yield server
    server.kill()


def choose(page: Page, networks: str) -> None:
    """For what is drawn: for a blank pad nothing is fetched."""
    with page.expect_response("**/web/weights/*"):
        page.locator("[name=networks]").select_option(networks)
    wait_for_networks(page)


def snapshots_of(page: Page, server: PageServer) -> str:
    """The name of their file."""
    told = page.request.get(f"{server.url}web/weights?networks=snapshots").json()
    return str(told["snapshots"]["file"])


def test_networks_can_be_chosen_where_there_are_more(open_page: Open, several_pairs: PageServer) -> None:
    page = open_page(server=several_pairs)
    small = show_example(page, 4)
    choose(page, "plain")
    large = settled(page)
    assert [small["map_size"], large["map_size"]] == [[14, 14], [28, 28]]
    assert ink(page, "[data-variant=cam] [data-map=caam] canvas") > 10_000


def test_a_newer_pair_is_taken_when_the_tab_is_seen_again(open_page: Open, several_pairs: PageServer) -> None:
    page = open_page(server=several_pairs)
    assert show_example(page, 4)["map_size"] == [14, 14]
    newer = page.request.get(f"{several_pairs.url}web/weights?networks=plain").json()
    page.route("**/web/weights?*", lambda route: route.fulfill(json=newer))
    with page.expect_response(f"**/web/weights/{newer['file']}"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for_networks(page)
    page.locator("[name=class]").dispatch_event("change")
    assert settled(page)["map_size"] == [28, 28]
    assert newer["source"] in page.locator(".source").inner_text()


def test_the_epochs_of_the_training_on_ones_own_drawing(open_page: Open, several_pairs: PageServer) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(server=several_pairs, reduced_motion="reduce")
    name = snapshots_of(page, several_pairs)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    show_example(page, 2)
    choose(page, "snapshots")
    final = settled(page)
    assert not [url for url in asked if name in url]
    page.get_by_role("tab", name="How it works").click()
    section = page.locator(".epochs")
    expect(section).to_be_visible()
    assert len([url for url in asked if name in url]) == 1
    expect(section.locator("output")).to_have_text("epoch 2 of 2")
    expect(section.locator(".since")).to_have_text("By now one of them is trained with CAM-loss as well.")
    expect(section.locator("[data-number=accuracy]")).to_have_text(["99.0%", "99.0%"])
    kept = load_for_page(Path(several_pairs.environment["CAMLOSS_CHECKPOINTS"], "snapshots")).snapshots
    sketch = write_strokes(inference.open_strokes(example(2)))
    assert sketch is not None

    def painted() -> set[str]:
        urls = section.locator("canvas").evaluate_all("(canvases) => canvases.map((canvas) => canvas.toDataURL())")
        return set(urls)

    def told() -> list[int]:
        numbers = section.locator("[data-number=area], [data-number=similarity]").all_text_contents()
        return [int(re.sub(r"%( of the image)?$", "", number)) for number in numbers]

    def truth(snapshot: Snapshot) -> list[float]:
        shares = []
        for variant in VARIANTS:
            seen = explain(snapshot.models[variant], sketch.pixels, class_idx=final[variant]["digit"])
            shares += [area_above_half(seen.cam[0], 28), 1 - float(seen.distance)]
        return [100 * share for share in shares]

    assert told() == pytest.approx(truth(kept[1]), abs=0.7)
    later = painted()
    assert len(later) == 4
    section.get_by_role("slider", name="After").focus()
    page.keyboard.press("ArrowLeft")
    expect(section.locator("output")).to_have_text("epoch 1 of 2")
    expect(section.locator(".since")).to_have_text("Up to here both have learnt from cross-entropy alone.")
    expect(section.locator("[data-number=accuracy]")).to_have_text(["97.0%", "97.0%"])
    assert told() == pytest.approx(truth(kept[0]), abs=0.7)
    assert truth(kept[0]) != pytest.approx(truth(kept[1]), abs=1.5)
    assert not painted() & later
    assert Axe().run(page).response["violations"] == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("fate", ["missing", "damaged"])
def test_without_the_file_the_page_goes_on_without_the_epochs(
    open_page: Open, several_pairs: PageServer, fate: str
) -> None:
    page = open_page(server=several_pairs, watched=False)
    name = snapshots_of(page, several_pairs)
    page.route(
        f"**/web/weights/{name}", lambda route: route.fulfill(status=404 if fate == "missing" else 200, body="?")
    )
    draw(page, example(2))
    choose(page, "snapshots")
    settled(page)
    with page.expect_response(f"**/web/weights/{name}"):
        page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_contain_text("Evidence for")
    page.wait_for_timeout(300)
    expect(page.locator(".epochs")).to_be_hidden()
    assert page.evaluate("import('/web/reader.js').then(({ reader }) => reader.ready)")


def test_a_pair_without_snapshots_has_no_epochs_to_show(open_page: Open, several_pairs: PageServer) -> None:
    page = open_page(server=several_pairs)
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_contain_text("An example, until you draw one.")
    expect(page.locator(".correlation")).to_have_text([re.compile(r"^They correlate at -?[01]\.\d\d\.$")] * 2)
    expect(page.locator(".epochs")).to_be_hidden()
