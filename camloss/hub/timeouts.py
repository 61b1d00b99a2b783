"""The stall timeout of the Hub: a call that makes no progress is given up, and its thread told to stop.

The Hub's client has no limit for a push, retries for minutes where the Hub hangs, and sleeps for as long as a busy Hub
asks it to. None of these can be interrupted, so they are done in a thread that can be left behind.
"""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

from camloss.errors import CamlossError
from camloss.hub.client import limited_answers
from camloss.hub.messages import WITHOUT_XET, check_environment, is_in_xet, later, one_line_errors

T = TypeVar("T")

STALL_SECONDS = 60.0  # without progress
NOTICE_SECONDS = 5.0  # until a line says what is waited for
STEP = 1_000_000  # bytes that count as progress: a byte a second does not
SLOWEST = 100_000  # bytes a second that an upload takes at least


class GivenUpError(Exception):
    """Ends the work of a thread that nobody waits for any more."""


class Progress:
    """What a download tells of itself to whom waits for it."""

    def __init__(self) -> None:
        self.given_up = False
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


def with_stall_timeout(what: str, work: Callable[[], T], upload: int = 0, loading: bool = False) -> T:
    """Do what asks the Hub, for as long as it gets on.

    Args:
        what: what is tried, such as "push to user/name".
        work: raises what the Hub's client raises.
        upload: how many bytes it sends, of which the client does not tell how far they are.
        loading: from the Hub, rather than to it.

    Raises:
        CamlossError: it made no progress for `STALL_SECONDS`, or failed.
    """
    check_environment()
    timeout, started, progress = max(STALL_SECONDS, upload / SLOWEST), time.monotonic(), Progress()
    future: Future[T] = Future()

    def run() -> None:
        try:
            with limited_answers(received=progress.received):
                done = work()
        except BaseException as error:  # for whom waits
            future.set_exception(error)
        else:
            future.set_result(done)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait([future], min(NOTICE_SECONDS, timeout))
        if not future.done():
            logging.getLogger(__name__).warning("waiting for the Hub, to %s", what)
        while not future.done() and (left := progress.last + timeout - time.monotonic()) > 0:
            wait([future], left)
        if not future.done():
            seconds, again = time.monotonic() - started, later(loading)
            xet = is_in_xet(traceback.extract_stack(sys._current_frames().get(thread.ident or 0)))
            who, do = ("the Hub's Xet storage", f"{WITHOUT_XET}, or {again}") if xet else ("the Hub", again)
            raise CamlossError(f"cannot {what}: {who} did not get on, given up after {seconds:.0f} s; {do}")
    finally:
        if not future.done():
            progress.given_up = True
            hang_up()
    with one_line_errors(what, loading):
        return future.result()


def hang_up() -> None:
    """Close the client's connections: a thread that still reads would keep the lock of the file in the cache.

    The one private function has no public counterpart: a process whose Xet upload hangs may abort when it ends.
    """
    from huggingface_hub import close_session

    close_session()
    with suppress(ImportError):  # in another version of the client
        from huggingface_hub.utils._xet import abort_xet_session

        abort_xet_session()  # type: ignore[no-untyped-call]
