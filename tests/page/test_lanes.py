"""Who waits for whom."""

import asyncio
import threading

import own_loop
import pytest
from drawn import SEVEN
from hostile import png, saved, text_of

from camloss.page.lanes import DRAWINGS, PHOTOS, REST, Busy, Lane, lane_for


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
