"""A newcomer's path through the page in Firefox and in WebKit."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import engines
import pytest
from page_server import PageServer

from browser.driving import FIRST_DIGIT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATH = """async ({ opening, answer, tally }) => {
    const until = async (place, pattern, timeout = 120000) => {
        const end = performance.now() + timeout;
        for (;;) {
            const said = document.querySelector(place)?.textContent ?? "";
            if (new RegExp(pattern).test(said)) return said;
            if (performance.now() > end) throw new Error(`${place} says "${said}", not ${pattern}`);
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    };
    const click = (place) => document.querySelector(place).click();
    const told = [await until(".verdict", opening)]; // without any action
    document.querySelectorAll(".examples button")[4].click();
    told.push(await until(".verdict", answer));
    click("[data-do=clutter]");
    told.push(await until(".verdict", "^Among clutter, "));
    click("[data-do=draws]");
    told.push(await until(".tally", tally));
    const painted = [...document.querySelectorAll("article canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, i) => i % 4 === 3 && value > 0);
    });
    return { told, painted, where: document.querySelector(".source").textContent };
}"""


@pytest.mark.parametrize(
    ("engine", "program"), [(engines.firefox, engines.FIREFOX), (engines.webkit, "WebKitWebDriver")]
)
def test_a_newcomer_sees_the_finding_and_tries_it(
    page_server: PageServer, engine: Callable[[str], AbstractContextManager[engines.Run]], program: str
) -> None:
    if not os.environ.get("CI") and shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    said = {
        "opening": rf"^Among clutter, cross-entropy now reads \d; CAM-loss still reads {FIRST_DIGIT}\.$",
        "answer": r"^Both read 4\.$",
        "tally": r"^\d+ of 20 against \d+ of 20",
    }
    with engine(page_server.url) as run:
        found = run(PATH, said)
    assert len(found["told"]) == 4
    assert found["painted"] == [True] * 4
    assert found["where"].endswith("computed in your browser")
