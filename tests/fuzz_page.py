"""Garbage for a running page: questions in JSON, requests byte by byte, and links for a browser."""

import base64
import json
import re
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fuzz_files import JSON, Draw, changed_json, pictures
from hypothesis import strategies as st

from camloss.demo.request_guard import CALLED, TAKES

SILENCE = 0.25  # seconds in which an answer to a request that may not be whole must begin
SPOKEN = 60.0  # the same for one that is whole
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # which comes before the answer to who expects it
SECRETS = re.compile(rb"Traceback|site-packages|/camloss/|\.py\b.{0,9}line|/(?:root|home|usr)/")
ALLOWED = {200, 206, 304, 400, 403, 404, 405, 408, 411, 413, 415, 422, 426, 431, 501, 503, 505}
STROKES = [{"width": 40, "points": [300, 200, 700, 200, 450, 800]}, {"width": 40, "points": [350, 500, 650, 500]}]
POINT = st.one_of(
    st.floats(), st.integers(-(10**7), 10**7), st.sampled_from((0, 1e6, -1e6, 1e-300, 5e-324, None, "1", True))
)
ODD_STROKES = st.lists(
    st.fixed_dictionaries(
        {
            "width": st.one_of(st.floats(), st.sampled_from((0, 1e-3, 1, 40, 1e6, None))),
            "points": st.one_of(
                st.lists(POINT, max_size=12),
                st.integers(0, 6).map(lambda power: [7.0, 5.0] * 5**power),
                st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60).map(
                    lambda points: points[: len(points) // 2 * 2]
                ),
            ),
        }
    ),
    max_size=6,
)
EVEN_STROKES = st.lists(
    st.tuples(
        st.floats(1e-3, 1e6), st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30)
    ),
    max_size=5,
).map(lambda strokes: [{"width": width, "points": [x for point in points for x in point]} for width, points in strokes])
strokes = st.one_of(ODD_STROKES, EVEN_STROKES, changed_json(STROKES), JSON)


@dataclass(frozen=True)
class Answer:
    status: int | None
    """None where the connection was closed without one."""
    text: bytes

    def problem(self) -> str | None:
        """What a stranger should not get."""
        if self.status is not None and self.status not in ALLOWED:
            return f"status {self.status}"
        if found := SECRETS.search(self.text):
            return f"the answer holds {found[0].decode(errors='replace')!r}"
        if b"The server failed" in self.text:
            return "an error that nobody foresaw; the log has it"
        return None


class Caller:
    """Sends bytes to a page and reads what it answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        components = json.loads(self.get("/config").text)["components"]
        self.components = {
            name: int(c["id"]) for c in components for name in reversed(c["props"].get("server_fns", []))
        }
        """The id of the component that serves each function of the page."""

    def send(self, request: bytes, whole: bool = True) -> Answer:
        """One connection, one request; where it may not be whole, a silent server is not waited for."""
        received = b""
        with socket.create_connection((self.host, self.port), timeout=SPOKEN if whole else SILENCE) as line:
            try:
                line.sendall(request)
                while part := line.recv(1 << 16):
                    received += part
                    received = received.removeprefix(CONTINUE)
                    if _is_whole(received):
                        break
            except OSError:  # it was reset, or nothing came
                pass
        status = re.match(rb"HTTP/1\.[01] (\d{3})", received)
        return Answer(int(status[1]) if status else None, received.partition(b"\r\n\r\n")[2])

    def post(self, path: str, question: Any) -> Answer:
        return self.send(post(path, json.dumps(question).encode()))

    def get(self, path: str) -> Answer:
        return self.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    def ask(self, question: "Question") -> Answer:
        """A question by the route that it is meant for; of a call, the answer is fetched, too."""
        if question.function in self.components:
            return self.post(
                "/gradio_api/component_server/",
                {
                    "component_id": self.components[question.function],
                    "fn_name": question.function,
                    "session_hash": "fuzz",
                    "data": question.data,
                },
            )
        answer = self.post(f"/gradio_api/call/{question.function}", {"data": question.data})
        event = re.search(rb'"event_id":\s*"([0-9a-f]{32})"', answer.text)
        return self.get(f"/gradio_api/call/{question.function}/{event[1].decode()}") if event else answer


def _is_whole(received: bytes) -> bool:
    """Whether an answer that tells its length has come."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return bool(end and length and len(body) >= int(length[1]))


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# ---- questions


@dataclass(frozen=True)
class Question:
    """What a server function, or a function of the API, is asked."""

    function: str
    data: Any


@st.composite
def questions(draw: Draw) -> Question:
    """One of them, or what looks a little like it."""
    function = draw(
        st.sampled_from(("answer", "answer", "build_up", "sketch", "explain", "answer_image", "explain_image"))
    )
    drawing = draw(st.one_of(strokes, st.just(STROKES)))
    picture = None if draw(st.booleans()) else draw(st.one_of(pictures().map(lambda made: made.text()), JSON))
    digit = st.one_of(st.none(), st.integers(-1, 10), JSON)
    data = {
        "picture": picture,
        "class_idx": draw(digit),
        "other_idx": draw(digit),
        "networks": draw(st.one_of(st.none(), st.none(), st.just("checkpoints"), JSON)),
        "strokes": drawing if picture is None else draw(st.one_of(st.none(), strokes)),
        "second": draw(st.one_of(st.none(), st.sampled_from(("ce", "alpha-3", "virtual-canvas")), JSON)),
        "erase": draw(st.one_of(st.none(), st.floats(), st.just(0.1), JSON)),
    }
    if function in CALLED:
        return Question(function, draw(st.one_of(st.just([data[name] for name in TAKES[function]]), JSON)))
    known = {**data, "variant": draw(st.one_of(st.sampled_from(("ce", "cam")), JSON))}
    named = {name: known[name] for name in TAKES[function]}
    return Question(function, draw(st.one_of(st.just(named), changed_json({**named, "picture": None}), JSON)))


# ---- bytes

PATHS = (
    "/",
    "/config",
    "/theme.css",
    "/web/draw.js",
    "/web/weights",
    "/web/weights?networks=checkpoints",
    f"/web/weights/{'0' * 64}.safetensors",
    "/assets/index.js",
    "/static/fonts/a/b.woff2",
    "/gradio_api/info?serialize=False",
    "/gradio_api/startup-events",
    "/gradio_api/queue/data?session_hash=a",
    f"/gradio_api/call/explain/{'0' * 32}",
    "/gradio_api/component_server/",
    "/gradio_api/queue/join",
    "/gradio_api/call/explain",
    "/gradio_api/call/explain_image",
    "/gradio_api/upload",
    "/gradio_api/file=/etc/hostname",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "PRI", "CONNECT", "\0", "G" * 9000)
HEADERS = (
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: \u0663",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked, gzip",
    "Content-Type: application/json; charset=utf-7",
    "Content-Type: multipart/form-data; boundary=a",
    "Content-Type: application/JSON",
    "Content-Encoding: gzip",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "Expect: 100-continue",
    "Range: bytes=0-0,1-1,2-2,5-1",
    "If-None-Match: *",
    "X-Forwarded-Host: elsewhere.example\r\nX-Forwarded-Proto: javascript",
    "Cookie: a=" + "b" * 7000,
    "Accept-Encoding: gzip;q=nonsense",
    "Accept-Language: " + "de," * 500,
    "Origin: null",
    "X-A: \u00e9\r\n folded: yes",
    ": empty",
    "no colon",
)
BODIES = (b"", b"{}", b"[]", b"\xff\xfe", b"5\r\n{}   \r\n0\r\n\r\n", b"fffffffff\r\n", b"[" * 3000, b'{"data":' * 2000)
ASTRAY = ("%00", "%2e%2e/", "../", "//", ";a", "%", "%ff", "?", f"?session_hash={'a' * 50}", "\u00e9", "a" * 9000)


def _bodies(component: int) -> tuple[bytes, ...]:
    """What a browser would send."""
    data = {"strokes": STROKES}
    bodies = (
        {"data": data, "component_id": component, "fn_name": "answer", "session_hash": "fuzz"},
        {"data": [None, None, None, None, STROKES], "fn_index": 0, "session_hash": "fuzz"},
        {"data": [None, 3, None, None, STROKES]},
    )
    return tuple(json.dumps(body).encode() for body in bodies)


@st.composite
def requests(draw: Draw, component: int) -> bytes:
    """Requests that begin as true ones and go astray in one or several places, the bytes themselves included.

    Args:
        component: the id of the one that serves `answer`.
    """

    def chance(percent: int) -> bool:
        return bool(draw(st.integers(0, 99)) >= 100 - percent)

    path = draw(st.sampled_from(PATHS))
    body = draw(st.sampled_from(BODIES if chance(40) else _bodies(component)))
    method = "POST" if path in PATHS[13:16] else "GET"
    if chance(15):
        method = draw(st.sampled_from(METHODS))
    if chance(30):
        at = draw(st.integers(0, len(path)))
        path = path[:at] + draw(st.sampled_from(ASTRAY)) + path[at:]
    headers = ["Host: a"]
    if method not in ("GET", "HEAD") and chance(85):
        length = len(body) + draw(st.sampled_from((0, 0, 0, -1, 1)))
        headers += ["Content-Type: application/json", f"Content-Length: {length}"]
    headers += draw(st.lists(st.sampled_from(HEADERS), max_size=2, unique=True))
    version = draw(st.sampled_from(("HTTP/1.0", "HTTP/2.0", "HTTP/9", ""))) if chance(5) else "HTTP/1.1"
    request = bytearray("\r\n".join([f"{method} {path} {version}", *headers, "", ""]).encode() + body)
    if chance(30):
        for at, byte in draw(st.lists(st.tuples(st.integers(0, len(request) - 1), st.integers(0, 255)), max_size=20)):
            request[at] = byte
    if chance(10):
        del request[draw(st.integers(0, len(request) - 1)) :]
    if chance(10):
        request *= 2  # one after the other on the same connection
    return bytes(request)


# ---- links


def _link(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _number(value: int) -> bytes:
    """As address.js writes it: 7 bits a byte, the lowest first."""
    return (bytes([value % 128 + 128]) + _number(value // 128)) if value > 127 else bytes([value])


links = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=400).map(_link),
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**40), st.binary(max_size=40)).map(
        lambda stroke: _link(_number(stroke[0]) + _number(stroke[1]) + stroke[2])
    ),
    st.tuples(st.integers(1, 1000), st.sampled_from((1, 100, 19_999, 20_000, 20_001, 70_000))).map(
        lambda stroke: _link(_number(stroke[0]) + _number(stroke[1]) + b"\x02" * (2 * stroke[1]))
    ),
    st.integers(1, 300_000).map(lambda count: _link(b"\x28\x01\x02\x02" * count)),
    st.integers(1, 200_000).map(lambda count: _link(b"\xff" * count)),
)
READ_LINKS = """async (texts) => {
    const { fromText } = await import(new URL("web/address.js", document.baseURI));
    return texts.map((text) => {
        const begun = performance.now();
        let problem = null;
        try {
            for (const { width, points } of fromText(text)) {
                if (!(Number.isInteger(width) && points.length && points.every(Number.isInteger)))
                    problem = "it holds strokes that no pen draws";
            }
        } catch (error) {
            if (!String(error.message).includes("too long for a link")) problem = String(error);
        }
        return { seconds: (performance.now() - begun) / 1000, problem };
    });
}"""
