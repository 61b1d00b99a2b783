"""How long the Hub is waited for."""

import threading
import time

import pytest

from camloss import CamlossError
from camloss.hub import timeouts
from camloss.hub.timeouts import GivenUpError, Progress, patiently


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "PATIENCE", 0.2)


def test_progress_is_a_megabyte() -> None:
    """Twelve tenths of a second in all, more than there is patience for, with a megabyte in between."""

    def gets_on(progress: Progress) -> str:
        for _ in range(12):
            time.sleep(0.1)
            progress.received(timeouts.STEP)
        return "done"

    def trickles(progress: Progress) -> None:
        for _ in range(12):
            time.sleep(0.1)
            progress.received(1)

    assert patiently("load a file", gets_on) == "done"
    with pytest.raises(CamlossError, match=r"^cannot load a file: the Hub did not get on, given up after 0 s"):
        patiently("load a file", trickles)


def test_an_upload_has_the_time_that_its_size_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timeouts.SLOWEST == 100_000
    monkeypatch.setattr(timeouts, "SLOWEST", 1_000_000)

    def uploads(_: Progress) -> str:
        time.sleep(0.6)
        return "done"

    assert patiently("push a file", uploads, upload=3_000_000) == "done"
    with pytest.raises(CamlossError, match="did not get on"):
        patiently("push a file", uploads, upload=100_000)


def test_whose_work_nobody_waits_for_is_told_so_at_its_next_byte() -> None:
    ended = threading.Event()

    def goes_on(progress: Progress) -> None:
        try:
            while True:
                time.sleep(0.05)
                progress.received(1)
        except GivenUpError:
            ended.set()

    with pytest.raises(CamlossError):
        patiently("load a file", goes_on)
    assert ended.wait(10)


def test_a_problem_that_the_client_swallowed_is_what_is_raised() -> None:
    def swallows(progress: Progress) -> None:
        progress.problem = CamlossError("too large")

    with pytest.raises(CamlossError, match="too large"):
        patiently("load a file", swallows)
