"""Answers while one draws, in the browser or by the server, whatever fails."""

from collections.abc import Iterator

import pytest
import torch
from page_server import PageServer
from playwright.sync_api import Page, Route, expect

from browser.driving import (
    VARIANTS,
    Open,
    asked_again,
    draw,
    example,
    ink,
    numbers,
    on_screen,
    press_and_move,
    read_by_both,
    settle_in,
    settled,
    show_example,
    wait_for_networks,
    where,
)

pytestmark = pytest.mark.browser


def test_a_tap_leaves_a_dot_and_pen_up_asks_nothing_anew(server_page: Page) -> None:
    page = server_page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".pad").click()
    answer = settled(page)
    assert answer is not None
    assert ink(page) > 100
    assert len([url for url in asked if "component_server" in url]) == 1
    page.keyboard.press("Control+z")
    assert settled(page) is None


def test_answers_follow_the_pen_one_request_at_a_time(open_page: Open) -> None:
    page = open_page(by_server=True)
    page.evaluate(
        """() => {
            window.flying = window.most = window.asked = 0;
            const fetch = window.fetch;
            window.fetch = async (...request) => {
                if (!String(request[0]).includes("component_server")) return fetch(...request);
                window.asked += 1;
                window.most = Math.max(window.most, ++window.flying);
                await new Promise((resolve) => setTimeout(resolve, 30));
                try { return await fetch(...request); } finally { window.flying -= 1; }
            };
        }"""
    )
    press_and_move(page, example(0)[0])
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")  # the pen is still down
    assert page.evaluate("window.most") == 1
    page.mouse.up()
    assert settled(page)["cam"]["digit"] == 0
    assert page.evaluate("window.most") <= 2  # the end of a stroke waits for no answer to a part of it
    assert 2 <= page.evaluate("window.asked") < len(on_screen(page, example(0)[0])) - 1


def test_a_drawing_is_asked_about_once_a_frame_but_at_the_end_of_a_stroke_at_once(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            window.asked = 0;
            const post = Worker.prototype.postMessage;
            Worker.prototype.postMessage = function (message, ...rest) {
                window.asked += message.task === "answer";
                return post.call(this, message, ...rest);
            };
            const waiting = [];
            window.requestAnimationFrame = (callback) => waiting.push(callback); // no frame comes by itself
            window.frame = () => waiting.splice(0).forEach((callback) => callback(performance.now()));
        }"""
    )
    press_and_move(page, example(5)[0])
    assert page.evaluate("window.asked") == 0
    page.evaluate("window.frame()")
    page.wait_for_function("document.querySelector('[data-ready]').answer !== null")
    assert page.evaluate("window.asked") == 1
    page.mouse.move(*on_screen(page, example(5)[0])[0])
    assert page.evaluate("window.asked") == 1
    page.mouse.up()
    assert settled(page) is not None
    assert page.evaluate("window.asked") == 1  # the end is answered outside the worker


def test_the_end_of_a_stroke_does_not_wait_for_the_worker(open_page: Open) -> None:
    page = open_page()
    page.evaluate("Worker.prototype.postMessage = () => { window.deaf = true; }")
    press_and_move(page, example(5)[0])
    page.wait_for_function("window.deaf")  # so that a question is open
    assert page.evaluate("document.querySelector('[data-ready]').answer") is None
    page.mouse.up()
    assert settled(page) is not None
    assert where(page) == "in your browser"
    page.wait_for_timeout(1000)
    expect(page.locator(".verdict")).not_to_have_text("Reading…")  # of the question that was left to itself


def test_a_machine_that_falls_behind_the_pen_shows_maps_first_and_everything_in_the_end(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => {
            const root = document.querySelector("[data-ready]");
            window.told = [];
            document.addEventListener("camloss", () => {
                window.told.push(root.answer?.summary === document.querySelector(".verdict").textContent);
            });
            const busy = () => { // for longer than a frame, again and again
                const end = performance.now() + 80;
                while (performance.now() < end);
                if (!window.isOver) setTimeout(busy, 5);
            };
            busy();
        }"""
    )
    press_and_move(page, example(5)[0])
    told = page.evaluate("() => { window.isOver = true; return window.told.slice(); }")
    assert not all(told), "words came with every answer"
    assert ink(page) > 1000, "the line does not follow the pen"
    page.mouse.up()
    shown = settled(page)
    expect(page.locator(".verdict")).to_have_text(shown["summary"])
    tiles = "[...document.querySelectorAll('.tile canvas')].map((canvas) => canvas.toDataURL())"
    painted = page.evaluate(tiles)
    page.reload()
    wait_for_networks(page)
    assert asked_again(page)["summary"] == shown["summary"]
    assert page.evaluate(tiles) == painted


def test_nothing_moves_while_one_draws(page: Page) -> None:
    page.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shifts += entry.value)))
                .observe({ type: "layout-shift", buffered: false });
        }"""
    )
    for digit in (4, 9):
        draw(page, example(digit))
        settled(page)
    page.keyboard.press("Delete")
    settled(page)
    assert page.evaluate("window.shifts") < 0.001


@pytest.fixture(scope="module")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    server = PageServer(tmp_path_factory.mktemp("mortal") / "log.txt")
    yield server
    server.kill()


@pytest.fixture
def own_server(mortal_server: PageServer) -> PageServer:
    """A server that a test may kill."""
    if mortal_server.process.poll() is not None:
        mortal_server.start()
    return mortal_server


@pytest.mark.slow
def test_page_recovers_when_the_server_comes_back(open_page: Open, own_server: PageServer) -> None:
    # watched=False: the browser itself logs each request that fails
    page = open_page(by_server=True, server=own_server, watched=False)
    draw(page, example(3))
    assert settled(page)["cam"]["digit"] == 3
    own_server.kill()
    page.get_by_role("button", name="Clear").click()
    draw(page, example(5))
    expect(page.locator(".verdict")).to_contain_text("The connection is lost")
    assert ink(page) > 1000
    own_server.start()
    expect(page.locator(".verdict")).to_contain_text("Both read 5", timeout=15_000)
    assert settled(page)["cam"]["digit"] == 5


@pytest.mark.slow
def test_drawing_goes_on_with_the_server_killed(open_page: Open, own_server: PageServer) -> None:
    page = open_page(server=own_server, watched=False)  # the browser itself logs what gradio asks a dead server
    own_server.kill()
    draw(page, example(5))
    page.locator("[name=other]").select_option("6")
    answer = settled(page)
    assert [answer[variant]["digit"] for variant in VARIANTS] == [5, 5]
    assert where(page) == "in your browser"
    for variant in VARIANTS:
        assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
        assert len(set(numbers(answer[variant]["contrast"], -1).tolist())) > 20
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_have_text("Evidence for 5.")
    assert ink(page, "[data-show=cam] canvas") > 10_000


@pytest.mark.parametrize("how", ["says that it is busy", "takes long"])
def test_a_busy_page_says_so_and_answers_in_the_end(server_page: Page, how: str) -> None:
    page = server_page
    first = show_example(page, 3)
    held: list[Route] = []

    def wait(route: Route) -> None:
        if how == "takes long" and not held:
            held.append(route)
        elif how == "says that it is busy" and len(held) < 2:
            held.append(route)
            route.fulfill(json={"busy": True, "error": "many pictures are being read at this moment"})
        else:
            route.continue_()

    page.route("**/component_server/", wait)
    page.locator(".examples button").nth(1).click()
    said = "Reading…" if how == "takes long" else "The page is busy: the answer to your drawing takes a moment."
    expect(page.locator(".verdict")).to_have_text(said)
    assert page.evaluate("document.querySelector('[data-ready]').answer") == first  # the last answer stays
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") > 10_000
    if how == "takes long":
        held[0].continue_()
    assert settled(page) != first
    expect(page.locator(".verdict")).to_contain_text("Both read")


def test_a_server_that_fails_is_no_lost_connection(open_page: Open) -> None:
    page = open_page(by_server=True, watched=False)  # the browser itself logs each request that fails
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=500, body="Internal Server Error")

    page.route("**/component_server/", fail)
    show_example(page, 3)
    expect(page.locator(".verdict")).to_contain_text("The server failed on this drawing")
    page.wait_for_timeout(1500)
    assert len(asked) == 2  # once more, and no further
    page.unroute("**/component_server/")
    assert show_example(page, 5)["cam"]["digit"] == 5
    read_by_both(page, 5)


def test_a_failure_of_the_page_itself_does_not_leave_it_dead(open_page: Open) -> None:
    page = open_page(by_server=True, watched=False)

    def garble(route: Route) -> None:
        answer = route.fetch()
        data = answer.json()
        data["ce"]["cam"] = "no base64!"
        route.fulfill(response=answer, json=data)

    page.route("**/component_server/", garble)
    show_example(page, 3)
    expect(page.locator(".verdict")).to_contain_text("This page failed to show the answer")
    page.unroute("**/component_server/")
    assert show_example(page, 5)["cam"]["digit"] == 5
    read_by_both(page, 5)


def test_strokes_ask_the_server_nothing(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, example(2))
    page.locator("[name=class]").select_option("7")
    assert settled(page)["cam"]["class_idx"] == 7
    assert [url for url in asked if "component_server" in url or "weights" in url] == []


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["weights/*", "kernel.wasm", "worker.js"])
def test_whatever_is_damaged_the_server_goes_on_answering(open_page: Open, broken: str) -> None:
    page = open_page(by_server=True)
    page.unroute_all()
    page.route(
        f"**/web/{broken}",
        lambda route: route.fulfill(body="throw new Error('damaged');", content_type="text/javascript"),
    )
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    page.wait_for_timeout(500)
    assert show_example(page, 6)["cam"]["digit"] == 6
    assert where(page) == "on the server"
    assert show_example(page, 4)["cam"]["digit"] == 4
    read_by_both(page, 4)


def test_answers_come_from_the_server_until_the_weights_are_there(open_page: Open) -> None:
    page = open_page(by_server=True)
    page.unroute_all()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/web/weights/*", hold)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    from_server = show_example(page, 6)
    assert where(page) == "on the server"
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    wait_for_networks(page)
    page.locator("[name=class]").dispatch_event("change")
    from_browser = settled(page)
    assert where(page) == "in your browser"
    for variant in VARIANTS:
        assert from_browser[variant]["probs"] == pytest.approx(from_server[variant]["probs"], abs=1e-5)
        for name in ("cam", "caam"):
            one, other = numbers(from_browser[variant][name]), numbers(from_server[variant][name])
            torch.testing.assert_close(one, other, atol=1.01 / 254, rtol=0)
