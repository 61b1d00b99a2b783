"""For everyone: axe, and the dark."""

import pytest
from playwright.sync_api import expect

from browser.driving import PHONE, Open, corrupt, draw, example, settled

pytestmark = pytest.mark.browser


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_no_violation(open_page: Open, scheme: str, device: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(color_scheme=scheme, **(PHONE if device == "phone" else {}))
    violations = []

    def check() -> None:
        for violation in Axe().run(page).response["violations"]:
            nodes = [node["html"] for node in violation["nodes"]]
            violations.append((violation["impact"], violation["id"], nodes[:3]))

    expect(page.get_by_text("Loading...")).to_have_count(0)  # gradio's own, until the page stands
    check()
    page.evaluate("document.querySelectorAll('.examples button')[9].click()")
    settled(page)
    check()
    draw(page, example(8))
    corrupt(page, "canvas")
    expect(page.locator(".finds button").first).to_be_attached()  # they disagree about it
    page.locator("[name=erase]").fill("20")
    settled(page)
    expect(page.locator(".losses")).to_be_visible()
    check()
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.wait_for_timeout(300)  # until its maps are there
        check()
    assert violations == []


def test_dark_mode_is_dark(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    draw(page, example(8))
    assert settled(page)["cam"]["digit"] == 8  # light ink on dark paper reads the same
    shades = page.evaluate(
        """() => ["body", ".paper", ".pad"].map((selector) => {
            const style = getComputedStyle(document.querySelector(selector));
            return (selector === ".pad" ? style.color : style.backgroundColor).match(/[0-9]+/g).slice(0, 3).map(Number);
        })"""
    )
    ground, paper, pen = (sum(shade) / 3 for shade in shades)
    assert ground < 60
    assert paper < 60
    assert pen > 200
