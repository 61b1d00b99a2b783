"""Drawing and reading, from the first visit on."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from browser.driving import (
    COUNT,
    DASH,
    FIRST_DIGIT,
    OPENING,
    PHONE,
    VARIANTS,
    Open,
    draw,
    example,
    ink,
    read_by_both,
    settled,
    show_example,
    touch,
)

pytestmark = pytest.mark.browser


def test_both_networks_read_each_digit_drawn(page: Page) -> None:
    for digit in range(10):
        draw(page, example(digit))
        answer = settled(page)
        for variant in VARIANTS:
            assert answer[variant]["digit"] == digit
            column = page.locator(f"[data-variant={variant}]")
            expect(column.locator(".digit")).to_have_text(str(digit))
            expect(column.locator(".first")).to_have_text(str(digit))
            assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
        read_by_both(page, digit)
        page.keyboard.press("Delete")
        assert settled(page) is None


def test_a_finger_draws_on_a_phone_and_the_page_stays_where_it_is(open_page: Open) -> None:
    page = open_page(**PHONE)
    touch(page, example(2))
    answer = settled(page)
    assert [answer[variant]["digit"] for variant in VARIANTS] == [2, 2]
    assert page.evaluate("window.scrollY") == 0
    pad, digits = page.locator(".paper").bounding_box(), page.locator(".digit").first.bounding_box()
    assert pad is not None
    assert digits is not None
    assert pad["width"] > 290
    assert pad["y"] + pad["height"] < digits["y"]  # the answer follows the pad,
    assert digits["y"] + digits["height"] < 844  # on the first screen


def test_blank_pad_invites_and_predicts_nothing(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("[name=networks]")).to_be_hidden()  # there is one pair
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    assert page.locator(".digit").all_text_contents() == [DASH, DASH]
    assert page.locator(".confidence").all_text_contents() == ["", ""]
    assert page.locator(".match").all_text_contents() == [" ", " "]
    expect(page.locator(".bars .first")).to_have_count(0)
    draw(page, example(7))
    settled(page)
    expect(page.locator(".invitation")).to_have_css("opacity", "0")
    page.get_by_role("button", name="Clear").click()
    assert settled(page) is None
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    assert page.locator(".digit").all_text_contents() == [DASH, DASH]
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") == 0


def test_a_disagreement_is_said(server_page: Page) -> None:
    def disagree(route: Route) -> None:
        answer = route.fetch()
        data = answer.json()
        data["ce"].update(digit=4, class_idx=4, area_above_half=0.4)
        data["cam"]["area_above_half"] = 0.06
        route.fulfill(response=answer, json=data)

    server_page.route("**/component_server/", disagree)
    show_example(server_page, 9)
    expect(server_page.locator(".verdict")).to_have_text("They disagree: cross-entropy reads 4, CAM-loss 9.")
    said = "^Evidence: cross-entropy over 40% of the image, .*CAM-loss over 6%, "
    expect(server_page.locator(".detail")).to_have_text(re.compile(said))
    expect(server_page.locator(".board")).to_have_class(re.compile("disagree"))


def test_a_newcomer_reads_an_answer_before_touching_anything(open_page: Open) -> None:
    page = open_page(newcomer=True)
    read_by_both(page, FIRST_DIGIT)
    for variant in VARIANTS:
        assert ink(page, f"[data-variant={variant}] [data-map=cam] canvas") > 10_000
    told = rf"^Among clutter, cross-entropy now reads \d; CAM-loss still reads {FIRST_DIGIT}\.$"
    expect(page.locator(".verdict")).to_have_text(re.compile(told), timeout=8000)
    expect(page.locator(".study")).to_have_text(OPENING["caption"])
    expect(page.locator(".invitation")).to_have_css("opacity", "1")
    draw(page, example(3))  # the example gives way, and so does the clutter
    read_by_both(page, 3)
    expect(page.get_by_role("button", name="Add clutter")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".previewed")).to_have_count(0)
    page.keyboard.press("Control+z")
    assert settled(page) is None
    assert ink(page) == 0


def test_the_example_draws_itself_or_is_there_at_once(open_page: Open) -> None:
    still = open_page(newcomer=True, reduced_motion="reduce")
    whole = ink(still)
    still.wait_for_timeout(300)
    assert ink(still) == whole
    page = open_page(newcomer=True)
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert ink(page) < 0.8 * whole
    expect(page.locator(".invitation")).to_have_css("opacity", "0")  # it is not yet their turn
    page.wait_for_function("(all) => ALL(document.querySelector('.pad')) >= all".replace("ALL", COUNT), arg=whole)


def test_the_example_comes_back_only_on_a_fresh_visit(open_page: Open) -> None:
    page = open_page(newcomer=True)
    page.keyboard.press("Delete")
    assert settled(page) is None
    page.wait_for_timeout(1700)
    assert ink(page) == 0
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    expect(page.locator(".verdict")).to_have_text("Draw a digit, or take an example.")
    assert ink(page) == 0


def test_the_server_is_asked_about_the_whole_example_alone(open_page: Open) -> None:
    page = open_page("#draw=", by_server=True, newcomer=True)  # a blank pad, to listen before the example begins
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("sessionStorage.clear()")
    page.goto(page.url.partition("#")[0] + "?again")
    page.wait_for_selector("[data-ready]", state="attached")
    read_by_both(page, FIRST_DIGIT)
    assert len([url for url in asked if "component_server" in url]) == 1


@pytest.mark.parametrize("digits", [(1, 7), (4, 2)])
def test_two_digits_are_said_to_be_two(page: Page, digits: tuple[int, int]) -> None:
    for number, digit in enumerate(digits):
        halved = [
            {
                **stroke,
                "points": [v / 2 + (500 * number if i % 2 == 0 else 250) for i, v in enumerate(stroke["points"])],
            }
            for stroke in example(digit)
        ]
        draw(page, halved)
    settled(page)
    expect(page.locator(".verdict")).to_have_text(re.compile("^Several digits\\? "))


def test_numbers_stand_under_the_map_that_they_are_about(page: Page) -> None:
    answer = show_example(page, 4)
    for variant in VARIANTS:
        column, reading = page.locator(f"[data-variant={variant}]"), answer[variant]
        order = column.evaluate("(all) => [...all.children].map((part) => part.dataset.map ?? part.tagName)")
        assert order == ["HEADER", "cam", "DL", "DIV", "P", "caam"]
        assert column.locator("dd").all_text_contents() == [
            f"{100 * reading[name]:.0f}%" for name in ("area_above_half", "stroke_energy")
        ]
        sign = "=" if reading["similarity"] >= 0.95 else "≠"
        expect(column.locator(".match")).to_have_text(f"{sign} {100 * reading['similarity']:.0f}% similar")


def test_only_what_is_done_is_spoken(page: Page) -> None:
    page.evaluate(
        """() => {
            window.spoken = [];
            const voice = document.querySelector(".spoken");
            new MutationObserver(() => window.spoken.push(voice.textContent))
                .observe(voice, { childList: true, characterData: true, subtree: true });
        }"""
    )
    show_example(page, 3)
    said = [page.locator(place).inner_text() for place in (".verdict", ".detail")]
    expect(page.locator(".spoken")).to_have_text(" ".join(said))
    assert len(page.evaluate("window.spoken")) == 1


def test_a_small_drawing_has_large_maps(page: Page) -> None:
    small = [{**stroke, "points": [v / 5 for v in stroke["points"]], "width": 20} for stroke in example(8)]
    page.locator("[name=brush]").fill("20")
    draw(page, small)
    assert settled(page)["cam"]["digit"] == 8
    side = page.locator("[data-variant=cam] [data-map=cam] canvas").evaluate("(canvas) => canvas.width")
    assert ink(page, "[data-variant=cam] [data-map=cam] canvas") == side * side
