"""What gradio learns of a request: no value, no header that tells it where it stands, nothing to fetch or to keep."""

import http.server
import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import own_loop
import pytest
from drawn import SEVEN
from guarded import JSON, TIDY, TidyServer, answer_of, blocks, post, running, send
from made_up_images import write_image_pair
from page_server import PageServer
from untrained import write_pair

from camloss.demo import build, request_guard
from camloss.demo.request_guard import Guard

ASK, JOIN, CALL, BY_NAME = (
    f"/gradio_api/{name}" for name in ("component_server/", "queue/join", "call/explain", "call/v2/explain")
)
STROKES = [{"width": 60, "points": [390, 200, 300.5, 550]}]


def named(values: Any, component: object = 1, function: object = "answer") -> dict[str, Any]:
    return {"data": values, "component_id": component, "fn_name": function, "session_hash": "a"}


def joined(values: Any, **others: Any) -> dict[str, Any]:
    return {"data": values, "fn_index": 0, "session_hash": "a", **others}


class Gradio:
    """Notes what it is given, and answers as it is told."""

    def __init__(self, status: int = 200, words: str = "answered") -> None:
        self.status, self.words = status, words
        self.scope: dict[str, Any] = {}
        self.body = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.body = scope, (await receive())["body"]
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(self.words).encode()})

    def asked(
        self, path: str, question: Any, headers: tuple[tuple[bytes, bytes], ...] = (), page: Any = None
    ) -> tuple[int, Any]:
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        messages = [{"type": "http.request", "body": body}]
        return own_loop.run(answer_of(Guard(self, page or blocks()), messages, path, len(body), headers))


# ---- values


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (ASK, named({"picture": "secret", "class_idx": 3, "other_idx": None, "networks": "secret"})),
        (JOIN, joined(["secret", 3, None, "secret"], event_data=None, trigger_id=7)),
        (CALL, {"data": ["secret", 3, None, "secret"]}),
        (BY_NAME, {"networks": "secret", "picture": "secret", "class_idx": 3}),
    ],
)
def test_values_reach_our_functions_and_gradio_sees_none(path: str, question: Any) -> None:
    gradio = Gradio()
    assert gradio.asked(path, question) == (200, "answered")
    assert gradio.scope[request_guard.QUESTION].values == {
        "picture": "secret",
        "class_idx": 3,
        "other_idx": None,
        "networks": "secret",
        "strokes": None,
        "second": None,
    }
    assert b"secret" not in gradio.body
    assert b"3" not in gradio.body
    told = json.loads(gradio.body)
    assert told["data"] == (None if path == ASK else [None] * 6)
    assert gradio.scope["path"] == (CALL if path == BY_NAME else path)
    assert dict(gradio.scope["headers"])[b"content-length"] == str(len(gradio.body)).encode()


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (ASK, named({"picture": "secret", "erase": 0.25}, function="answer_image")),
        *[
            (path, question)
            for path, question in (
                (JOIN, joined(["secret", None, None, None, 0.25], fn_index=1)),
                ("/gradio_api/call/explain_image", {"data": ["secret", None, None, None, 0.25]}),
                ("/gradio_api/call/v2/explain_image", {"erase": 0.25, "picture": "secret"}),
            )
        ],
    ],
)
def test_a_picture_reaches_our_function_and_gradio_sees_none(path: str, question: Any) -> None:
    gradio = Gradio()
    assert gradio.asked(path, question) == (200, "answered")
    values = gradio.scope[request_guard.QUESTION].values
    assert values == {"picture": "secret", "class_idx": None, "other_idx": None, "networks": None, "erase": 0.25}
    assert b"secret" not in gradio.body
    assert gradio.scope["path"] == path.replace("v2/", "")


@pytest.mark.parametrize("function", ["explain", "explain_image"])
def test_a_function_takes_its_own_values_alone(function: str) -> None:
    other = "erase" if function == "explain" else "strokes"
    assert Gradio().asked(f"/gradio_api/call/v2/{function}", {other: None})[0] == 400
    assert Gradio().asked(f"/gradio_api/call/{function}", {"data": [None] * 7})[0] == 400


FETCH = {"path": "http://127.0.0.1/", "meta": {"_type": "gradio.FileData"}}
WRONG_STROKES: list[Any] = [
    FETCH,
    [FETCH],
    "strokes",
    [1],
    [{"width": 1}],
    [{"width": 1, "points": [1, FETCH]}],
    [{"width": 1, "points": [1, "2"]}],
    [{"width": 1, "points": [1, True]}],
    [{"width": 1, "points": [1, None]}],
    [{"width": None, "points": [1, 2]}],
    [{"width": FETCH, "points": [1, 2]}],
    [{"width": 1, "points": FETCH}],
    [{"width": 1, "points": [1, 2], **FETCH}],
    [{"width": 1, "points": [1, 1e999]}],
]
FILES: list[Any] = [FETCH, [FETCH]]
WRONG: list[tuple[str, Any, str]] = [
    *[("picture", value, "picture must be a text or null") for value in (*FILES, 1, True, 1.5, [SEVEN])],
    *[("networks", value, "networks must be a text or null") for value in (*FILES, ["a"], False, 0)],
    *[("class_idx", value, "class_idx must be a whole number or null") for value in ("4", 4.0, True, 10**9, *FILES)],
    *[
        ("other_idx", value, "other_idx must be a whole number or null")
        for value in ("4", 4.0, False, -(10**9), *FILES)
    ],
    *[
        ("strokes", value, 'strokes must be a list of {"width": w, "points": [x, y, x, y, ...]}')
        for value in WRONG_STROKES
    ],
]


WRONG_SHARES: list[tuple[str, Any, str]] = [
    ("erase", value, "erase must be a number or null") for value in ("0.1", True, [0.1], 1e999, 10**9, *FILES)
]


def routes_to(function: str, index: int, values: list[Any], body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Every route to a function of the API, and a question for it."""
    return [
        (JOIN, joined(values, fn_index=index)),
        (f"/gradio_api/call/{function}", {"data": values}),
        (f"/gradio_api/call/v2/{function}", body),
    ]


@pytest.mark.parametrize(
    ("name", "value", "words", "function", "index", "asked"),
    [
        *[(*wrong, "explain", 0, "answer") for wrong in WRONG],
        *[(*wrong, "explain_image", 1, "answer_image") for wrong in (*WRONG, *WRONG_SHARES) if wrong[0] != "strokes"],
    ],
)
def test_values_of_other_types_are_refused_on_every_route(  # noqa: PLR0917, one value each
    name: str, value: Any, words: str, function: str, index: int, asked: str
) -> None:
    values = [value if name == each else None for each in request_guard.TAKES[function]]
    body = {name: value}
    for path, question in [(ASK, named(body, function=asked)), *routes_to(function, index, values, body)]:
        text = json.dumps(question).replace("Infinity", "1e999").encode()
        gradio = Gradio()
        status, answer = gradio.asked(path, text)
        assert status == 400, path
        assert answer["error"].startswith(words)
        assert gradio.scope == {}


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (ASK, {**named({}), "request": {}}),
        (ASK, named({"picture": SEVEN, "path": "a"})),
        (ASK, named({"strokes": STROKES}, function="sketch")),
        (ASK, named({"meta": {"_type": "gradio.FileData"}})),
        (ASK, named(None)),
        (ASK, named([FETCH])),
        (ASK, named("a")),
        *[
            (JOIN, joined([SEVEN], **{name: value}))
            for name, value in {
                "request": {},
                "event_id": "a",
                "batched": True,
                "simple_format": True,
                "oauth_token": "a",
                "batch_trigger_ids": [1],
                "event_data": FETCH,
                "trigger_id": "9" * 1000,
                "fn_index": True,
            }.items()
        ],
        (JOIN, joined({})),
        (CALL, {"data": [SEVEN], "event_data": FETCH}),
        (CALL, {"data": [SEVEN], "fn_index": 0}),
        (CALL, {"data": FETCH}),
        (CALL, {}),
        (BY_NAME, {"picture": SEVEN, "session_hash": "a"}),
        (BY_NAME, {"data": [SEVEN]}),
        (CALL, b'{"data": [NaN]}'),
        (CALL, b'{"data": [-Infinity]}'),
        (CALL, b'{"data": ["\xff"]}'),
        (CALL, '{"data": ["a"]}'.encode("utf-16")),
    ],
)
def test_other_fields_and_shapes_are_refused_in_one_line(path: str, question: Any) -> None:
    gradio = Gradio()
    status, answer = gradio.asked(path, question)
    assert status == 400
    assert "\n" not in answer["error"]
    assert len(answer["error"]) < 200
    assert gradio.scope == {}


def test_the_guard_knows_the_parameters_of_each_function(tmp_path: Path) -> None:
    demo, _ = build(write_image_pair(write_pair(tmp_path) / "images").parent)
    called = list(demo.fns.values())
    for function in called:
        assert function.fn is not None
        assert tuple(signature(function.fn).parameters) == request_guard.TAKES[str(function.api_name)]
    assert request_guard.TAKES["explain"] == request_guard.TAKES["answer"]
    assert request_guard.TAKES["explain_image"] == request_guard.TAKES["answer_image"]
    own = Guard(None, demo)
    assert {name for _, name in own.functions} == set(request_guard.TAKES) - set(request_guard.CALLED)
    assert tuple(function.api_name for function in called) == request_guard.CALLED


# ---- functions


@pytest.mark.parametrize(
    ("component", "function", "status"),
    [
        (1, "sketch", 200),
        (True, "sketch", 400),
        (1.0, "sketch", 400),
        (10**30, "sketch", 400),
        (2, "sketch", 404),
        (1, "build_up", 404),
        (1, "z" * 3_990_000, 404),
        (1, "__class__", 404),
        (1, "(a+)+b", 404),
    ],
)
def test_gradio_is_asked_for_known_functions_only(component: object, function: str, status: int) -> None:
    gradio = Gradio()
    assert gradio.asked(ASK, named({}, component, function))[0] == status
    assert (gradio.scope == {}) == (status != 200)


# ---- numbers and text


@pytest.mark.parametrize("number", ["9" * 4300, "9" * 41, "0." + "9" * 60, "1e" + "9" * 50, "-" + "1" * 41])
def test_long_numbers_are_refused_before_they_are_converted(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_long_ones(text: str) -> int:
        assert len(text) <= request_guard.MAX_DIGITS
        return int(text)

    monkeypatch.setattr(request_guard, "_short", lambda _: guard_short(no_long_ones))
    body = f'{{"data": [[{", ".join([number] * 800)}]]}}'.encode()
    gradio = Gradio()
    status, answer = gradio.asked(CALL, body)
    assert (status, gradio.scope) == (400, {})
    assert answer["error"] == "a number is too long; send at most 40 characters"


guard_short = request_guard._short


def test_digits_in_a_text_are_no_number() -> None:
    assert Gradio().asked(CALL, {"data": ["1" * 1_000_000]})[0] == 200


def test_large_bodies_are_read_once_and_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    read_by: list[str] = []
    parse = request_guard.parse

    def noting(body: bytes, fields: frozenset[str]) -> dict[str, Any]:
        read_by.append(threading.current_thread().name)
        return parse(body, fields)

    monkeypatch.setattr(request_guard, "parse", noting)
    gradio = Gradio()
    assert gradio.asked(CALL, {"data": ["A" * 1_000_000]})[0] == 200
    (reader,) = read_by
    assert reader.startswith("reader")
    assert len(gradio.body) < 200


# ---- what gradio says


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_what_gradio_refuses_is_said_in_our_words(status: int) -> None:
    got, answer = Gradio(status, "<secret>" * 100_000).asked(CALL, {"data": [SEVEN]})
    assert got == status
    assert len(answer["error"]) < 100
    assert ("busy" in answer) == (status == 503)


def test_no_answer_repeats_what_was_sent(page_server: PageServer) -> None:
    long = json.dumps({"data": ["secret" * 2_000]}).encode()
    answers = [
        send(page_server, "POST", path, long, **{"Content-Type": kind})
        for path in (ASK, JOIN, CALL, BY_NAME)
        for kind in ("application/jsonx", "application/json-patch+json", "application/jso", "text/plain")
    ]
    answers += [
        send(page_server, "POST", JOIN, json.dumps(joined([SEVEN], trigger_id="secret" * 9999)).encode(), **JSON)
    ]
    answers += [send(page_server, "GET", f"/gradio_api/queue/data{query}") for query in ("", "?session_hash=secret%0a")]
    for status, _, text in answers:
        assert status in (400, 415), text
        assert list(json.loads(text)) == ["error"]
        assert len(text) < 200
        assert b"secret" not in text


# ---- nothing is fetched

TRAP = """
import sys
import app
import safehttpx
from gradio import processing_utils

touched = []
safehttpx.is_public_ip = processing_utils.is_public_ip = lambda ip: True
for name in ("async_ssrf_protected_get", "async_ssrf_protected_download", "save_url_to_cache", "unsafe_download",
             "ssrf_protected_download", "save_file_to_cache", "save_base64_to_cache", "_check_allowed"):
    def trap(*args, real=getattr(processing_utils, name), name=name, **kwargs):
        touched.append(name)
        return real(*args, **kwargs)
    setattr(processing_utils, name, trap)
app.demo.launch(**app.LAUNCH, prevent_thread_lock=True, quiet=True)
print(app.demo.local_url, flush=True)
sys.stdin.readline()
print(touched, flush=True)
sys.stdin.readline()
"""


def test_nothing_is_fetched_on_a_callers_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, running(TRAP) as process:
        assert process.stdin
        assert process.stdout
        server = Trapped(process.stdout.readline().strip())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/big"
        component = json.loads(send(server, "GET", "/config")[2])["components"]
        draw = next(c["id"] for c in component if "answer" in c["props"].get("server_fns", ()) or c["type"] == "html")
        for file in (
            {"path": url, "meta": {"_type": "gradio.FileData"}},
            {"path": "a", "url": url, "meta": {"_type": "gradio.FileData"}},
            {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}},
        ):
            for value in (file, [file], [file] * 50, {"a": file}):
                for at in range(5):
                    values = [value if at == place else None for place in range(5)]
                    assert post(server, CALL, {"data": values})[0] == 400
                    assert post(server, JOIN, joined(values))[0] == 400
                    assert post(server, BY_NAME, {request_guard.TAKES["explain"][at]: value})[0] == 400
                    assert post(server, ASK, named({request_guard.TAKES["answer"][at]: value}, draw))[0] in (400, 404)
                post(server, ASK, named(value, draw))
                post(server, JOIN, joined([SEVEN], event_data=value))
        event = post(server, CALL, {"data": [SEVEN]})[1]["event_id"]
        assert send(server, "GET", f"{CALL}/{event}")[2].startswith(b"event: complete")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "[]"
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()


class Trapped:
    def __init__(self, url: str) -> None:
        self.url = url


# ---- headers


def told_root(server: Any, **headers: str) -> tuple[str, str]:
    """Where gradio believes to stand, by its config and by the page."""
    config = json.loads(send(server, "GET", "/config", None, **headers)[2])
    page = send(server, "GET", "/", None, **headers)[2].decode()
    (url,) = re.findall(r'<meta property="og:url" content="([^"]*)"', page)
    return config["root"], url


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Host": "javascript:alert(1)"},
        {"X-Gradio-Server": "https://evil.example/"},
        {"X-Gradio-Server": "javascript:alert(1)"},
        {"X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Host": "a" * 60_000},
        {"X-Gradio-Server": "a" * 60_000},
        {"Forwarded": "host=evil.example", "X-Forwarded-Prefix": "/evil", "X-Original-Url": "/evil"},
        {"Cookie": "access-token=a", "Authorization": "Bearer a", "Range": "bytes=0-0,1-1", "Referer": "javascript:a"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_headers_do_not_tell_the_page_where_it_stands(page_server: PageServer, headers: dict[str, str]) -> None:
    root, url = told_root(page_server, **headers)
    assert (root, url) == (page_server.url.rstrip("/"), page_server.url)
    status, _, page = send(page_server, "GET", "/", None, **headers)
    assert status == 200
    assert len(page) < 400_000
    assert b"evil" not in page


@pytest.mark.parametrize("host", ["javascript:alert(1)", "a" * 60_000, 'a"><script>', "a/b", "a@b", "a b", "a:b"])
def test_a_host_is_the_name_of_one(page_server: PageServer, host: str) -> None:
    for path in ("/", "/config", "/nothing"):
        status, _, text = send(page_server, "GET", path, None, Host=host)
        assert status in (400, 404)
        assert len(text) < 200


def test_gradio_gets_few_headers() -> None:
    gradio = Gradio()
    sent = tuple((name, b"1") for name in (b"x-gradio-server", b"cookie", b"authorization", b"x-anything", b"host"))
    assert gradio.asked(CALL, {"data": [SEVEN]}, sent)[0] == 200
    assert [name for name, _ in gradio.scope["headers"]] == [b"host", b"content-type", b"content-length"]


@contextmanager
def proxy_before(server: PageServer, **headers: str) -> Iterator[Trapped]:
    """A reverse proxy, as before a Space: it says by which name the page was asked."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = urllib.request.Request(server.url.rstrip("/") + self.path, headers=headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                body = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield Trapped(f"http://127.0.0.1:{proxy.server_port}/")
        finally:
            proxy.shutdown()
            thread.join()


def test_behind_a_proxy_the_page_takes_the_names_that_a_setting_gives(tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt", SPACE_HOST="user-camloss.hf.space, digits.example")
    try:
        for host in ("user-camloss.hf.space", "digits.example"):
            with proxy_before(server, **{"X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}) as proxy:
                assert told_root(proxy) == (f"https://{host}", f"https://{host}/")
        with proxy_before(server, **{"X-Forwarded-Host": "evil.example"}) as proxy:
            assert told_root(proxy)[0] == server.url.rstrip("/")
    finally:
        server.kill()


def test_a_setting_of_ours_comes_before_the_spaces() -> None:
    assert request_guard.named_hosts({"SPACE_HOST": "a.hf.space"}) == {b"a.hf.space"}
    assert request_guard.named_hosts({"SPACE_HOST": "a.hf.space", "CAMLOSS_HOSTS": "A.example, b.example"}) == {
        b"a.example",
        b"b.example",
    }
    assert request_guard.named_hosts({}) == set()


def test_a_browser_asks_each_time_whether_the_page_is_the_newest(page_server: PageServer) -> None:
    assert send(page_server, "GET", "/")[1].get_all("Cache-Control") == ["no-cache"]


# ---- the log


def test_nobody_writes_into_the_log(tmp_path: Path) -> None:
    """Lines, colours and 4 MB of somebody's words, on every way by which they could come into it."""
    server = PageServer(tmp_path / "log.txt")
    forged = "\n\x1b[31mERROR: forged " + "x" * 3_900_000
    try:
        for path, question in (
            (CALL, {"data": [{"path": forged, "meta": {"_type": "gradio.FileData"}}]}),
            (CALL, {"data": [forged]}),
            (CALL, {"data": [None, None, None, forged]}),
            (BY_NAME, {forged: 1}),
            (JOIN, joined([SEVEN], trigger_id=forged)),
            (ASK, named({"picture": forged})),
            (ASK, named({}, function=forged)),
        ):
            status, answer = post(server, path, question)
            if status == 200 and "event_id" in answer:
                send(server, "GET", f"{CALL}/{answer['event_id']}")
        host, port = server.url.removeprefix("http://").rstrip("/").split(":")
        for line in (
            "GET /%0a%1b[31mforged HTTP/1.1",
            "GET /web/weights?networks=%0aforged HTTP/1.1",
            "\x1b[31mforged",
        ):
            with socket.create_connection((host, int(port)), timeout=60) as connection:
                connection.sendall(f"{line}\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                connection.recv(1000)
    finally:
        server.process.terminate()
        server.process.wait(20)
    log = server.log.read_bytes()
    assert b"\x1b" not in log
    assert b"xxx" not in log
    assert not [line for line in log.splitlines() if b"forged" in line]
    assert len(log) < 5_000


# ---- memory


@pytest.fixture(scope="module")
def tidy_server() -> Iterator[TidyServer]:
    with running(TIDY) as process:
        yield TidyServer(process)


def test_memory_is_flat_over_mixed_requests(tidy_server: TidyServer) -> None:
    """The small version of what scripts/dev/benchmark_page.py --only memory measures."""

    def mixed(rounds: int) -> None:
        for number in range(rounds):
            post(tidy_server, ASK, named({"strokes": STROKES, "picture": "A" * 5_000}, 1, f"{number}" * 20_000))
            post(tidy_server, CALL, {"data": ["A" * 5_000, number]})
            post(tidy_server, JOIN, {**joined([FETCH]), "session_hash": f"s{number}"})
            post(tidy_server, BY_NAME, {f"{number}" * 1000: 1})
            send(tidy_server, "GET", f"/nothing/{number}", None, **{"X-Forwarded-Host": f"a{number}" * 1000})

    mixed(60)
    before = tidy_server.megabytes()
    mixed(120)
    assert tidy_server.megabytes() - before < 8
