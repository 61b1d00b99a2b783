"""Nobody waits for the Hub for ever: what does not get on is given up, and is told so where it goes on by itself.

The Hub's client has no limit for a push, retries for minutes where the Hub hangs, and sleeps for as long as a busy Hub
asks it to. None of these can be interrupted, so they are done in a thread that can be left behind.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from camloss.errors import CamlossError
from camloss.hub.client import limited_answers
from camloss.hub.messages import later, one_line_errors

T = TypeVar("T")

PATIENCE = 60.0  # seconds without progress
NOTICE = 5.0  # seconds until a line says what is waited for
STEP = 1_000_000  # bytes that count as progress: a byte a second does not
SLOWEST = 100_000  # bytes a second that an upload takes at least


class GivenUpError(Exception):
    """Ends the work of a thread that nobody waits for any more."""


class Progress:
    """What a download tells of itself to whom waits for it."""

    def __init__(self) -> None:
        self.given_up = False
        self.by_xet = False
        self.problem: Exception | None = None
        """Why the download was stopped, where the client would not pass it on."""
        self.last = time.monotonic()
        self._bytes = 0

    def received(self, count: int) -> None:
        """Count some bytes. Raises GivenUpError where nobody waits for them."""
        if self.given_up:
            raise GivenUpError
        self._bytes += count
        if self._bytes >= STEP:
            self._bytes = 0
            self.last = time.monotonic()


def patiently(what: str, work: Callable[[Progress], T], upload: int = 0, loading: bool = False) -> T:
    """Do what asks the Hub, for as long as it gets on.

    Args:
        what: what is tried, such as "push to user/name".
        work: raises what the Hub's client raises.
        upload: how many bytes it sends, of which the client does not tell how far they are.
        loading: from the Hub, rather than to it.

    Raises:
        CamlossError: it made no progress for `PATIENCE` seconds, or failed.
    """
    patience, started, progress = max(PATIENCE, upload / SLOWEST), time.monotonic(), Progress()
    future: Future[T] = Future()

    def run() -> None:
        try:
            with limited_answers():
                done = work(progress)
        except BaseException as error:  # for whom waits
            future.set_exception(progress.problem or error)
        else:
            future.set_exception(progress.problem) if progress.problem else future.set_result(done)

    threading.Thread(target=run, daemon=True).start()
    try:
        wait([future], min(NOTICE, patience))
        if not future.done():
            logging.getLogger(__name__).warning("waiting for the Hub, to %s", what)
        while not future.done() and (left := progress.last + patience - time.monotonic()) > 0:
            wait([future], left)
        if not future.done():
            seconds = time.monotonic() - started
            storage, first = ("'s Xet storage", "set HF_HUB_DISABLE_XET=1, or ") if progress.by_xet else ("", "")
            gave_up = f"the Hub{storage} did not get on, given up after {seconds:.0f} s"
            raise CamlossError(f"cannot {what}: {gave_up}; {first}{later(loading)}")
    finally:
        if not future.done():
            progress.given_up = True
            hang_up()
    with one_line_errors(what, loading):
        return future.result()


def hang_up() -> None:
    """Close the client's connections: a thread that still reads would keep the lock of the file in the cache."""
    from huggingface_hub import close_session
    from huggingface_hub.utils._xet import abort_xet_session

    close_session()
    abort_xet_session()  # type: ignore[no-untyped-call]
