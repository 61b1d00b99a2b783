"""A fixed share of what scripts/dev/fuzz.py sends, and that it finds what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import fuzz
import pytest
import torch
from fuzz import Report
from fuzz_files import JOINED, JSON, PARTS, Weights, pictures, taken_apart
from fuzz_page import READ_LINKS, Answer, Caller, links
from hostile import saved
from page_server import ROOT, PageServer
from playwright.sync_api import Browser

from camloss import CamlossError
from camloss.checkpoint import load_weights

SEED = 9


def assert_clean(report: Report) -> None:
    assert report.problems == {}
    assert report.cases > 20
    assert report.largest[0] < 150  # megabytes


@pytest.mark.parametrize(("kind", "count"), [("pictures", 90), ("strokes", 100), ("weights", 40), ("pairs", 100)])
def test_what_reads_files(kind: str, count: int) -> None:
    assert_clean(fuzz.HERE[kind](count, SEED))


@pytest.fixture
def caller(page_server: PageServer) -> Caller:
    return Caller(page_server.url, fuzz.components_of(page_server.url))


@pytest.fixture
def quiet(page_server: PageServer) -> Iterator[None]:
    """The page logs no traceback meanwhile."""
    before = page_server.log.read_text(encoding="utf-8").count("Traceback")
    yield
    assert page_server.log.read_text(encoding="utf-8").count("Traceback") == before


@pytest.mark.usefixtures("quiet")
def test_questions(caller: Caller, page_server: PageServer) -> None:
    assert_clean(fuzz.try_questions(40, SEED, caller, page_server.process.pid))


@pytest.mark.usefixtures("quiet")
def test_requests(caller: Caller, page_server: PageServer) -> None:
    assert_clean(fuzz.try_requests(40, SEED, caller, page_server.process.pid))


@pytest.mark.browser
def test_links(browser: Browser, page_server: PageServer) -> None:
    texts: list[str] = []
    fuzz.try_all(links, 100, SEED, texts.append)
    tab = browser.new_page()
    tab.goto(page_server.url)
    assert len(texts) > 20
    assert [read["problem"] for read in tab.evaluate(READ_LINKS, texts)] == [None] * len(texts)
    tab.close()


def test_what_is_wrong_is_found() -> None:
    def work(case: object) -> object:
        if isinstance(case, list):
            raise KeyError(len(case))
        if isinstance(case, str):
            raise CamlossError("one line\nand another")
        return float("nan") if isinstance(case, dict) else case

    problems = fuzz.try_here(work, JSON, 300, SEED).problems
    assert {"an error of several lines", "KeyError: 0"} < set(problems)
    assert problems["KeyError: 0"] == "[]"
    assert any(problem.startswith("ValueError: Out of range float") for problem in problems)
    report = Report()
    report.note("slow", 0.7, 10.0, None)
    report.note("large", 0.1, 200.0, None)
    assert report.too_dear() == ["0.70 s for 'slow'", "200 MB for 'large'"]
    assert fuzz.try_here(len, JSON.filter(lambda case: isinstance(case, list)), 20, SEED).too_dear() == []
    assert Answer(500, b"").problem() == "status 500"
    assert Answer(200, b'File "/root/x.py", line 3').problem() is not None
    assert Answer(None, b"").problem() is None


def test_a_seed_makes_the_same_cases() -> None:
    def cases(seed: int) -> list[object]:
        made: list[object] = []
        fuzz.try_all(pictures(), 30, seed, made.append)
        return made

    assert cases(1) == cases(1) != cases(2)


@pytest.mark.parametrize("kind", PARTS)
def test_pictures_are_put_together_as_they_were(kind: str) -> None:
    file = saved(kind)
    assert JOINED[kind](PARTS[kind](file)) == file
    assert len(PARTS[kind](file)) >= (1 if kind == "WEBP" else 3)


def test_weights_are_put_together_as_they_were(tmp_path: Path) -> None:
    file = ROOT / "checkpoints" / "cam" / "model.safetensors"
    header, numbers = taken_apart(file.read_bytes())
    again = tmp_path / "again.safetensors"
    again.write_bytes(Weights(json.loads(header), numbers).file())
    assert torch.equal(load_weights(again).head.weight, load_weights(file).head.weight)
