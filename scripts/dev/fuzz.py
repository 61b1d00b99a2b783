"""Send garbage with a structure to everything that reads what strangers write:

    python scripts/dev/fuzz.py --cases 10000 --seed 1 > docs/records/fuzz.md

Pictures, strokes, questions and raw requests go to the page, links to its script in Chromium, weight files and
pair.json to what loads a pair. The same seed makes the same cases. What comes back must be an answer, or one line that
says what is wrong, and take at most half a second of a core and 150 MB; anything else is printed and makes the exit
code 1. What was slowest and what took most memory goes to stderr, the table to stdout.
"""

import json
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _meter import Cost, Meter, hardware
from _page import chromium_page, served
from _root import ROOT
from fuzz_files import JSON, Picture, Weights, changed_json, pictures, weights
from fuzz_page import READ_LINKS, Answer, Caller, links, questions, requests, strokes
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from camloss import CamlossError, cli

LONGEST = 400  # characters of an error; the name of a file may be 100 of them
SHOWN = 300  # characters of a case
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
TRACEBACK = re.compile(r"^Traceback.*\n(?:[ \t].*\n)*((?:[ \t].*\n){2})(\S.*)", re.MULTILINE)


@dataclass
class Report:
    """What came of the cases of one kind."""

    by_clock: bool = False
    """Whether seconds are those of the clock, which a busy machine makes more of, rather than of one core."""
    cases: int = 0
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[float, str] = (0.0, "")
    refused: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """The shortest case by what was wrong with it."""

    def too_dear(self) -> list[str]:
        """What took more than one request may."""
        found = []
        if self.slowest[0] > MOST_SECONDS and not self.by_clock:
            found.append(f"{self.slowest[0]:.2f} s for {self.slowest[1][:SHOWN]}")
        if self.largest[0] > MOST_MEGABYTES:
            found.append(f"{self.largest[0]:.0f} MB for {self.largest[1][:SHOWN]}")
        return found

    def lines(self) -> Iterator[str]:
        """What is behind its row of the table."""
        for what, (amount, case) in {"slowest": self.slowest, "largest": self.largest}.items():
            yield f"{what} ({amount:.2f}): {case[:SHOWN]}"
        for problem, case in self.problems.items():
            yield f"PROBLEM: {problem}\n    {case[:SHOWN]}"
        for dear in self.too_dear():
            yield f"TOO DEAR: {dear}"

    def note(self, case: object, seconds: float, megabytes: float, problem: str | None, refused: bool = False) -> None:
        shown = case.decode("latin-1") if isinstance(case, bytes) else repr(case)
        self.cases += 1
        self.refused += refused
        self.slowest = max(self.slowest, (seconds, shown))
        self.largest = max(self.largest, (megabytes, shown))
        if problem and len(shown) < len(self.problems.get(problem, shown + " ")):
            self.problems[problem] = shown


def try_all(cases: SearchStrategy[Any], count: int, first: int, use: Callable[[Any], None]) -> None:
    """Let hypothesis make cases; it only makes them: what is wrong is noted, and the next one comes."""

    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @seed(first)
    @given(cases)
    def one(case: Any) -> None:
        use(case)

    one()


def try_here(
    work: Callable[[Any], object],
    cases: SearchStrategy[Any],
    count: int,
    first: int,
    made: Callable[[Any], Any] = lambda case: case,
) -> Report:
    """Cases for a function in this process; `made` gives what it takes, at nobody's cost."""
    report, meter = Report(), Meter()

    def attempt(content: Any) -> tuple[str | None, bool]:
        try:
            json.dumps(work(content), allow_nan=False)
        except CamlossError as error:
            return problem_with(str(error)), True
        except Exception as error:  # this is what we look for
            return f"{type(error).__name__}: {error}"[:200], False
        return None, False

    def use(case: Any) -> None:
        content = made(case)
        cost = meter.measure(lambda: attempt(content))
        report.note(case, cost.seconds, cost.megabytes, *cost.gave)

    try_all(cases, count, first, use)
    return report


def problem_with(line: str) -> str | None:
    """What an error's text must not be."""
    if "\n" in line:
        return "an error of several lines"
    if len(line) > LONGEST:
        return f"an error of more than {LONGEST} characters"
    return None


def try_pictures(count: int, first: int) -> Report:
    pair, inference = shipped(), _inference()
    return try_here(
        lambda text: inference.answer(pair, text, encode=inference.as_bytes), pictures(), count, first, Picture.text
    )


def try_strokes(count: int, first: int) -> Report:
    pair, inference = shipped(), _inference()
    return try_here(lambda drawing: inference.answer(pair, strokes=drawing), strokes, count, first)


def try_weights(count: int, first: int) -> Report:
    """Weight files: as half of a pair, and on their way to the Hub."""
    from camloss.checkpoint import WEIGHTS
    from camloss.hub.push import published_files
    from camloss.pair import Pair

    with tempfile.TemporaryDirectory() as folder:
        for variant in ("ce", "cam"):
            path = Path(folder, variant, WEIGHTS)
            path.parent.mkdir()
            path.write_bytes((ROOT / "checkpoints" / variant / WEIGHTS).read_bytes())

        def load(file: bytes) -> None:
            path.write_bytes(file)
            Pair.load(folder)
            published_files(Path(folder), "user/name", "user/space")

        return try_here(load, weights(path.read_bytes()), count, first, Weights.file)


def try_pairs(count: int, first: int) -> Report:
    from camloss.hub.pull import pins_in

    true = {"ce": {"revision": "1" * 40, "sha256": "2" * 64}, "cam": {"sha256": "3" * 64}}

    def read(pair: Any) -> None:
        text = pair if isinstance(pair, bytes) else json.dumps(pair).encode()
        pins_in(text, "user/name", "4" * 40)

    return try_here(read, changed_json(true) | JSON | _spoilt_text(true), count, first)


def _spoilt_text(value: Any) -> SearchStrategy[bytes]:
    from hypothesis import strategies as st

    text = json.dumps(value).encode()
    return st.tuples(st.integers(0, len(text)), st.binary(max_size=8)).map(lambda how: text[: how[0]] + how[1])


# ---- the page


def try_questions(count: int, first: int, caller: Caller, pid: int) -> Report:
    report, meter = Report(), Meter(pid)

    def use(question: Any) -> None:
        note(report, question, meter.measure(lambda: caller.ask(question)))

    try_all(questions(), count, first, use)
    return report


def try_requests(count: int, first: int, caller: Caller, pid: int) -> Report:
    report, meter = Report(), Meter(pid)
    for request in requests(count, first, caller.components["answer"]):
        note(report, request, meter.measure(lambda sent=request: caller.send(sent, whole=False)))  # type: ignore[misc]
    return report


def note(report: Report, case: object, cost: Cost[Answer]) -> None:
    refused = cost.gave.status != 200 or b'"error"' in cost.gave.text
    report.note(case, cost.seconds, cost.megabytes, cost.gave.problem(), refused)


async def try_links(count: int, first: int, url: str) -> Report:
    report = Report(by_clock=True)
    texts: list[str] = []
    try_all(links, count, first, texts.append)
    async with chromium_page(url) as tab:
        for start in range(0, len(texts), 50):
            some = texts[start : start + 50]
            for text, read in zip(some, await tab.evaluate(READ_LINKS, some), strict=True):
                report.note(text, read["seconds"], 0.0, read["problem"])
    return report


def try_page(counts: Mapping[str, int], first: int) -> dict[str, Report]:
    """All that asks one running page; what it logs as an error is a problem, too."""
    import asyncio

    reports: dict[str, Report] = {}
    with tempfile.TemporaryFile() as log, served(log=log) as (url, pid):
        caller = Caller(url, components_of(url))
        if counts.get("questions"):
            reports["questions"] = try_questions(counts["questions"], first, caller, pid)
        if counts.get("requests"):
            reports["requests"] = try_requests(counts["requests"], first, caller, pid)
        if counts.get("links"):
            reports["links"] = asyncio.run(try_links(counts["links"], first, url))
        if caller.get("/web/draw.js").status != 200:
            next(iter(reports.values())).problems["the page does not answer any more"] = "the last case"
        log.seek(0)
        for where, error in TRACEBACK.findall(log.read().decode(errors="replace")):
            next(iter(reports.values())).problems[f"the log has {error[:200]}"] = " ".join(where.split())
    return reports


def components_of(url: str) -> dict[str, int]:
    """Which component serves each function of the page."""
    import urllib.request

    with urllib.request.urlopen(f"{url}config", timeout=30) as answer:
        components = json.load(answer)["components"]
    return {name: int(c["id"]) for c in components for name in reversed(c["props"].get("server_fns", []))}


HERE: dict[str, Callable[[int, int], Report]] = {
    "pictures": try_pictures,
    "strokes": try_strokes,
    "weights": try_weights,
    "pairs": try_pairs,
}


def shipped() -> Any:
    import torch

    from camloss.demo.pairs import load_for_page

    torch.set_num_threads(1)
    return load_for_page(ROOT / "checkpoints")


def _inference() -> Any:
    from camloss.demo import inference

    inference.answer(shipped(), strokes=[{"width": 1, "points": [0, 0, 9, 9]}])
    return inference


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="how many, all kinds together")
    parser.add_argument("--seed", type=int, help="makes the same cases again (default: a new one)")
    parser.add_argument(
        "--only", nargs="+", choices=SHARES, default=list(SHARES), metavar="KIND", help="some kinds alone"
    )
    flags = parser.parse_args()
    first = random.randrange(10**6) if flags.seed is None else flags.seed
    print(f"seed {first}", file=sys.stderr)
    warnings.simplefilter("ignore")  # Pillow's, of pictures that are odd
    counts = {kind: max(1, flags.cases * SHARES[kind] // 100) for kind in flags.only}
    reports = {kind: HERE[kind](count, first) for kind, count in counts.items() if kind in HERE}
    reports |= try_page(counts, first) if counts.keys() - HERE.keys() else {}
    rows = [
        [
            kind,
            f"{r.cases:,}",
            f"{r.refused:,}",
            f"{r.slowest[0]:.2f} s",
            f"{r.largest[0]:.0f} MB",
            str(len(r.problems)),
        ]
        for kind, r in reports.items()
    ]
    print(cli.table(["kind", "cases", "refused", "slowest", "largest", "problems"], rows))
    print(f"\n{sum(report.cases for report in reports.values()):,} cases of seed {first}; {hardware()}")
    for kind, report in reports.items():
        for line in report.lines():
            print(f"{kind}: {line}", file=sys.stderr)
    if any(report.problems or report.too_dear() for report in reports.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
