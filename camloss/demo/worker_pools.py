"""Worker pools: what the page asks while somebody draws never waits for what takes several times as long.

Four worker pools, each with threads and a bounded queue of its own. What a question costs decides which of them takes
it, and callers take turns. Who finds a queue full is told so at once, and nobody who waits keeps one of the threads
that the rest of the server answers with.
"""

import asyncio
import base64
import contextlib
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from camloss.demo.safe_images import plain_base64
from camloss.errors import CamlossError

T = TypeVar("T")

WORKERS = os.cpu_count() or 1
DRAWING = (128, 100_000)  # pixels on a side and characters of text, at most: as cheap as strokes, opaque or not
PHOTO = (512, 1_300_000)  # a photo, as the page sends it
POINTS = 1_000  # and strokes, which cost as much: at most twice the time that a few of them take
HEADER = 48  # characters that hold a PNG's first 33 bytes, which tell its size
FIRST = 200  # characters among which they are, with a `data:` prefix and line breaks


class Busy(CamlossError):  # noqa: N818, a state of the page rather than a mistake
    """Nothing is wrong; it may be asked again in a moment."""


BUSY = "many pictures are being read at this moment; try again in a moment"
Turn = asyncio.Future[None]
Caller = tuple[str, str]  # an address and a session, which its owner names as it likes
NOBODY: Caller = ("", "")


class WorkerPool:
    """Threads that do one piece of work after the other, and the queue before them."""

    def __init__(self, workers: int, room: int, niceness: int = 0) -> None:
        """Room counts who is being served, too; niceness is Linux's, beyond the page's: more is a lower priority."""
        self._pool = ThreadPoolExecutor(workers, initializer=_start_thread, initargs=(niceness,))
        self._room = room
        self._workers = self._free = workers
        self._queue = FairQueue()

    async def run(self, work: Callable[[], T], caller: Caller = NOBODY) -> T:
        """What `work` gives, done in its turn.

        Raises:
            Busy: the pool is full, and of those who wait nobody takes more of it than this caller; else whatever `work`
                raises.
        """
        await self._turn(caller)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._leave()

    async def _turn(self, caller: Caller) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._room - self._workers:
            greediest = self._queue.greedier_than(caller)
            if greediest is None:
                raise Busy(BUSY)
            self._queue.take(*greediest, newest=True).set_exception(Busy(BUSY))
        turn: Turn = asyncio.get_running_loop().create_future()
        self._queue.add(caller, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had just come
                self._leave()
            raise

    def _leave(self) -> None:
        """Give a worker back, to who is next."""
        self._free += 1
        while self._free and len(self._queue):
            turn = self._queue.take(*self._queue.next())
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def close(self) -> None:
        """Do nothing more than what is being done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class FairQueue:
    """Who waits: addresses take turns, and at each address its sessions, which a proxy's callers have in common."""

    def __init__(self) -> None:
        self._turns: dict[str, dict[str, deque[Turn]]] = {}  # in the order in which they are next

    def __len__(self) -> int:
        return sum(map(_count, self._turns.values()))

    def add(self, caller: Caller, turn: Turn) -> None:
        address, session = caller
        self._turns.setdefault(address, {}).setdefault(session, deque()).append(turn)

    def next(self) -> Caller:
        address, sessions = next(iter(self._turns.items()))
        return address, next(iter(sessions))

    def take(self, address: str, session: str, newest: bool = False) -> Turn:
        """One turn of a caller, who is last from now on."""
        sessions = self._turns.pop(address)
        turns = sessions.pop(session)
        turn = turns.pop() if newest else turns.popleft()
        if turns:
            sessions[session] = turns
        if sessions:
            self._turns[address] = sessions
        return turn

    def greedier_than(self, caller: Caller) -> Caller | None:
        """Who waits for most, where that is more than this caller would wait for; of equals the last in the queue."""
        address, session = caller
        own = self._turns.get(address, {})
        most = max(reversed(self._turns), key=lambda name: _count(self._turns[name]), default=address)
        if most != address and _count(self._turns[most]) <= _count(own) + 1:
            most = address
        sessions = self._turns.get(most, {})
        longest = max(reversed(sessions), key=lambda name: len(sessions[name]), default=None)
        if longest is None or (most == address and len(sessions[longest]) <= len(own.get(session, ())) + 1):
            return None
        return most, longest


def _count(sessions: dict[str, deque[Turn]]) -> int:
    return sum(map(len, sessions.values()))


def _start_thread(niceness: int) -> None:
    torch.set_num_threads(1)  # more at once would slow down everyone
    if niceness and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # where threads have no priorities, the pool is still bounded
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


DRAWINGS = WorkerPool(WORKERS, room=128)  # 5 to 10 ms each
PHOTOS = WorkerPool(1, room=16, niceness=5)  # up to 60 ms each
REST = WorkerPool(1, room=4, niceness=10)  # up to 300 ms each
IMAGES = WorkerPool(1, room=16, niceness=10)  # for the Images tab, whose networks may be of any size
WORKER_POOLS = (DRAWINGS, PHOTOS, REST, IMAGES)


def pool_for(picture: object, strokes: object = None) -> WorkerPool:
    """Where a question about this picture, base64 text, or these strokes waits.

    What a picture's first bytes say about its size is binding: no other part of the file can enlarge it.
    """
    if not isinstance(picture, str):
        return DRAWINGS if _points_and_strokes(strokes) <= POINTS else PHOTOS
    side = _png_side(picture)
    for pool, (pixels, characters) in ((DRAWINGS, DRAWING), (PHOTOS, PHOTO)):
        if side is not None and side <= pixels and len(picture) <= characters:
            return pool
    return REST


def _points_and_strokes(strokes: object) -> int:
    found = strokes if isinstance(strokes, list) else []
    lists = (stroke.get("points") for stroke in found if isinstance(stroke, dict))
    return len(found) + sum(len(points) // 2 for points in lists if isinstance(points, list))


def _png_side(picture: str) -> int | None:
    """The longest side of a PNG in base64; None for whatever is none."""
    start = picture[:FIRST].partition(",")[2] if picture.startswith("data:") else picture[:FIRST]
    try:
        header = plain_base64(start)[:HEADER]
        width, height = struct.unpack_from(">II", base64.b64decode(header, validate=True), 16)
    except (ValueError, struct.error):
        return None
    return int(max(width, height)) if header.startswith(b"iVBORw0KGgo") else None
