"""How it works, the results, and the panel of the API."""

import json
import math
import re
import urllib.request

import pytest
from page_server import ROOT, PageServer
from playwright.sync_api import Page, expect

from browser.driving import (
    Open,
    draw,
    example,
    ink,
    settled,
    show_example,
)

pytestmark = pytest.mark.browser


def test_how_it_works_on_ones_own_drawing(page: Page) -> None:
    draw(page, example(2))
    settled(page)
    said = " ".join(page.locator(place).inner_text() for place in (".verdict", ".detail"))
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".note")).to_have_text("Evidence for 2.")
    expect(page.locator(".told")).to_have_text(said)
    expect(page.locator(".count output")).to_have_text(re.compile(r"^(\d+) of \1$"))
    for name in ("caam", "cam", "difference"):
        expect(page.locator(f"[data-show={name}] h3")).to_have_text(["Cross-entropy", "CAM-loss"])
        for number in (0, 1):
            assert ink(page, f"[data-show={name}] .model:nth-child({number + 1}) canvas") > 10_000
    apart = page.locator("[data-show=difference] .model > p")
    ends = apart.all_text_contents()
    distances = [float(end.removeprefix("CAM-CAAM distance ").removesuffix("%")) for end in ends]
    assert distances[1] < distances[0]  # what CAM-loss was trained for
    page.locator("[name=step]").fill("0")
    expect(page.locator(".count output")).to_have_text(re.compile("^1 of "))
    expect(page.locator(".channels .added")).to_have_count(2)  # one of each
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".channels .added")).to_have_count(8, timeout=5000)
    expect(apart).to_have_text(ends, timeout=10_000)


TIMES = "\N{MULTIPLICATION SIGN}"


def test_how_it_works_explains_what_lies_on_the_pad(page: Page) -> None:
    show_example(page, 0)
    page.get_by_role("button", name="Add white space").click()
    answer = settled(page)
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator("#how .around")).to_be_visible()
    for number, variant in enumerate(("ce", "cam")):
        model = page.locator(f"[data-show=around] .model:nth-child({number + 1})")
        before, now = answer[variant]["before"], answer[variant]["digit"]
        expect(model.locator("tbody th")).to_have_text(
            [f"for {digit}" for digit in ((before, now) if before != now else (now,))]
        )
    sums = page.locator(".sum")
    for model in sums.all():
        terms, score = model.inner_text().split(" = ")
        numbers = re.sub("other maps|constant", "", terms).split(" + ")
        total = sum(math.prod(map(float, term.split(TIMES))) for term in numbers)
        assert total == pytest.approx(float(score), abs=0.05)
    before = sums.first.inner_text()
    page.locator(".channels button").nth(1).click()
    assert sums.first.inner_text().count(TIMES) == before.count(TIMES) + 1
    page.get_by_role("tab", name="Draw").click()
    page.get_by_role("button", name="Add white space").click()
    settled(page)
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator("#how .around")).to_be_hidden()


def test_the_equations_are_folded_and_typeset(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator(".katex").first).to_be_hidden()
    page.get_by_text("The equations").click()
    expect(page.locator(".katex").first).to_be_visible()
    assert page.locator(".katex-error").count() == 0
    assert "$" not in page.locator("#how").inner_text()


def test_the_results_are_a_tab_where_they_have_been_written(page: Page) -> None:
    tab = page.get_by_role("tab", name="Results")
    if not (ROOT / "docs" / "results.md").exists():
        expect(tab).to_have_count(0)
        return
    tab.click()
    expect(page.locator(".prose h1")).to_be_visible()
    for figure in page.locator(".prose img").all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("(image) => image.complete", arg=figure.element_handle())
        assert figure.evaluate("(image) => image.naturalWidth") > 100


def test_the_results_are_there_when_the_network_is_gone(open_page: Open) -> None:
    page = open_page(watched=False)
    page.context.set_offline(True)
    page.get_by_role("tab", name="Results").click()
    expect(page.locator(".prose h1")).to_be_visible()
    figures = page.locator(".prose img").all()
    assert len(figures) == 3
    for figure in figures:
        page.wait_for_function("(image) => image.complete && image.naturalWidth > 100", arg=figure.element_handle())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_tables_are_a_link(open_page: Open, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(color_scheme=scheme)
    page.get_by_role("tab", name="Results").click()
    assert page.locator(".prose table").count() == 1  # the claims
    links = page.locator(".prose a[href^=web]")
    shown = {"results on photographs", "second study", "tables", "The protocol", "all tables"}
    assert set(links.all_inner_texts()) == shown
    for link in links.all():
        with page.expect_popup() as opened:  # and the drawing stays
            link.click()
        document = opened.value
        expect(document.get_by_role("heading", level=1)).to_be_visible()
        assert document.title() == document.get_by_role("heading", level=1).inner_text()
        found = Axe().run(document).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []
        for figure in document.locator("img").all():
            assert figure.evaluate("(image) => image.naturalWidth") > 100
        if link.inner_text() == "all tables":
            assert document.locator("table").count() > 10
            document.set_viewport_size({"width": 390, "height": 844})
            assert document.evaluate("document.documentElement.scrollWidth") <= 390
            document.get_by_role("link", name="the protocol").click()
            expect(document.get_by_role("heading", level=1)).to_contain_text("rotocol")
        document.get_by_role("link", name="Back to the demo").click()
        expect(document.get_by_role("tab", name="Results")).to_be_visible()
        document.close()


def test_the_panel_of_the_api_says_what_the_functions_say(open_page: Open, page_server: PageServer) -> None:
    page = open_page(watched=False)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.location["url"]) if message.type == "error" else None)
    with urllib.request.urlopen(f"{page_server.url}gradio_api/info", timeout=30) as answer:
        functions = json.load(answer)["named_endpoints"]
    assert list(functions) == ["/explain", "/explain_image"]
    said = [
        words
        for info in functions.values()
        for words in (
            info["description"],
            *(value["python_type"]["description"] for value in (*info["parameters"], *info["returns"])),
        )
    ]
    for _ in range(2):  # it is made anew each time
        page.get_by_role("button", name="Use via API").click()
        expect(page.locator(".api-docs .desc")).to_have_text(said)
        ways = page.locator(".api-docs .snippet:visible")
        assert [way.strip() for way in ways.all_inner_texts()] == ["Python", "JavaScript", "CLI", "cURL"]
        ways.get_by_text("cURL").click()
        expect(page.locator(".api-docs .desc").nth(1)).to_have_text(said[1])
        assert "MCP" not in page.locator(".api-docs").inner_text()
        page.locator(".api-docs .banner-wrap button").last.click()
        expect(page.locator(".api-docs")).to_have_count(0)
    asked = {f"{page_server.url}{path}" for path in ("monitoring/summary", "gradio_api/mcp/schema")}
    assert set(complaints) <= asked  # of gradio's own, to learn that there is neither
