"""Who waits for whom."""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Sequence
from types import SimpleNamespace

import malicious_images
import own_loop
import pytest
from drawn import SEVEN
from guarded import JSON, running, send
from malicious_images import png, saved, text_of

from camloss.demo.worker_pools import DRAWINGS, PHOTOS, REST, Busy, Caller, WorkerPool, pool_for


def test_what_the_page_sends_has_worker_pools_of_its_own() -> None:
    assert pool_for(SEVEN) is DRAWINGS
    assert pool_for(f"data:image/png;base64,{SEVEN}") is DRAWINGS
    assert pool_for(text_of(png(480, 320, colour=6))) is PHOTOS
    assert pool_for(SEVEN + "A" * 200_000) is PHOTOS
    for picture in (png(2000, 2000), png(16_000, 1), saved("JPEG"), saved("WEBP")):
        assert pool_for(text_of(picture)) is REST
    for text in ("", "no base64!", "data:", "A" * 4_000_000, "iVBORw0KGgo", "b\u00fcnt"):
        assert pool_for(text) is REST
    assert pool_for(None) is DRAWINGS
    assert pool_for(None, [{"width": 1, "points": [0] * 998}] * 2) is DRAWINGS
    odd: list[object] = ["abc", [1], [[]], [{}], [{"points": 3}], {"points": []}]
    for strokes in odd:
        assert pool_for(None, strokes) is DRAWINGS


@pytest.mark.parametrize("name", malicious_images.COSTLY_DRAWINGS)
def test_what_is_several_times_as_dear_as_a_drawing_waits_where_nobody_draws(name: str) -> None:
    question = malicious_images.COSTLY_DRAWINGS[name]()
    assert pool_for(question.get("picture"), question.get("strokes")) is PHOTOS


@pytest.mark.parametrize("name", malicious_images.LARGEST_DRAWINGS)
def test_what_is_little_dearer_than_a_drawing_waits_with_drawings(name: str) -> None:
    question = malicious_images.LARGEST_DRAWINGS[name]()
    assert pool_for(question.get("picture"), question.get("strokes")) is DRAWINGS


def test_pictures_larger_than_the_page_sends_share_one_slow_worker() -> None:
    assert (REST._pool._max_workers, REST._room) == (1, 4)
    if not hasattr(os, "setpriority"):
        return

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def of(pool: WorkerPool) -> int:
        return await pool.run(niceness)

    here = niceness()
    assert own_loop.run(of(REST)) >= min(19, here + 10) > here == own_loop.run(of(DRAWINGS))


def test_who_finds_a_lane_full_is_told_at_once_and_the_next_gets_in() -> None:
    pool, end = WorkerPool(workers=1, room=2), threading.Event()

    async def callers() -> list[object]:
        first, second = (asyncio.create_task(pool.run(end.wait)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="try again"):
            await pool.run(lambda: True)
        end.set()
        return [await first, await second, await pool.run(lambda: "next")]

    assert own_loop.run(callers()) == [True, True, "next"]


def test_work_that_fails_gives_its_place_back() -> None:
    pool = WorkerPool(workers=1, room=1)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 // 0)

    own_loop.run(twice())


def order_of(arrivals: Sequence[Caller], room: int = 128) -> list[int]:
    """Who is served, one after the other, by one worker that is busy until all have come; the others are refused."""
    pool, all_here, served = WorkerPool(workers=1, room=room), threading.Event(), []

    async def come(number: int, caller: Caller) -> None:
        with contextlib.suppress(Busy):
            await pool.run(lambda: served.append(number), caller)

    async def callers() -> None:
        first = asyncio.create_task(pool.run(all_here.wait, ("first", "")))
        await asyncio.sleep(0)
        others = [asyncio.create_task(come(number, caller)) for number, caller in enumerate(arrivals)]
        await asyncio.sleep(0)
        all_here.set()
        await asyncio.gather(first, *others)

    own_loop.run(callers())
    pool.close()
    return served


def test_one_caller_with_a_full_queue_of_questions_keeps_nobody_out() -> None:
    flood = [("10.0.0.1", "")] * 128
    served = order_of([*flood, ("10.0.0.2", ""), ("10.0.0.3", "")])
    assert len(served) == 127  # and the first, who is in work
    assert set(served[:3]) == {0, 128, 129}, "each is next as soon as its turn comes round"


def test_inventing_sessions_gives_an_address_no_more_turns() -> None:
    flood = [("10.0.0.1", str(number)) for number in range(128)]
    assert set(order_of([*flood, ("10.0.0.2", "")])[:2]) == {0, 128}


def test_behind_a_proxy_sessions_take_turns() -> None:
    flood = [("proxy", "greedy")] * 128
    assert set(order_of([*flood, ("proxy", "modest")])[:2]) == {0, 128}


def test_who_waits_for_little_is_not_sent_away_for_who_would_wait_for_as_much() -> None:
    assert order_of([("10.0.0.1", "")] * 2 + [("10.0.0.2", "")] * 3, room=5) == [0, 2, 1, 3]


def test_callers_take_turns_each_with_its_own_questions_in_order() -> None:
    one, two, three = ("10.0.0.1", ""), ("10.0.0.2", ""), ("10.0.0.3", "")
    assert order_of([one, one, one, two, two, three]) == [0, 3, 5, 1, 4, 2]


def test_who_gives_up_while_waiting_leaves_the_queue_to_the_others() -> None:
    pool, end = WorkerPool(workers=1, room=3), threading.Event()

    async def callers() -> str:
        first, second = (asyncio.create_task(pool.run(end.wait)) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        third = asyncio.create_task(pool.run(lambda: "third"))
        await asyncio.sleep(0)
        end.set()
        await first
        return await asyncio.wait_for(third, 10)

    assert own_loop.run(callers()) == "third"


CALLERS = """
import json
import app
from camloss.demo import worker_pools

async def run(pool, work, caller=worker_pools.NOBODY):
    print(json.dumps(caller), flush=True)
    return work()

worker_pools.WorkerPool.run = run
app.demo.launch(**app.LAUNCH, prevent_thread_lock=True, quiet=True)
(component,) = (number for number, block in app.demo.blocks.items() if hasattr(block, "answer"))
print(app.demo.local_url, component, flush=True)
input()
"""


def test_a_caller_is_an_address_that_a_proxy_here_names_and_a_session() -> None:
    with running(CALLERS) as process:
        assert process.stdout
        url, component = process.stdout.readline().split()
        page = SimpleNamespace(url=url)
        question = {"data": {"strokes": []}, "component_id": int(component), "fn_name": "answer", "session_hash": "tab"}

        def caller_of(path: str, question: dict[str, object], **headers: str) -> list[str]:
            send(page, "POST", path, json.dumps(question).encode(), **JSON, **headers)
            assert process.stdout
            return list(json.loads(process.stdout.readline()))

        ask = "/gradio_api/component_server/"
        assert caller_of(ask, question) == ["127.0.0.1", "tab"]
        forwarded = {"X-Forwarded-For": "203.0.113.7"}
        assert caller_of(ask, question, **forwarded) == ["203.0.113.7", "tab"]
        assert caller_of("/gradio_api/call/explain", {"data": [SEVEN]}, **forwarded) == ["203.0.113.7", ""]
        network = {caller_of(ask, question, **{"X-Forwarded-For": f"2001:db8:1:2::{n}"})[0] for n in range(2)}
        assert network == {"2001:db8:1:2::/64"}
