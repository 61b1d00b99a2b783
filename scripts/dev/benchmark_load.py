"""The part of benchmark.py that sends the page worst-case requests, malicious images and many visitors."""

import http.client
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import malicious_images
from _meter import Meter
from _page import page, served
from benchmark_page import drawing_png, find_component
from benchmark_step import Row

from camloss.demo.inference import MAX_POINTS
from camloss.demo.request_guard import MAX_VALUES
from camloss.demo.safe_images import MAX_TEXT

ATTACKERS, PEOPLE, SECONDS = 16, 64, 15.0
EACH = 8.0  # seconds with one kind of worst-case request
MIXED = 10_000  # requests, for the memory that they leave behind
TOLD = 0.7  # seconds after which the page's script says that the page is busy
COSTLY = (
    "4 megapixels",
    "the longest PNG",
    "60 scans",
    "16,384 Huffman",
    f"{MAX_POINTS:,} points",
    *malicious_images.COSTLY_DRAWINGS,
    *malicious_images.LARGEST_DRAWINGS,
    *malicious_images.BODIES,
)  # what the attackers send
REST = 5.0  # seconds until memory must have been given back
POST = ("POST", "/gradio_api/component_server/")
FOUR = [{"width": 60, "points": [390, 200, 300, 550, 690, 530]}, {"width": 60, "points": [590, 230, 550, 800]}]


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """What costs most to answer: every malicious image that may be sent, strokes, and mere length."""
    for name, make in malicious_images.PICTURES.items():
        text = malicious_images.text_of(make())
        if len(text) <= MAX_TEXT:
            yield name, {"picture": text}
    for name, make_question in {**malicious_images.COSTLY_DRAWINGS, **malicious_images.LARGEST_DRAWINGS}.items():
        yield name, make_question()
    yield f"{MAX_TEXT:,} characters that are no picture", {"picture": "A" * MAX_TEXT}
    yield (
        f"{MAX_POINTS:,} points",
        {"strokes": [{"width": 9, "points": [7919 * i % 1000 for i in range(2 * MAX_POINTS)]}]},
    )
    yield f"{MAX_VALUES // 2 - 50:,} strokes", {"strokes": [{}] * (MAX_VALUES // 2 - 50)}
    yield f"{MAX_VALUES - 50:,} lists", {"class_idx": [[]] * (MAX_VALUES // 2 - 50)}


def bodies(component: int) -> Iterator[tuple[str, bytes]]:
    """The same as bodies of requests, and those that cost much before a question is read from them."""
    for name, question in questions():
        yield name, body_of(question, component)
    for name, make in malicious_images.BODIES.items():
        yield name, make(component)


def worst_case() -> list[Row]:
    """Each worst-case request alone, on an idle page: seconds of one core, and memory above that of the idle page."""
    with served() as (url, pid):
        person = Person(url)
        for _ in range(3):
            person.send(person.body_of({"picture": drawing_png()}))
        meter = Meter(pid)
        idle = meter.megabytes()
        seconds, megabytes = {}, {}
        for name, body in bodies(person.component):
            cost = meter.measure(lambda sent=body: person.send(sent))  # type: ignore[misc]
            seconds[name], megabytes[name] = cost.seconds, meter.megabytes("VmHWM") - idle
        time.sleep(REST)
        kept = meter.megabytes() - idle
    slowest, largest = max(seconds, key=lambda name: seconds[name]), max(megabytes, key=lambda name: megabytes[name])
    return [
        (
            f"slowest of {len(seconds)} worst-case requests ({slowest})",
            f"{seconds[slowest]:.2f} s of one core",
            "0.5 s",
        ),
        (f"their largest memory, above idle ({largest})", f"{megabytes[largest]:.0f} MB", "150 MB"),
        (f"memory {REST:g} s after the last of them, above idle", f"{kept:.0f} MB", ""),
    ]


def attack() -> list[Row]:
    """One visitor draws, alone and then beside attackers who send a worst-case request as soon as one is answered."""
    with page() as url, ProcessPoolExecutor(1) as elsewhere:  # a process of its own: they must not slow down the clock
        alone = honest_drawer(url)
        among, answered, busy = drawer_among(elsewhere, url, COSTLY)
        each = {name: at(0.95, drawer_among(elsewhere, url, (name,), EACH)[0]) for name in COSTLY}
    return [
        ("answer to one visitor who draws, 95th percentile", f"{1000 * at(0.95, alone):.0f} ms", ""),
        (f"the same, beside {ATTACKERS} attackers who send all of them", f"{1000 * at(0.95, among):.0f} ms", "300 ms"),
        *((f"the same, where all send {name}", f"{1000 * value:.0f} ms", "300 ms") for name, value in each.items()),
        (f"requests of the attackers in {SECONDS:.0f} s: answered, refused as busy", f"{answered:,}, {busy:,}", ""),
    ]


def memory() -> list[Row]:
    """The memory that the page keeps after requests of all kinds, most of them invalid, no two the same."""
    with served() as (url, pid):
        person, meter = Person(url), Meter(pid)
        send_mixed(person, range(MIXED // 10))
        before = meter.megabytes()
        send_mixed(person, range(MIXED // 10, MIXED))
        time.sleep(REST)
        kept = meter.megabytes() - before
    return [(f"memory kept after {MIXED:,} mixed requests, above the first tenth of them", f"{kept:.0f} MB", "20 MB")]


def send_mixed(person: "Person", numbers: range) -> None:
    """One request for each number."""
    drawing = json.loads(person.body_of({"strokes": FOUR}))
    for number in numbers:
        session = f"s{number}"
        kinds: tuple[tuple[str, Any], ...] = (
            ("component_server/", {**drawing, "session_hash": session}),
            ("component_server/", {**drawing, "fn_name": session * 1_000}),
            ("component_server/", {**drawing, "data": {"picture": session * 1_000}}),
            ("component_server/", {**drawing, "data": {"strokes": [malicious_images.FETCH]}}),
            ("queue/join", {"data": [session * 1_000, number], "fn_index": 0, "session_hash": session}),
            ("queue/join", {"data": [malicious_images.FETCH], "fn_index": 0, "session_hash": session}),
            ("call/explain", {"data": [None, None, None, None, FOUR]}),
            ("call/explain", {"data": [session * 1_000]}),
            ("call/v2/explain", {session * 1_000: number}),
            ("call/v2/explain", {"strokes": FOUR, "class_idx": number % 10}),
        )
        path, question = kinds[number % len(kinds)]
        person.send(json.dumps(question).encode(), ("POST", f"/gradio_api/{path}"))


def load() -> list[Row]:
    """The load test: visitors who draw without a break, each asking the server as the page's script does."""
    with page() as url, ProcessPoolExecutor(1) as elsewhere:
        waits, errors, told = elsewhere.submit(people_at, url).result()
    return [
        (f"{PEOPLE} visitors who draw without a break: errors in {len(waits):,} answers", f"{errors}", "0"),
        (
            "answer to one of these visitors, median and 95th percentile",
            f"{statistics.median(waits):.2f}, {at(0.95, waits):.2f} s",
            "",
        ),
        (f"their answers over {TOLD} s, where the page says that it is busy", f"{told / len(waits):.0%}", ""),
    ]


def drawer_among(
    elsewhere: ProcessPoolExecutor, url: str, names: tuple[str, ...], seconds: float = SECONDS
) -> tuple[list[float], int, int]:
    """What `honest_drawer` gives while attackers send the requests of these names, and what `attackers_at` gives."""
    attackers = elsewhere.submit(attackers_at, url, names, seconds + 4.0)
    time.sleep(2.0)
    among = honest_drawer(url, seconds)
    return among, *attackers.result()


def honest_drawer(url: str, seconds: float = SECONDS) -> list[float]:
    """Seconds until each answer, for one who sends ten drawings a second.

    Raises:
        RuntimeError: one was not answered.
    """
    person, times = Person(url), []
    body = person.body_of({"picture": drawing_png()})
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        answer = person.send(body)
        if answer.get("blank") is not False:
            raise RuntimeError(f"the page did not answer: {answer}")
        times.append(time.perf_counter() - start)
        time.sleep(max(0.0, 0.1 - times[-1]))
    return sorted(times)


def attackers_at(url: str, names: tuple[str, ...], seconds: float) -> tuple[int, int]:
    """How many of their questions were answered or refused, and how many turned away because the page was busy."""
    costly = [body for name, body in bodies(find_component(url, "answer")) if name.startswith(names)]

    def one(number: int) -> list[bool]:
        person = Person(url)
        busy: list[bool] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            busy.append("busy" in person.send(costly[(number + len(busy)) % len(costly)]))
        return busy

    told = [busy for caller in at_once(one, ATTACKERS) for busy in caller]
    return told.count(False), told.count(True)


def people_at(url: str) -> tuple[list[float], int, int]:
    """Seconds until each answer, how many were errors, and during how many the page said that it is busy."""

    def one(number: int) -> list[tuple[float, bool, bool]]:
        person, answers, chance = Person(url), [], random.Random(number)
        body = person.body_of({"strokes": FOUR})
        end = time.perf_counter() + SECONDS
        while (start := time.perf_counter()) < end:
            delay, told = 0.25, False
            while "busy" in (answer := person.send(body)):  # as live.js waits
                told = True
                time.sleep(delay * (0.5 + chance.random()))
                delay = min(2 * delay, 2.0)
            seconds = time.perf_counter() - start
            answers.append((seconds, "error" in answer, told or seconds > TOLD))
        return answers

    seconds, errors, told = zip(*(answer for person in at_once(one, PEOPLE) for answer in person), strict=True)
    return sorted(seconds), sum(errors), sum(told)


def body_of(question: dict[str, Any], component: int) -> bytes:
    """A question as the page's script sends it."""
    named = {"data": question, "component_id": component, "fn_name": "answer", "session_hash": "benchmark"}
    return json.dumps(named).encode()


def at_once(work: Callable[[int], list[Any]], count: int) -> list[list[Any]]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def at(share: float, times: list[float]) -> float:
    """The quantile of sorted times."""
    return times[int(share * len(times))]


class Person:
    """One caller with a connection of its own, as the page's script calls."""

    def __init__(self, url: str) -> None:
        self.component = find_component(url, "answer")
        self._line = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)

    def body_of(self, question: dict[str, Any]) -> bytes:
        return body_of(question, self.component)

    def send(self, body: bytes, where: tuple[str, str] = POST) -> dict[str, Any]:
        """The answer; {"error": ...} where the connection broke, and the next call makes another."""
        try:
            self._line.request(*where, body, {"Content-Type": "application/json"})
            return dict(json.loads(self._line.getresponse().read()))
        except (http.client.HTTPException, OSError) as error:
            self._line.close()
            return {"error": str(error)}
