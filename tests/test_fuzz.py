"""Garbage with a structure for everything that reads what strangers write.

    pytest tests/test_fuzz.py                                    a few cases of each kind, always the same
    pytest tests/test_fuzz.py -n 0 --hypothesis-profile=fuzz     10,000 new ones; writes docs/records/fuzz.md

Pictures, strokes, questions and raw requests go to the page, links to its script in Chromium, weight files and the
pair's JSON to what loads a pair. What comes back must be an answer, or one line that says what is wrong, and take at
most 150 MB and, in the long run, half a second of a core. Hypothesis shrinks whatever fails.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from _meter import Meter, hardware
from fuzz_files import JOINED, JSON, PARTS, Picture, Weights, changed_json, pictures, taken_apart, weights
from fuzz_page import READ_LINKS, Answer, Caller, Question, links, questions, requests, strokes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malicious_images import saved
from page_server import ROOT, PageServer
from playwright.sync_api import Browser

from camloss import CamlossError, cli
from camloss.checkpoint import CONFIG, WEIGHTS, load_weights
from camloss.hub.push import published_files
from camloss.pair import Pair, read_pair_config

LONG = settings().max_examples >= 10_000  # of the profile "fuzz"; see conftest.py
CASES = settings().max_examples if LONG else 300
LONGEST = 400  # characters of an error; the name of a file may be 100 of them
MOST_SECONDS, MOST_MEGABYTES = 0.5, 150  # that one request may take
SHARES = {  # of 100 cases
    "pictures": 35,
    "strokes": 15,
    "questions": 15,
    "requests": 15,
    "links": 10,
    "weights": 6,
    "pairs": 4,
}
TRUE_WEIGHTS = (ROOT / "checkpoints" / "cam" / WEIGHTS).read_bytes()
TRUE_CONFIG = json.loads((ROOT / "checkpoints" / CONFIG).read_text(encoding="utf-8"))
PAGE = pytest.mark.usefixtures("quiet")


@dataclass
class Spent:
    """What the cases of one kind took, and how many were refused."""

    cases: int = 0
    refused: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0

    def note(self, seconds: float, megabytes: float, refused: bool) -> None:
        self.cases += 1
        self.refused += refused
        self.seconds, self.megabytes = max(self.seconds, seconds), max(self.megabytes, megabytes)


SPENT: dict[str, Spent] = {}


@pytest.fixture(scope="module", autouse=True)
def record() -> Iterator[None]:
    """After a whole long run, the table that the docs show."""
    yield
    if LONG and len(SPENT) == len(SHARES):
        rows = [
            (kind, f"{s.cases:,}", f"{s.refused:,}", f"{s.seconds:.2f} s", f"{s.megabytes:.0f} MB")
            for kind, s in SPENT.items()
        ]
        table = cli.table(["kind", "cases", "refused", "slowest", "largest"], rows)
        text = f"{table}\n\n{sum(s.cases for s in SPENT.values()):,} cases; {hardware()}"
        (ROOT / "docs" / "records" / "fuzz.md").write_text(text, encoding="utf-8")


def count(kind: str) -> settings:
    """How many cases of a kind, and that they are the same ones in every short run."""
    return settings(
        max_examples=max(20, CASES * SHARES[kind] // 100),
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=[*HealthCheck],
    )


def check(kind: str, meter: Meter, work: Callable[[], bool]) -> None:
    """Do the work of one case, which says whether it was refused, and hold what it takes against what it may."""
    cost = meter.measure(work)
    SPENT.setdefault(kind, Spent()).note(cost.seconds, cost.megabytes, cost.gave)
    assert cost.megabytes < MOST_MEGABYTES
    assert cost.seconds < MOST_SECONDS or not LONG


def refuses(work: Callable[[], object]) -> bool:
    """Whether work ends in an error of one line; its answer must be JSON otherwise."""
    try:
        json.dumps(work(), allow_nan=False)
    except CamlossError as error:
        line = str(error)
    else:
        return False
    assert "\n" not in line
    assert len(line) <= LONGEST
    return True


@pytest.fixture(scope="module")
def shipped() -> Pair:
    from camloss.demo import inference
    from camloss.demo.pairs import load_for_page

    pair = load_for_page(ROOT / "checkpoints")
    inference.answer(pair, strokes=[{"width": 1, "points": [0, 0, 9, 9]}])
    return pair


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pair = shutil.copytree(ROOT / "checkpoints", tmp_path_factory.mktemp("fuzz") / "pair")
    published_files(pair, "user/name", "user/space")  # which imports, and is not measured
    return pair


@count("pictures")
@given(pictures())
def test_pictures(shipped: Pair, meter: Meter, picture: Picture) -> None:
    from camloss.demo import inference

    text = picture.text()
    check("pictures", meter, lambda: refuses(lambda: inference.answer(shipped, text, encode=inference.as_bytes)))


@count("strokes")
@given(strokes)
def test_strokes(shipped: Pair, meter: Meter, drawing: Any) -> None:
    from camloss.demo import inference

    check("strokes", meter, lambda: refuses(lambda: inference.answer(shipped, strokes=drawing)))


@count("weights")
@given(weights(TRUE_WEIGHTS))
def test_weights(folder: Path, meter: Meter, changed: Weights) -> None:
    """Weight files: as half of a pair, and on their way to the Hub."""
    (folder / "cam" / WEIGHTS).write_bytes(changed.file())

    def load() -> None:
        Pair.load(folder)
        published_files(folder, "user/name", "user/space")

    check("weights", meter, lambda: refuses(load))


def spoilt_text(value: Any) -> st.SearchStrategy[bytes]:
    text = json.dumps(value).encode()
    return st.tuples(st.integers(0, len(text)), st.binary(max_size=8)).map(lambda how: text[: how[0]] + how[1])


@count("pairs")
@given(changed_json(TRUE_CONFIG) | JSON | spoilt_text(TRUE_CONFIG))
def test_pairs(folder: Path, meter: Meter, config: Any) -> None:
    path = folder / "changed.json"
    path.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())

    def read() -> None:
        read_pair_config(path, "user/name/config.json")

    check("pairs", meter, lambda: refuses(read))


# The page


@pytest.fixture(scope="module")
def caller(page_server: PageServer) -> Caller:
    return Caller(page_server.url)


@pytest.fixture(scope="module")
def page_meter(page_server: PageServer) -> Meter:
    return Meter(page_server.process.pid)


@pytest.fixture
def quiet(page_server: PageServer) -> Iterator[None]:
    """The page logs no traceback meanwhile."""
    before = page_server.log.read_text(encoding="utf-8").count("Traceback")
    yield
    assert page_server.log.read_text(encoding="utf-8").count("Traceback") == before


def refused(answer: Answer) -> bool:
    assert answer.problem() is None
    return answer.status != 200 or b'"error"' in answer.text


@PAGE
@count("questions")
@given(question=questions())
def test_questions(caller: Caller, page_meter: Meter, question: Question) -> None:
    check("questions", page_meter, lambda: refused(caller.ask(question)))


@PAGE
@count("requests")
@given(data=st.data())
def test_requests(caller: Caller, page_meter: Meter, data: st.DataObject) -> None:
    request = data.draw(requests(caller.components["answer"]))
    check("requests", page_meter, lambda: refused(caller.send(request, whole=False)))


@pytest.mark.browser
def test_links(browser: Browser, page_server: PageServer) -> None:
    with contextlib.closing(browser.new_page()) as tab:
        tab.goto(page_server.url)

        @count("links")
        @given(links)
        def read(link: str) -> None:
            (found,) = tab.evaluate(READ_LINKS, [link])
            SPENT.setdefault("links", Spent()).note(found["seconds"], 0.0, False)
            assert found["problem"] is None

        read()


# The tests themselves


def test_what_is_wrong_is_found() -> None:
    def fail(error: Exception) -> Callable[[], object]:
        def work() -> object:
            raise error

        return work

    assert refuses(fail(CamlossError("one line")))
    for error in (CamlossError("one line\nand another"), CamlossError("x" * (LONGEST + 1)), KeyError("a bug")):
        with pytest.raises((AssertionError, KeyError)):
            refuses(fail(error))
    with pytest.raises(ValueError, match="Out of range float"):
        refuses(lambda: {"nan": float("nan")})
    assert Answer(500, b"").problem() == "status 500"
    assert Answer(200, b'File "/root/x.py", line 3').problem() is not None
    assert Answer(200, b"The server failed").problem() is not None
    assert Answer(None, b"").problem() is None


def test_too_much_memory_is_found(meter: Meter) -> None:
    with pytest.raises(AssertionError):
        # four times the limit: what earlier tests left may be released in the meantime and is taken off
        check("none", meter, lambda: not b"x" * (4 * MOST_MEGABYTES << 20))
    assert SPENT.pop("none").megabytes > MOST_MEGABYTES


@pytest.mark.parametrize("kind", PARTS)
def test_pictures_are_put_together_as_they_were(kind: str) -> None:
    file = saved(kind)
    assert JOINED[kind](PARTS[kind](file)) == file
    assert len(PARTS[kind](file)) >= (1 if kind == "WEBP" else 3)


def test_weights_are_put_together_as_they_were(tmp_path: Path) -> None:
    header, numbers = taken_apart(TRUE_WEIGHTS)
    again = tmp_path / "again.safetensors"
    again.write_bytes(Weights(json.loads(header), numbers).file())
    assert torch.equal(
        load_weights(again).head.weight, load_weights(ROOT / "checkpoints" / "cam" / WEIGHTS).head.weight
    )
