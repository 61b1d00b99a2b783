"""The pad's tools, by mouse and by keyboard."""

import pytest
from page_server import EXAMPLES
from playwright.sync_api import Page, expect

from browser.driving import (
    DESKTOP,
    Open,
    asked_again,
    draw,
    example,
    ink,
    numbers,
    press_and_move,
    settle_in,
    settled,
    show_example,
)

pytestmark = pytest.mark.browser


def test_undo_redo_and_clear(open_page: Open) -> None:
    page = open_page()
    undo, redo, clear = (page.get_by_role("button", name=name) for name in ("Undo", "Redo", "Clear"))
    for tool in (undo, redo, clear):
        expect(tool).to_be_disabled()
    upright, bar = example(4)
    draw(page, [upright])
    one = ink(page)
    draw(page, [bar])
    two = ink(page)
    assert two > one
    undo.click()
    assert ink(page) == one
    redo.click()
    assert ink(page) == two
    expect(redo).to_be_disabled()
    clear.click()
    assert ink(page) == 0
    undo.click()
    assert ink(page) == two
    assert settled(page)["cam"]["digit"] == 4
    undo.click()
    draw(page, [bar])
    expect(redo).to_be_disabled()  # what was undone is gone once one draws on


def test_a_path_of_too_many_points_is_thinned_before_the_limit(page: Page, open_page: Open) -> None:
    (stroke,) = example(3)
    drawn = page.evaluate(RETRACE, stroke["points"])
    assert drawn["moves"] > 20_000
    assert 2_500 < drawn["most"] <= 10_000
    assert 1_000 < drawn["kept"] <= 5_000  # there is room for more
    assert settled(open_page(f"#draw={drawn['link']}"))["cam"]["digit"] == 3


# A pad on which the pen goes along a stroke and back, several times, with a point for each unit.
RETRACE = """async (points) => {
    const modules = ["pad", "strokes", "address"].map((name) => import(`/web/${name}.js`));
    const [{ Pad }, { countPoints }, { toText }] = await Promise.all(modules);
    const canvas = document.body.appendChild(document.createElement("canvas"));
    canvas.style = "position: fixed; left: 0; top: 0; width: 400px; height: 400px";
    canvas.setPointerCapture = () => {};
    const pad = new Pad(canvas, { changed() {}, settled() {} });
    const tell = (kind, [x, y]) => canvas.dispatchEvent(
        new PointerEvent(kind, { pointerId: 1, clientX: x * 0.4, clientY: y * 0.4 }));
    const path = [];
    for (let i = 2; i < points.length; i += 2) {
        const [x, y] = [points[i] - points[i - 2], points[i + 1] - points[i - 1]];
        const steps = Math.ceil(Math.hypot(x, y));
        for (let s = 0; s < steps; s++) path.push([points[i - 2] + x * s / steps, points[i - 1] + y * s / steps]);
    }
    let [moves, most] = [0, 0];
    tell("pointerdown", path[0]);
    while (moves < 20_001) {
        for (const place of path) {
            tell("pointermove", place);
            most = Math.max(most, countPoints(pad.drawing.strokes));
            moves++;
        }
        path.reverse();
    }
    tell("pointerup", path[0]);
    canvas.remove();
    const { strokes } = pad.drawing;
    return { moves, most, kept: countPoints(strokes), link: toText(strokes) };
}"""


def test_thinning_keeps_ends_and_corners(page: Page) -> None:
    corner = [*(value for x in range(1000) for value in (x, 0)), *(value for y in range(1, 1001) for value in (999, y))]
    thin = page.evaluate(THIN, [[{"width": 65, "points": corner}], 50])
    (points,) = [stroke["points"] for stroke in thin]
    assert 2 <= len(points) // 2 <= 50
    kept = list(zip(points[::2], points[1::2], strict=True))
    assert kept[0] == (0, 0)
    assert kept[-1] == (999, 1000)
    assert min(abs(999 - x) + y for x, y in kept) <= 8
    few = [{"width": 65, "points": [1, 2]}, {"width": 9, "points": [1, 2, 3, 4, 5, 6]}]
    assert page.evaluate(THIN, [few, 4]) == few


THIN = """async ([strokes, most]) => (await import("/web/strokes.js")).thinned(strokes, most)"""


def test_keyboard(page: Page) -> None:
    draw(page, example(4))
    both = ink(page)
    page.locator(".pad").focus()
    page.keyboard.press("Control+z")
    first = ink(page)
    assert 0 < first < both
    for keys, painted in (
        ("Control+y", both),
        ("Control+z", first),
        ("Control+Shift+Z", both),
        ("Delete", 0),
        ("Control+z", both),
    ):
        page.keyboard.press(keys)
        assert ink(page) == painted, keys
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(({ ariaLabel, name, innerText }) => ariaLabel || name || innerText)(document.activeElement)"
            )
        )
    assert {
        "Undo",
        "Clear",
        "brush",
        "Photo",
        "class",
        "other",
        "opacity",
        "colours",
        "smooth",
        "Save picture",
    } <= reached
    assert sum(1 for name in reached if name.startswith("Example: ")) == len(EXAMPLES)


def test_keys_work_wherever_the_focus_is(page: Page) -> None:
    draw(page, example(4))
    both = ink(page)
    for place in ("[name=class]", "[name=opacity]", "[name=smooth]", "[data-do=link]", ".tile canvas"):
        page.locator(place).first.focus()
        page.keyboard.press("Control+z")
        assert 0 < ink(page) < both, place
        page.keyboard.press("Control+y")
        assert ink(page) == both, place
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Delete")
    assert ink(page) == 0


def test_undo_during_a_stroke_takes_that_stroke_alone(page: Page) -> None:
    upright, bar = example(4)
    draw(page, [upright])
    one = ink(page)
    press_and_move(page, bar)
    page.keyboard.press("Control+z")
    assert ink(page) == one
    page.mouse.up()
    settled(page)
    assert ink(page) == one
    page.keyboard.press("Control+z")
    assert ink(page) == 0


@pytest.mark.parametrize("tool", ["Undo", "Clear"])
def test_focus_stays_when_a_tool_has_nothing_left_to_do(open_page: Open, tool: str) -> None:
    page = open_page()
    draw(page, [example(1)[0]])
    page.get_by_role("button", name=tool).focus()
    page.keyboard.press("Enter")
    assert ink(page) == 0
    expect(page.locator(".pad")).to_be_focused()


@pytest.mark.parametrize("end", ["Clear", "an example"])
def test_a_question_ends_with_its_drawing(page: Page, end: str) -> None:
    draw(page, example(4))
    page.locator("[name=class]").select_option("4")
    page.locator("[name=other]").select_option("9")
    settled(page)
    if end == "Clear":
        page.get_by_role("button", name="Clear").click()
    assert show_example(page, 7)["cam"]["contrast"] is None
    for name in ("class", "other"):
        expect(page.locator(f"[name={name}]")).to_have_value("")


def test_one_voice_tells_what_an_arrow_key_points_at(page: Page) -> None:
    answer = show_example(page, 8)
    names = [canvas.get_attribute("aria-label") for canvas in page.locator(".tile canvas").all()]
    assert len(set(names)) == 4
    page.evaluate(
        """() => {
            window.voices = new Set();
            const live = "output, [role=status], [role=alert], [aria-live]";
            new MutationObserver((changes) => changes.forEach(({ target }) => {
                const voice = (target.closest ? target : target.parentElement).closest(live);
                if (voice) window.voices.add(voice.className);
            })).observe(document, { subtree: true, childList: true, characterData: true });
        }"""
    )
    page.locator("[data-variant=cam] [data-map=cam] canvas").focus()
    page.keyboard.press("ArrowDown")
    value = float(numbers(answer["cam"]["cam"])[14 * 8 + 7])
    expect(page.locator(".pointed")).to_have_text(f"column 8, row 9: {value:.2f}")
    assert page.evaluate("[...window.voices]") == ["pointed unseen"]


@pytest.mark.parametrize("name", ["class", "corruption", "colours"])
def test_delete_clears_the_pad_from_a_selector_too(page: Page, name: str) -> None:
    show_example(page, 6)
    page.locator(f"[name={name}]").focus()
    page.keyboard.press("Delete")
    assert settled(page) is None


def test_letters_in_a_selector_choose_an_option(page: Page) -> None:
    show_example(page, 6)
    page.locator("[name=corruption]").focus()
    page.keyboard.type("gau")
    expect(page.locator("[name=corruption]")).to_have_value("gaussian_noise")
    assert settled(page)["is_corrupted"]


def test_brush_sets_the_width_of_the_next_stroke(page: Page) -> None:
    draw(page, example(1))
    thin = ink(page)
    page.keyboard.press("Delete")
    page.locator("[name=brush]").fill("120")
    draw(page, example(1))
    assert 1.4 * thin < ink(page) < 2.2 * thin  # 120 over 65, with round ends


def test_drawing_survives_a_resize_a_theme_and_a_reload(page: Page) -> None:
    draw(page, example(5))
    before = settled(page)
    page.set_viewport_size({"width": 700, "height": 900})
    page.set_viewport_size(DESKTOP)
    light = page.evaluate("getComputedStyle(document.querySelector('.pad')).color")
    page.evaluate("document.body.classList.add('dark')")
    assert page.evaluate("getComputedStyle(document.querySelector('.pad')).color") != light
    assert ink(page) > 1000
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    settle_in(page)
    assert asked_again(page) == before
