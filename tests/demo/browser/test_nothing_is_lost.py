"""What was added outlives a reload, a slow line, Clear and another tab; what a browser lacks is said."""

import json
import re

import pytest
from page_server import PageServer
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from browser.driving import Open, asked_again, corrupt, draw, example, photo, settled, show_example

pytestmark = pytest.mark.browser

FINDS = "JSON.parse(localStorage.getItem('camloss-found') ?? '[]')"


def link_to_clutter(page: Page) -> str:
    draw(page, example(3))
    settled(page)
    corrupt(page, "clutter")
    page.get_by_role("button", name="Copy link").click()
    return page.url.partition("#")[2]


def test_a_link_to_a_corrupted_digit_is_corrupted_as_soon_as_the_weights_are_there(
    page: Page, browser: Browser, page_server: PageServer
) -> None:
    link = link_to_clutter(page)
    late = browser.new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    late.route(re.compile("/web/weights/"), hold)
    late.goto(f"{page_server.url}#{link}")
    late.wait_for_function("document.querySelector('[data-ready]')?.answer")
    assert not late.evaluate("document.querySelector('[data-ready]').answer.is_corrupted")
    expect(late.locator(".waiting")).to_have_text("This starts as soon as the networks are in your browser.")
    for route in held:
        route.continue_()
    late.wait_for_function("document.querySelector('[data-ready]').answer.is_corrupted")
    expect(late.locator(".waiting")).to_be_hidden()
    late.close()


@pytest.mark.slow
def test_a_link_to_a_corrupted_digit_opens_over_3g(page: Page, browser: Browser, page_server: PageServer) -> None:
    link = link_to_clutter(page)
    said = page.locator(".verdict").inner_text()
    far = browser.new_page()
    session = far.context.new_cdp_session(far)
    session.send("Network.enable")
    line = {"latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}  # ms, bytes a second
    session.send("Network.emulateNetworkConditions", {"offline": False, **line})
    far.goto(f"{page_server.url}#{link}", wait_until="commit")
    expect(far.locator(".verdict")).to_have_text(said, timeout=120_000)
    assert far.evaluate("document.querySelector('[data-ready]').answer.is_corrupted")
    far.close()


def test_undo_after_clear_brings_back_what_was_added(page: Page) -> None:
    draw(page, example(3))
    settled(page)
    corrupted = corrupt(page, "clutter")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("[name=corruption]")).to_have_value("")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[name=corruption]")).to_have_value("clutter")
    assert settled(page) == corrupted
    page.get_by_role("button", name="Redo").click()
    assert settled(page) is None
    expect(page.locator("[name=corruption]")).to_have_value("")


def test_a_reload_keeps_what_was_added(open_page: Open) -> None:
    page = open_page()
    draw(page, example(3))
    settled(page)
    corrupted = corrupt(page, "clutter")
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert asked_again(page) == corrupted


def test_two_tabs_keep_each_others_finds(open_page: Open, page_server: PageServer) -> None:
    first = open_page()
    second = first.context.new_page()
    second.goto(page_server.url)
    second.wait_for_selector("[data-ready]", state="attached")
    for page, digit in ((first, 3), (second, 8)):
        draw(page, example(digit))
        settled(page)
        page.evaluate("for (const fold of document.querySelectorAll('.board details')) fold.open = true")
        asked_again(page)
        corrupt(page, "canvas")
    for page in (first, second):
        expect(page.locator(".finds button")).to_have_count(2)
    assert len(first.evaluate(FINDS)) == 2


def test_a_store_of_many_finds_opens_with_the_newest(open_page: Open) -> None:
    page = open_page()
    draw(page, example(3))
    settled(page)
    corrupt(page, "canvas")
    (find,) = page.evaluate(FINDS)
    longest = {**find, "text": find["text"] * 2000}
    page.evaluate("(text) => localStorage.setItem('camloss-found', text)", json.dumps([longest] + [find] * 5000))
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    expect(page.locator(".finds button")).to_have_count(59)


@pytest.mark.parametrize("lacking", ["delete window.Worker", "WebAssembly.validate = () => false"])
def test_a_browser_that_cannot_run_networks_is_told_so(browser: Browser, page_server: PageServer, lacking: str) -> None:
    page = browser.new_page()
    page.add_init_script(lacking)
    page.goto(page_server.url)
    page.wait_for_selector("[data-ready]", state="attached")
    show_example(page, 3)
    page.get_by_role("button", name="Add clutter").click()
    expect(page.locator(".waiting")).to_have_text(
        "This browser cannot run the networks (it lacks workers or WebAssembly with SIMD): "
        "the server reads a drawing as it is."
    )
    assert settled(page)["cam"]["digit"] == 3
    page.close()


@pytest.mark.parametrize("module", ["draw.js", "heat.js"])
def test_a_module_that_does_not_load_is_announced(browser: Browser, page_server: PageServer, module: str) -> None:
    page = browser.new_page()
    page.route(f"**/web/{module}", lambda route: route.abort())
    page.goto(page_server.url)
    expect(page.locator("#draw").get_by_role("alert")).to_have_text(
        "This part of the page did not load whole: reload the page to try again."
    )
    page.close()


def test_a_lost_connection_says_where_the_photo_is(open_page: Open) -> None:
    page = open_page(by_server=True, watched=False)
    page.context.set_offline(True)
    picture: FilePayload = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(3)}
    page.locator("[name=photo]").set_input_files(picture)
    expect(page.locator(".verdict")).to_have_text(
        "The connection is lost; trying again. Your photo is kept.", timeout=20_000
    )
    page.context.set_offline(False)
