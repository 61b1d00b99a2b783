"""What reaches gradio of what strangers send, and what they get for the rest."""

import asyncio
import base64
import http.client
import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import own_loop
import pytest
from drawn import SEVEN
from guarded import JSON, TIDY, TidyServer, answer_of, ask_guard, blocks, post, queue, running, send
from page_server import PageServer
from playwright.sync_api import Browser

from camloss.demo import request_guard
from camloss.demo.request_guard import ALLOWED_ROUTES, Body, Guard, Refusal, route_of
from camloss.demo.safe_images import MAX_TEXT

LONGEST = MAX_TEXT - 3
CALL = {"data": [SEVEN]}


# ---- the list


RECORDER = """
import json, sys, threading
import app
from starlette.middleware import Middleware
from camloss.demo.request_guard import route_of

asked = set()

class Recorder:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            route = route_of(scope["method"], scope["path"])
            asked.update([(scope["method"], route.path)] if route else [])
        await self.app(scope, receive, send)

app.LAUNCH["app_kwargs"]["middleware"].insert(0, Middleware(Recorder))
app.demo.launch(**app.LAUNCH, prevent_thread_lock=True, quiet=True)
print(app.demo.local_url, flush=True)
sys.stdin.readline()
print(json.dumps(sorted(asked)), flush=True)

def paths(routes):
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            yield from paths(inner)
        elif hasattr(route, "path"):
            yield from ((method, route.path) for method in sorted(getattr(route, "methods", None) or {"GET"}))

print(json.dumps(sorted(set(paths(app.demo.app.routes)))), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def recorded() -> Iterator[subprocess.Popen[str]]:
    """The page in a process that notes which allowed routes are asked."""
    with running(RECORDER) as process:
        yield process


@pytest.mark.browser
def test_every_allowed_route_is_needed_and_every_other_one_is_closed(
    recorded: subprocess.Popen[str], browser: Browser
) -> None:
    from gradio_client import Client

    assert recorded.stdin
    assert recorded.stdout
    url = recorded.stdout.readline().strip()
    tab = browser.new_page()
    with tab.expect_response("**/web/weights/*.safetensors"):
        tab.goto(url)
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.locator(".examples button").first.click()
    tab.wait_for_function("document.querySelector('[data-ready]').answer")
    photo = base64.b64decode(SEVEN)
    with tab.expect_response("**/component_server/"):  # photos are read by the server
        tab.locator("[name=photo]").set_input_files({"name": "seven.png", "mimeType": "image/png", "buffer": photo})
    tab.evaluate("fetch('web/server.js', {method: 'HEAD'})")  # where an answer fails
    tab.close()
    for function in request_guard.CALLED:
        Client(url, verbose=False).predict(SEVEN, api_name=f"/{function}")
        for call, values in ((function, CALL), (f"v2/{function}", {"picture": SEVEN})):
            request = urllib.request.Request(f"{url}gradio_api/call/{call}", json.dumps(values).encode(), JSON)
            with urllib.request.urlopen(request, timeout=60) as answer:
                event = json.load(answer)["event_id"]
            with urllib.request.urlopen(f"{url}gradio_api/call/{function}/{event}", timeout=60) as answer:
                assert answer.read().startswith(b"event: complete")

    recorded.stdin.write("\n")
    recorded.stdin.flush()
    used = {tuple(entry) for entry in json.loads(recorded.stdout.readline())}
    assert used == {(method, route.path) for route in ALLOWED_ROUTES for method in route.methods}

    routes = [tuple(entry) for entry in json.loads(recorded.stdout.readline())]
    assert len(routes) > 60
    host = url.removeprefix("http://").rstrip("/")
    for method, path in routes:
        filled = re.sub(r"\{[^}]*\}", "x", path)
        if route_of(method, filled) is None:
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request(method, filled, b"{}" if method == "POST" else None, JSON)
            assert connection.getresponse().status == 404, (method, filled)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=https://example.com/",
        "/gradio_api/file=/etc/hostname",
        "/gradio_api/proxy=https://a.hf.space/",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link",
        "/gradio_api/openapi.json",
        "/gradio_api/upload_progress?upload_id=a",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/custom_component/a/client/b/c",
        "/monitoring",
        "/openapi.json",
        "/docs",
        "/static/../config",
        "/static/js/../../config",
        "/assets/..%2f..%2fblocks.py",
        "/web/..",
        "/web/%00",
        "/web/pad",
        "/web/weights/draw.js",
        "//",
    ],
)
def test_closed_routes(page_server: PageServer, path: str) -> None:
    assert send(page_server, "GET", path)[0] == 404


@pytest.mark.parametrize("path", ["upload", "run/explain", "api/explain", "call/v2/other", "cancel", "reset", "login"])
def test_closed_posts(page_server: PageServer, path: str) -> None:
    assert post(page_server, f"/gradio_api/{path}", {"data": [SEVEN, None, None, None]})[0] == 404


def test_other_methods_are_closed(page_server: PageServer) -> None:
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "MADE-UP"):
        for path in ("/", "/gradio_api/component_server/", "/web/draw.js"):
            assert send(page_server, method, path, None, **preflight)[0] == 404


def test_a_query_that_nobody_needs_is_dropped(page_server: PageServer) -> None:
    for query in ("page=nonsense", "deep_link=" + "a" * 1000, "view=api&__theme=dark"):
        assert send(page_server, "GET", f"/?{query}")[0] == 200


# ---- headers


def test_every_answer_says_what_browsers_may_do_with_it(page_server: PageServer) -> None:
    answers = [
        send(page_server, "GET", path, Origin="https://elsewhere.example", Host="page.example")
        for path in ("/", "/config", "/web/draw.js", "/nothing")
    ]
    answers.append(send(page_server, "POST", "/gradio_api/component_server/", b"{}", **JSON))
    for _, headers, _ in answers:
        assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
        (policy,) = headers.get_all("Content-Security-Policy") or []
        assert "default-src 'none'" in policy
        assert "frame-ancestors" not in policy  # Spaces embed the page
        assert "X-Frame-Options" not in headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


# ---- bodies


@pytest.mark.parametrize(
    ("question", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 10_000, 400),
        (b"[]", 400),
        (b"[" + b"[]," * 20_000 + b"[]]", 413),
        ({"data": {}, "component_id": 1, "fn_name": "answer"}, 400),
        ({"data": {}, "component_id": 1, "fn_name": "answer", "session_hash": "a" * 41}, 400),
        ({"data": {}, "component_id": 1, "fn_name": "answer", "session_hash": "a b"}, 400),
        ({"data": {}, "component_id": 1, "fn_name": "answer", "session_hash": ["a"]}, 400),
        ({"data": {}, "component_id": [1], "fn_name": "answer", "session_hash": "a"}, 400),
        ({"data": {}, "component_id": 10**5, "fn_name": "answer", "session_hash": "a"}, 404),
        ({"data": {}, "component_id": 1, "fn_name": 1, "session_hash": "a"}, 400),
    ],
)
def test_odd_questions_are_refused_in_one_line(page_server: PageServer, question: Any, status: int) -> None:
    got, answer = post(page_server, "/gradio_api/component_server/", question)
    assert got == status
    assert "\n" not in answer["error"]
    assert len(answer["error"]) < 200


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("queue/join", {"data": [SEVEN, None, None, None], "fn_index": 0}),
        ("queue/join", {"data": [SEVEN, None, None, None], "fn_index": 99, "session_hash": "a"}),
        ("queue/join", {"data": [SEVEN, None, None, None], "fn_index": "0", "session_hash": "a"}),
        ("queue/join", {"data": [SEVEN, None, None, None], "fn_index": 0, "session_hash": "a" * 1000}),
        ("call/explain", {"data": SEVEN}),
        ("call/explain", {"data": [SEVEN] * 6}),
        ("call/explain", {"data": [SEVEN], "session_hash": "a" * 1000}),
    ],
)
def test_odd_calls_are_refused_in_one_line(page_server: PageServer, path: str, question: Any) -> None:
    status, answer = post(page_server, f"/gradio_api/{path}", question)
    assert status == 400
    assert "\n" not in answer["error"]


def test_forms_are_refused(page_server: PageServer) -> None:
    status, _, _ = send(
        page_server,
        "POST",
        "/gradio_api/component_server/",
        b"a",
        **{"Content-Type": "multipart/form-data; boundary=a"},
    )
    assert status == 415


@pytest.fixture(scope="module")
def tidy_server() -> Iterator[TidyServer]:
    with running(TIDY) as process:
        yield TidyServer(process)


def test_long_session_names_leave_nothing_behind(tidy_server: TidyServer) -> None:
    before = tidy_server.megabytes()
    for number in range(12):
        question = {"data": {}, "component_id": 1, "fn_name": "answer", "session_hash": f"{number}" * 2_000_000}
        assert post(tidy_server, "/gradio_api/component_server/", question)[0] == 400
    assert tidy_server.megabytes() - before < 25  # not 12 x 4


def test_unfetched_answers_are_forgotten(tidy_server: TidyServer) -> None:
    events: list[str] = []
    while len(events) < request_guard.MAX_UNFETCHED + 30:
        status, answer = post(tidy_server, "/gradio_api/call/explain", {"data": [SEVEN, None, None, None]})
        if status == 200:
            events.append(answer["event_id"])
        else:
            assert status == 503  # gradio's queue is full, or ours
            time.sleep(0.05)
    time.sleep(1)
    _, _, newest = send(tidy_server, "GET", f"/gradio_api/call/explain/{events[-1]}")
    assert newest.startswith(b"event: complete")
    status, _, oldest = send(tidy_server, "GET", f"/gradio_api/call/explain/{events[0]}")
    assert b"complete" not in oldest
    assert b"Traceback" not in oldest


def test_the_queue_is_bounded(tidy_server: TidyServer) -> None:
    """Bodies as long as may be, far more of them than there is room for."""

    def flood(kind: str) -> None:
        for number in range(30):
            question = {"data": ["A" * LONGEST, None, None, None], "fn_index": 0, "session_hash": f"{kind}{number}"}
            assert post(tidy_server, "/gradio_api/queue/join", question)[0] in (200, 503)
        time.sleep(1)

    flood("first")
    before = tidy_server.megabytes()
    flood("second")
    assert tidy_server.megabytes() - before < 50  # not 30 x 12


# ---- one at a time: the middleware alone


async def found_place(app: Guard, session: str | None = None) -> None:
    app.find_place(session)


def queue_of(count: int) -> Any:
    return queue(**{f"s{number}": {f"e{number}"} for number in range(count)})


def test_old_answers_are_forgotten_but_for_those_that_are_being_made() -> None:
    waiting = queue_of(request_guard.MAX_UNFETCHED)
    waiting.event_ids_to_events["e0"] = SimpleNamespace(session_hash="s0")
    app = Guard(None, blocks(waiting))
    app.done_since = {f"s{number}": -2 * request_guard.KEPT for number in range(request_guard.MAX_UNFETCHED)}
    own_loop.run(found_place(app))
    assert list(waiting.pending_event_ids_session) == [
        "s0",
        *(f"s{n}" for n in range(2, request_guard.MAX_UNFETCHED)),
    ]


def test_young_answers_are_kept_and_new_calls_refused() -> None:
    """Six callers with bad calls once made others' answers vanish within a second."""
    waiting = queue_of(request_guard.MAX_UNFETCHED)
    app = Guard(None, blocks(waiting))
    with pytest.raises(Refusal, match="wait to be fetched") as refused:
        own_loop.run(found_place(app))
    assert refused.value.busy
    assert len(waiting.pending_event_ids_session) == request_guard.MAX_UNFETCHED


def test_sessions_that_fetched_all_make_place() -> None:
    waiting = queue(**{f"s{number}": set() for number in range(request_guard.MAX_UNFETCHED + 20)})
    own_loop.run(found_place(Guard(None, blocks(waiting))))
    assert len(waiting.pending_event_ids_session) == request_guard.MAX_UNFETCHED - 1


def test_a_session_fetches_before_it_calls_again() -> None:
    app = Guard(None, blocks(queue(a={str(number) for number in range(request_guard.MAX_PER_SESSION)})))
    with pytest.raises(Refusal, match="fetch the answers"):
        own_loop.run(found_place(app, "a"))
    own_loop.run(found_place(app, "b"))


QUESTION = json.dumps({"data": {}, "component_id": 1, "fn_name": "answer", "session_hash": "a"}).encode()


def part(size: int, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": b" " * size, "more_body": more}


def test_large_bodies_share_one_budget() -> None:
    app = Guard(None, blocks())
    app.bodies = {Body(0.0, room=request_guard.MAX_HELD - request_guard.SMALL, coming=False)}
    size = request_guard.SMALL + 1
    status, answer = ask_guard(app, size, [part(size)])
    assert (status, answer["busy"]) == (200, True)  # the page's script reads answers only
    assert ask_guard(app, size, [part(size)], page=False)[0] == 503
    assert app.held == request_guard.MAX_HELD - request_guard.SMALL


def question(length: int) -> bytes:
    body = json.dumps({"data": {"picture": ""}, "component_id": 1, "fn_name": "answer", "session_hash": "a"}).encode()
    return body.replace(b'""', b'"' + b"A" * length + b'"')


async def echo(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'"answered"'})


async def photo_among(app: Guard, *others: list[Any]) -> tuple[int, Any]:
    """The answer to a photo while bodies of 4 MB have been announced, of which so much has come."""
    path = "/gradio_api/component_server/"
    silent = [asyncio.create_task(answer_of(app, messages, path, 4_000_000)) for messages in others]
    await asyncio.sleep(0.05)
    body = question(1_000_000)
    answer = await answer_of(app, [{"type": "http.request", "body": body}], path, len(body))
    for task in silent:
        task.cancel()
    await asyncio.gather(*silent, return_exceptions=True)
    return answer


def test_what_is_announced_and_does_not_come_takes_no_room() -> None:
    app = Guard(echo, blocks())
    assert own_loop.run(photo_among(app, *([part(1, more=True)] for _ in range(20)))) == (200, "answered")
    assert app.held == 0


@pytest.mark.parametrize(("slow", "answer"), [(0.0, "answered"), (60.0, None)])
def test_bodies_that_take_long_give_way(monkeypatch: pytest.MonkeyPatch, slow: float, answer: str | None) -> None:
    """Four bodies of which nearly all has come leave no room for a photo, unless they are slow."""
    monkeypatch.setattr(request_guard, "SLOW", slow)
    app, sizes = Guard(echo, blocks()), (*[request_guard.MAX_BODY - 10] * 3, request_guard.MAX_BODY - 500_000)
    got = own_loop.run(photo_among(app, *([part(size, more=True)] for size in sizes)))[1]
    assert got == answer or (answer is None and got["busy"])
    assert app.held == 0


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_guard, "SECONDS", 0.05)
    app = Guard(None, blocks())
    half = [{"type": "http.request", "body": QUESTION[:5], "more_body": True}]
    status, answer = ask_guard(app, request_guard.SMALL + 1, half)
    assert status == 408
    assert "did not arrive" in answer["error"]
    assert app.held == 0


def test_what_gradio_stumbles_over_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def stumble(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("/root/secret")

    app = Guard(stumble, blocks())
    status, answer = ask_guard(app, len(QUESTION), [{"type": "http.request", "body": QUESTION}])
    assert status == 400
    assert "secret" not in answer["error"]
    assert "KeyError" in caplog.text


def test_a_body_that_is_no_http_is_refused_and_leaves_no_traceback(page_server: PageServer) -> None:
    host, port = page_server.url.removeprefix("http://").rstrip("/").split(":")
    for path in ("/config", "/nothing", "/web/draw.js"):
        with socket.create_connection((host, int(port)), timeout=60) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n".encode())
            assert line.recv(1000).startswith(b"HTTP/1.1 400")
    assert "LocalProtocolError" not in page_server.log.read_text(encoding="utf-8")


def test_half_sent_headers_are_given_up(page_server: PageServer) -> None:
    """Twenty connections that never finish their request; the page answers others meanwhile."""
    host, port = page_server.url.removeprefix("http://").rstrip("/").split(":")
    halves = [socket.create_connection((host, int(port)), timeout=60) for _ in range(20)]
    for half in halves[:10]:
        half.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    assert send(page_server, "GET", "/web/draw.js")[0] == 200
    for half in halves:
        assert half.recv(1000) == b""  # closed, though nothing was answered
        half.close()
