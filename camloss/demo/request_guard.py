"""What stands between strangers and gradio: which requests there are, how long and how large they may be.

gradio answers about 70 routes and believes what it is sent. Here is the one list of those that the page, its API and
its start need; whatever is not on it is 404, and what is on it is checked before gradio reads it.
"""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from h11 import LocalProtocolError

from camloss.demo.safe_images import MAX_TEXT

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

NAME = r"[\w-][\w.-]*"
SESSION = r"[A-Za-z0-9-]{1,40}"  # gradio's page makes 10 or 11 letters and digits, its Python client a UUID


@dataclass(frozen=True)
class Door:
    """Requests that are let in."""

    methods: tuple[str, ...]
    path: str
    """A regular expression for the whole path."""
    query: str = ""
    """A regular expression for the whole query; another one is dropped, since nobody needs it."""
    page_asks: bool = False
    """Whether the page's script waits for the answer, which has to be an object that it can show."""


CALL = Door(("POST",), "/gradio_api/call/explain")
CALL_BY_NAME = Door(("POST",), "/gradio_api/call/v2/explain")  # as gradio's own documentation shows it
JOIN = Door(("POST",), "/gradio_api/queue/join")
ASK = Door(("POST",), "/gradio_api/component_server/", page_asks=True)
DOORS = (
    Door(("GET", "HEAD"), "/"),
    Door(("GET",), "/config"),
    Door(("GET",), r"/theme\.css"),
    Door(("GET",), r"/favicon\.ico"),
    Door(("GET",), rf"/assets/{NAME}"),
    Door(("GET",), rf"/static/(?:fonts/{NAME}|js)/{NAME}"),
    Door(("GET",), "/web/weights", query=r"networks=[\w%.+-]{1,200}"),
    Door(("GET",), r"/web/weights/[0-9a-f]{64}\.safetensors"),
    Door(("GET", "HEAD"), rf"/web/{NAME}\.{NAME}"),
    Door(("GET",), "/gradio_api/startup-events"),  # asked by launch, once
    ASK,
    # The API: its documentation, gradio's Python client, and two plain requests.
    Door(("GET",), "/gradio_api/info", query="serialize=False"),
    JOIN,
    Door(("GET",), "/gradio_api/queue/data", query=f"session_hash={SESSION}"),
    CALL,
    CALL_BY_NAME,
    Door(("GET",), "/gradio_api/call/explain/[0-9a-f]{32}"),
)

MAX_BODY = MAX_TEXT + 10_000  # bytes
MAX_VALUES = 40_000  # in a question, most of them strokes; JSON of nothing but brackets takes 30 times its size
SMALL = 100_000  # bytes of a body that always finds room
MAX_HELD = 16_000_000  # bytes of larger bodies, all together, those in gradio's queue included
SECONDS = 20.0  # until a whole body must have come
MAX_WAITING = 16  # calls in gradio's queue
MAX_PER_SESSION = 8  # calls of one session whose answers it has not fetched
MAX_UNFETCHED = 64  # finished calls whose answers nobody has fetched; the oldest are forgotten

# gradio's page needs inline scripts and eval, and compiles WebAssembly; it may be embedded, as Spaces do.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'none'",
    )
)
HEADERS = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", POLICY.encode()))


class Refusal(Exception):  # noqa: N818, an answer rather than an error
    """A request that gradio never sees."""

    def __init__(self, status: int, words: str, busy: bool = False) -> None:
        super().__init__(words)
        self.status, self.words, self.busy = status, words, busy


class Guard:
    """ASGI middleware around gradio; `blocks` is the page, of which the queue is watched."""

    def __init__(self, app: Any, blocks: Any) -> None:
        self.app, self.blocks = app, blocks
        self.held = 0  # bytes of the larger bodies that are being read and answered

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with contextlib.suppress(LocalProtocolError):  # what follows the headers is no HTTP: uvicorn has answered that
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        door = door_of(scope["method"], scope["path"])
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*_without(message.get("headers", ()), HEADERS), *HEADERS]
            await send(message)

        room = 0
        try:
            if door is None:
                raise Refusal(404, "there is nothing here")
            query = scope["query_string"].decode("latin-1")
            scope = {**scope, "query_string": query.encode("latin-1") if re.fullmatch(door.query, query) else b""}
            if "POST" in door.methods:
                room = await self._room_for(scope, receive)
                self.held += room
                body = await read_body(receive)
                body = check_question(door, body, self.blocks)
                receive = replay(body, receive)
            await self.app(scope, receive, dressed)
        except Refusal as refusal:
            await refuse(dressed, refusal, as_answer=door is not None and door.page_asks and refusal.busy)
        except LocalProtocolError:
            raise
        except Exception as error:  # our own functions catch theirs: what comes here, gradio stumbled over
            log.warning("%s %s: %s: %s", scope["method"], scope["path"][:100], type(error).__name__, str(error)[:200])
            if not begun:
                await refuse(dressed, Refusal(400, "this request cannot be answered; see the API's documentation"))
            else:
                await send({"type": "http.response.body", "body": b""})
        finally:
            self.held -= room

    async def _room_for(self, scope: Any, receive: Receive) -> int:
        """The bytes to reserve for a body, which are 0 for small ones."""
        headers = dict(scope["headers"])
        if not headers.get(b"content-type", b"").lower().startswith(b"application/json"):
            raise Refusal(415, "send JSON, as application/json")
        declared = headers.get(b"content-length", str(MAX_BODY).encode())
        if not declared.isdigit() or int(declared[:20]) > MAX_BODY:
            raise Refusal(413, f"the request is too large; send at most {MAX_BODY:,} bytes")
        if int(declared) <= SMALL:
            return 0
        if self.held + queued_bytes(self.blocks._queue) + int(declared) > MAX_HELD:
            await read_body(receive, keep=False)  # or the connection would break before our answer is read
            raise Refusal(503, "many pictures are being read at this moment; try again in a moment", busy=True)
        return int(declared)


def door_of(method: str, path: str) -> Door | None:
    """The door by which a request comes in; None where there is none."""
    return next((d for d in DOORS if method in d.methods and re.fullmatch(d.path, path, re.ASCII)), None)


@contextlib.asynccontextmanager
async def without_cors(app: Any) -> AsyncIterator[None]:
    """A lifespan: gradio lets the scripts of every site read its answers, with credentials; nobody needs that here."""
    from gradio.route_utils import CustomCORSMiddleware

    app.user_middleware = [entry for entry in app.user_middleware if entry.cls is not CustomCORSMiddleware]
    app.middleware_stack = app.build_middleware_stack()
    yield


async def read_body(receive: Receive, keep: bool = True) -> bytes:
    """A whole body, or b"" where it is not to be kept.

    Raises:
        Refusal: it is too large, or does not arrive in time.
    """
    parts: list[bytes] = []
    size = 0
    end = asyncio.get_running_loop().time() + SECONDS
    while True:
        try:
            message = await asyncio.wait_for(receive(), end - asyncio.get_running_loop().time())
        except asyncio.TimeoutError:
            raise Refusal(408, f"the request did not arrive within {SECONDS:g} s") from None
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request broke off")
        part = message.get("body", b"")
        size += len(part)
        if keep:
            parts.append(part)
        if size > MAX_BODY:
            raise Refusal(413, f"the request is too large; send at most {MAX_BODY:,} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then whatever comes."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again


def check_question(door: Door, body: bytes, blocks: Any) -> bytes:
    """The body, with null for values that a call leaves out at its end.

    Raises:
        Refusal: the body is no JSON object, has more values than any question, or other than this one has; names its
            session as nobody does; or answers to that session's earlier calls are still to be fetched.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refusal(413, f"the question has too many values; send at most {MAX_VALUES:,}")
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the request is no JSON") from None
    if not isinstance(question, dict):
        raise Refusal(400, "the request is no JSON object")
    session = question.get("session_hash")
    if not (
        (session is None and door in (CALL, CALL_BY_NAME))
        or (isinstance(session, str) and re.fullmatch(SESSION, session))
    ):
        raise Refusal(400, "session_hash must be 1 to 40 letters and digits")
    if door is ASK:
        if not (isinstance(question.get("component_id"), int) and isinstance(question.get("fn_name"), str)):
            raise Refusal(400, "component_id must be a number and fn_name a name")
    else:
        function = 0 if door is CALL else question.get("fn_index")
        missing = 0 if door is CALL_BY_NAME else _missing(question, function, blocks.fns)
        if missing:
            body = json.dumps({**question, "data": question["data"] + [None] * missing}).encode()
        forget_unfetched(blocks)
        if len(blocks._queue.pending_event_ids_session.get(session, ())) >= MAX_PER_SESSION:
            raise Refusal(503, f"fetch the answers to your {MAX_PER_SESSION} earlier calls first", busy=True)
    return body


def _missing(question: dict[str, Any], function: object, functions: Mapping[int, Any]) -> int:
    """How many values a call leaves out."""
    if not isinstance(function, int) or function not in functions:
        raise Refusal(400, "there is no such fn_index")
    values, count = question.get("data"), len(functions[function].inputs)
    if not isinstance(values, list) or len(values) > count:
        raise Refusal(400, f"data must be a list of at most {count} values")
    return count - len(values)


def queued_bytes(queue: Any) -> int:
    """What the bodies of the calls weigh that wait in gradio's queue or are being answered."""
    return sum(len(getattr(event.request, "_body", b"")) for event in queue.event_ids_to_events.values())


def forget_unfetched(blocks: Any) -> None:
    """gradio keeps what each session sent last, and for ever what nobody fetches.

    Let go of the former as soon as a call is done, and of the latter in the oldest sessions whose calls all are.
    """
    queue, states = blocks._queue, blocks.state_holder.session_data
    sessions = queue.pending_event_ids_session
    live = {event.session_hash for event in queue.event_ids_to_events.values()}
    unfetched = sum(map(len, sessions.values()))
    for session in [name for name in sessions if name not in live]:
        states.pop(session, None)
        if unfetched > MAX_UNFETCHED or len(sessions) > MAX_UNFETCHED:
            unfetched -= len(sessions.pop(session))
            queue.pending_messages_per_session.pop(session, None)


async def refuse(send: Send, refusal: Refusal, as_answer: bool = False) -> None:
    """Say no in one line; as_answer says it with the status of an answer, for who reads no others."""
    content = json.dumps({"error": refusal.words, **({"busy": True} if refusal.busy else {})}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),  # what may still come of the request is not read
        *([(b"retry-after", b"1")] if refusal.busy else []),
    ]
    await send({"type": "http.response.start", "status": 200 if as_answer else refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _without(headers: Any, others: Any) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in others}
    return [(name, value) for name, value in headers if name.lower() not in names]
