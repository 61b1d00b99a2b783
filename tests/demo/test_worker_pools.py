"""Who waits for whom."""

import asyncio
import os
import threading

import own_loop
import pytest
from drawn import SEVEN
from hostile import png, saved, text_of

from camloss.demo.worker_pools import DRAWINGS, PHOTOS, REST, Busy, Lane, lane_for


def test_what_the_page_sends_has_lanes_of_its_own() -> None:
    assert lane_for(SEVEN) is DRAWINGS
    assert lane_for(f"data:image/png;base64,{SEVEN}") is DRAWINGS
    assert lane_for(text_of(png(480, 320, colour=6))) is PHOTOS
    assert lane_for(SEVEN + "A" * 200_000) is PHOTOS
    for picture in (png(2000, 2000), png(16_000, 1), saved("JPEG"), saved("WEBP")):
        assert lane_for(text_of(picture)) is REST
    for text in ("", "no base64!", "data:", "A" * 4_000_000, "iVBORw0KGgo", "b\u00fcnt"):
        assert lane_for(text) is REST
    assert lane_for(None) is DRAWINGS
    assert lane_for(None, [{"width": 1, "points": [0] * 1000}] * 4) is DRAWINGS
    assert lane_for(None, [{"width": 1, "points": [0] * 1000}] * 5) is PHOTOS
    odd: list[object] = ["abc", [1], [[]], [{}], [{"points": 3}], {"points": []}]
    for strokes in odd:
        assert lane_for(None, strokes) is DRAWINGS


def test_pictures_larger_than_the_page_sends_share_one_slow_worker() -> None:
    assert (REST._pool._max_workers, REST._room) == (1, 4)
    if not hasattr(os, "setpriority"):
        return

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def of(lane: Lane) -> int:
        return await lane.run(niceness)

    here = niceness()
    assert own_loop.run(of(REST)) >= min(19, here + 10) > here == own_loop.run(of(DRAWINGS))


def test_who_finds_a_lane_full_is_told_at_once_and_the_next_gets_in() -> None:
    lane, end = Lane(workers=1, room=2), threading.Event()

    async def crowd() -> list[object]:
        first, second = (asyncio.create_task(lane.run(end.wait)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="try again"):
            await lane.run(lambda: True)
        end.set()
        return [await first, await second, await lane.run(lambda: "next")]

    assert own_loop.run(crowd()) == [True, True, "next"]


def test_work_that_fails_gives_its_place_back() -> None:
    lane = Lane(workers=1, room=1)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await lane.run(lambda: 1 // 0)

    own_loop.run(twice())
