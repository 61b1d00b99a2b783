"""How long the Hub is waited for."""

import threading
import time

import pytest

from camloss import CamlossError
from camloss.hub import client, timeouts
from camloss.hub.timeouts import GivenUpError, with_stall_timeout


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "STALL_SECONDS", 0.5)


def receive(count: int) -> None:
    """What happens when so many bytes of an answer arrive."""
    limits = client._limits.get()
    assert limits is not None
    limits.received(count)


def test_progress_is_a_megabyte() -> None:
    """Twelve tenths of a second in all, more than the timeout, with a megabyte in between."""

    def reads(count: int) -> str:
        for _ in range(12):
            time.sleep(0.1)
            receive(count)
        return "done"

    assert with_stall_timeout("load a file", lambda: reads(timeouts.STEP)) == "done"
    with pytest.raises(CamlossError, match=r"^cannot load a file: the Hub did not get on, given up after [01] s"):
        with_stall_timeout("load a file", lambda: reads(1))


def test_an_upload_has_the_time_that_its_size_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timeouts.SLOWEST == 100_000
    monkeypatch.setattr(timeouts, "SLOWEST", 1_000_000)

    def uploads() -> str:
        time.sleep(1.5)
        return "done"

    assert with_stall_timeout("push a file", uploads, upload=3_000_000) == "done"
    with pytest.raises(CamlossError, match="did not get on"):
        with_stall_timeout("push a file", uploads, upload=100_000)


def test_whose_work_nobody_waits_for_is_told_so_at_its_next_byte() -> None:
    ended = threading.Event()

    def goes_on() -> None:
        try:
            while True:
                time.sleep(0.05)
                receive(1)
        except GivenUpError:
            ended.set()

    with pytest.raises(CamlossError):
        with_stall_timeout("load a file", goes_on)
    assert ended.wait(10)
