"""Who waits for whom: what the page sends while somebody draws never waits for what takes a hundred times as long.

Three lanes, each with threads and a bounded queue of its own; who finds a lane full is told so at once, and nobody who
waits keeps one of the threads that the rest of the server answers with.
"""

import asyncio
import base64
import contextlib
import os
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from camloss.errors import CamlossError

T = TypeVar("T")

WORKERS = os.cpu_count() or 1
DRAWING = (
    256,
    100_000,
)  # at most that many pixels on each side and characters of text: strokes, as the page sends them
PHOTO = (512, 1_300_000)  # a photo, as the page sends it
POINTS = 2_000  # of strokes, at most, where they are as cheap as a drawing
HEADER = 48  # characters that hold a PNG's first 33 bytes, which tell its size


class Busy(CamlossError):  # noqa: N818, a state of the page rather than a mistake
    """Nothing is wrong; it may be asked again in a moment."""


class Lane:
    """Threads that do one piece of work after the other, and the queue before them."""

    def __init__(self, workers: int, room: int, niceness: int = 0) -> None:
        """Room counts who is being served, too; niceness is Linux's, beyond the page's: more is a lower priority."""
        self._pool = ThreadPoolExecutor(workers, initializer=_start_thread, initargs=(niceness,))
        self._room = room
        self._inside = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives, done in its turn.

        Raises:
            Busy: the lane is full; else whatever `work` raises.
        """
        if self._inside >= self._room:
            raise Busy("many pictures are being read at this moment; try again in a moment")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Do nothing more than what is being done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _start_thread(niceness: int) -> None:
    torch.set_num_threads(1)  # more at once would slow down everyone
    if niceness and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # where threads have no priorities, the lane is still bounded
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


DRAWINGS = Lane(WORKERS, room=128)  # 3 ms each
PHOTOS = Lane(1, room=16, niceness=5)  # 20 ms each
REST = Lane(1, room=4, niceness=10)  # up to 300 ms each
LANES = (DRAWINGS, PHOTOS, REST)


def lane_for(picture: object, strokes: object = None) -> Lane:
    """Where a question about this picture, base64 text, or these strokes waits.

    What a picture's first bytes say about its size is binding: no other part of the file can enlarge it.
    """
    if not isinstance(picture, str):
        return DRAWINGS if _points_of(strokes) <= POINTS else PHOTOS
    side = _png_side(picture)
    for lane, (pixels, characters) in ((DRAWINGS, DRAWING), (PHOTOS, PHOTO)):
        if side is not None and side <= pixels and len(picture) <= characters:
            return lane
    return REST


def _points_of(strokes: object) -> int:
    found = strokes if isinstance(strokes, list) else []
    lists = (stroke.get("points") for stroke in found if isinstance(stroke, dict))
    return sum(len(points) // 2 for points in lists if isinstance(points, list))


def _png_side(picture: str) -> int | None:
    """The longest side of a PNG in base64; None for whatever is none."""
    start = picture[:100].partition(",")[2] if picture.startswith("data:") else picture
    try:
        width, height = struct.unpack_from(">II", base64.b64decode(start[:HEADER], validate=True), 16)
    except (ValueError, struct.error):
        return None
    return int(max(width, height)) if start.startswith("iVBORw0KGgo") else None
