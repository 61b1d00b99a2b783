"""The request guard before gradio: which requests are let in, how large they may be and how long they may take.

gradio answers about 70 routes and believes what it is sent: it fetches the addresses that it finds among the values of
a call, for one. Here is the one list of the routes that the page, its API and its start need; whatever is not on it is
404. Of what is on it, gradio gets the path, a few headers, and of a question not one byte: its values are checked here
and wait in the request's scope, where our own functions find them by `question_for`.
"""

import asyncio
import contextlib
import functools
import json
import logging
import math
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any, NoReturn, TypeGuard

from h11 import LocalProtocolError

from camloss.demo.logs import brief
from camloss.demo.safe_images import MAX_TEXT
from camloss.demo.worker_pools import NOBODY, Caller

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

NAME = r"[\w-][\w.-]{0,199}"
SESSION = r"[A-Za-z0-9-]{1,40}"  # gradio's page makes 10 or 11 letters and digits, its Python client a UUID


@dataclass(frozen=True)
class AllowedRoute:
    """Requests that are let in."""

    methods: tuple[str, ...]
    path: str
    """A regular expression for the whole path."""
    query: str = ""
    """A regular expression for the whole query; another one is dropped, since nobody needs it."""
    page_asks: bool = False
    """Whether the page's script waits for the answer, which has to be an object that it can show."""
    fields: frozenset[str] = frozenset()
    """What a body may hold."""
    calls: str = ""
    """Which function of the API it calls."""


TAKES = {  # the values of each function that can be called, in the order of its parameters
    "explain": ("picture", "class_idx", "other_idx", "networks", "strokes", "second"),
    "answer": ("picture", "class_idx", "other_idx", "networks", "strokes", "second"),
    "build_up": ("picture", "variant", "class_idx", "networks", "strokes"),
    "sketch": ("picture",),
    "explain_image": ("picture", "class_idx", "other_idx", "networks", "erase"),
    "answer_image": ("picture", "class_idx", "other_idx", "networks", "erase"),
}
CALLED = ("explain", "explain_image")  # those that the API has
CALLS = tuple(
    AllowedRoute(("POST",), f"/gradio_api/call/{name}", fields=frozenset({"data", "session_hash"}), calls=name)
    for name in CALLED
)
CALLS_BY_NAME = tuple(  # as gradio's own documentation shows it: the values by name
    AllowedRoute(("POST",), f"/gradio_api/call/v2/{name}", fields=frozenset(TAKES[name]), calls=name) for name in CALLED
)
JOIN = AllowedRoute(
    ("POST",),
    "/gradio_api/queue/join",
    fields=frozenset({"data", "fn_index", "session_hash", "event_data", "trigger_id"}),
)
ASK = AllowedRoute(
    ("POST",),
    "/gradio_api/component_server/",
    page_asks=True,
    fields=frozenset({"data", "component_id", "fn_name", "session_hash"}),
)
LISTEN = AllowedRoute(("GET",), "/gradio_api/queue/data", query=f"session_hash={SESSION}")
ALLOWED_ROUTES = (
    AllowedRoute(("GET", "HEAD"), "/"),
    AllowedRoute(("GET",), "/config"),
    AllowedRoute(("GET",), r"/theme\.css"),
    AllowedRoute(("GET",), r"/favicon\.ico"),
    AllowedRoute(("GET",), rf"/assets/{NAME}"),
    AllowedRoute(("GET",), rf"/static/(?:fonts/{NAME}|js)/{NAME}"),
    AllowedRoute(("GET",), "/web/weights", query=r"networks=[\w%.+-]{1,200}"),
    AllowedRoute(("GET",), r"/web/weights/[0-9a-f]{64}\.safetensors"),
    AllowedRoute(("GET", "HEAD"), rf"/web/{NAME}\.{NAME}"),
    AllowedRoute(("GET",), "/gradio_api/startup-events"),  # asked by launch, once
    ASK,
    # The API: its documentation, gradio's Python client, and two plain requests.
    AllowedRoute(("GET",), "/gradio_api/info", query="serialize=False"),
    JOIN,
    LISTEN,
    *CALLS,
    *CALLS_BY_NAME,
    *(AllowedRoute(("GET",), f"{call.path}/[0-9a-f]{{32}}") for call in CALLS),
)

MAX_BODY = MAX_TEXT + 10_000  # bytes
MAX_VALUES = 40_000  # in a question, most of them strokes; JSON of nothing but brackets takes 30 times its size
MAX_DIGITS = 40  # characters of a number: those of a double are 24 at most, and thousands take long to read
MAX_CLASS = 10**6  # far above every class that a network has
SMALL = 100_000  # bytes of a body that always finds room
MAX_HELD = 16_000_000  # bytes of larger bodies, all together, those in gradio's queue included
SECONDS = 20.0  # until a whole body must have come
SLOW = 2.0  # seconds after which a body that is still coming gives way to another one
MAX_WAITING = 16  # calls in gradio's queue
MAX_PER_SESSION = 8  # calls of one session whose answers it has not fetched
MAX_UNFETCHED = 64  # finished calls whose answers nobody has fetched
KEPT = 10.0  # seconds for which an answer waits to be fetched, however many calls follow

# What gradio gets of a caller's headers. Others, such as X-Gradio-Server, tell it where it stands.
PASSED = frozenset({b"accept", b"accept-encoding", b"host", b"if-modified-since", b"if-none-match"})
HOST = rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
HOSTS = "CAMLOSS_HOSTS"  # the names, with commas between, of which X-Forwarded-Host may give one
OF_THE_SPACE = "SPACE_HOST"  # the same, as a Space is told its own
JSON_TYPE = rb"application/json\s*(?:;.*)?"
QUESTION, CALLER = "camloss.question", "camloss.caller"  # where a request's scope keeps them

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
FRESH = ((b"cache-control", b"no-cache"),)  # of the page itself: it names files of this version
ENDING = "the page is ending; try again in a moment"
BUSY = "many pictures are being read at this moment; try again in a moment"


class Refusal(Exception):  # noqa: N818, an answer rather than an error
    """A request that gradio never sees."""

    def __init__(self, status: int, words: str, busy: bool = False) -> None:
        super().__init__(words)
        self.status, self.words, self.busy = status, words, busy


@dataclass(frozen=True)
class Question:
    """What a caller asks, after all checks."""

    values: dict[str, Any]
    """By name, as the function takes them."""
    size: int
    """Of the body that it came in, in bytes."""


@dataclass(eq=False)
class Body:
    """A body that is coming in, or being answered."""

    begun: float
    """By the clock of the event loop."""
    size: int = 0
    room: int = 0
    """The bytes that it takes of `MAX_HELD`."""
    parts: list[bytes] = field(default_factory=list)
    coming: bool = True
    gone: bool = False
    """Whether it has to come again: there was no room for it."""

    def give_way(self) -> None:
        self.gone, self.room = True, 0
        self.parts.clear()


class Guard:
    """ASGI middleware around gradio; `blocks` is the page, of which the queue is watched."""

    def __init__(self, app: Any, blocks: Any) -> None:
        self.app, self.blocks = app, blocks
        self.bodies: set[Body] = set()
        self.done_since: dict[str, float] = {}
        """When the last call of a session was found to be answered, by the clock of the event loop."""
        self.hosts = named_hosts(os.environ)
        self.reader = ThreadPoolExecutor(1, "reader")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close"})
        else:
            with contextlib.suppress(LocalProtocolError):  # what follows the headers is no HTTP: uvicorn answered that
                await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        route = route_of(scope["method"], scope["path"])
        begun = replaced = False
        ours = (*HEADERS, *(FRESH if scope["path"] == "/" else ()))

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*_without(message.get("headers", ()), ours), *ours]
            await send(message)

        async def worded(message: Message) -> None:
            nonlocal replaced
            if (
                message["type"] == "http.response.start"
                and message["status"] >= 400
                and not scope["path"].startswith("/web/")
            ):
                replaced = True  # gradio may repeat what it was sent
                await refuse(dressed, in_our_words(message["status"]))
            elif not replaced:
                await send_on(message)

        send_on = dressed
        body: Body | None = None
        try:
            if route is None:
                raise Refusal(404, "there is nothing here")
            scope = {**scope, "query_string": known_query(route, scope["query_string"]), "scheme": known_scheme(scope)}
            headers = known_headers(scope["headers"], self.hosts)
            if "POST" in route.methods:
                body = Body(asyncio.get_running_loop().time())
                self.bodies.add(body)
                question, told = await self._checked(route, await self._read(body, scope["headers"], receive))
                content = json.dumps(told).encode()
                headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
                scope[QUESTION], scope[CALLER] = question, caller_of(scope, told["session_hash"])
                receive = replay(content, receive)
                if route in CALLS_BY_NAME:
                    path = f"/gradio_api/call/{route.calls}"
                    scope |= {"path": path, "raw_path": path.encode()}
            await self.app({**scope, "headers": headers}, receive, worded)
        except Refusal as refusal:
            await refuse(dressed, refusal, as_answer=route is not None and route.page_asks and refusal.busy)
        except LocalProtocolError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            words = stumbled(error, scope)
            if not begun:
                await refuse(dressed, words)
            else:
                await send({"type": "http.response.body", "body": b""})
        finally:
            if body is not None:
                self.bodies.discard(body)

    # ---- bodies

    async def _read(self, body: Body, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes:
        """A whole body.

        Raises:
            Refusal: it is no JSON or too large, does not arrive in time, or finds no room.
        """
        declared = dict(headers)
        if not re.fullmatch(JSON_TYPE, declared.get(b"content-type", b"").lower()):
            raise Refusal(415, "send JSON, as application/json")
        length = declared.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > MAX_BODY:
            raise too_large()
        clock = asyncio.get_running_loop().time
        more = True
        while more:
            try:
                message = await asyncio.wait_for(receive(), body.begun + SECONDS - clock())
            except asyncio.TimeoutError:
                raise Refusal(408, f"the request did not arrive within {SECONDS:g} s") from None
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the request broke off")
            part, more = message.get("body", b""), message.get("more_body", False)
            body.size += len(part)
            if body.size > MAX_BODY:
                raise too_large()
            if not body.gone:  # else it is read to its end all the same, or our answer would not be
                body.parts.append(part)
                self._make_room(body, clock())
        body.coming = False
        if body.gone:
            raise Refusal(503, BUSY, busy=True)
        whole = b"".join(body.parts)
        body.parts.clear()
        return whole

    def _make_room(self, body: Body, now: float) -> None:
        """Count what has come of a body, at the cost of those that take too long, or else of this one."""
        if body.size <= SMALL:
            return
        body.room = body.size
        slow = sorted((b for b in self.bodies if b.room and b.coming and now - b.begun > SLOW), key=lambda b: b.begun)
        excess = self.held + queued_bytes(self.blocks._queue) - MAX_HELD
        for other in slow:
            if excess > 0 and other is not body:
                excess -= other.room
                other.give_way()
        if excess > 0:
            body.give_way()

    @property
    def held(self) -> int:
        """Bytes of the larger bodies that are being read and answered."""
        return sum(body.room for body in self.bodies)

    # ---- questions

    async def _checked(self, route: AllowedRoute, body: bytes) -> tuple[Question, dict[str, Any]]:
        """As `check`; small bodies never wait for larger ones to be read.

        Raises:
            Refusal: as `check`, or answers to earlier calls are still to be fetched.
        """
        if len(body) <= SMALL:
            question, told = self.check(route, body)
        else:
            question, told = await asyncio.get_running_loop().run_in_executor(self.reader, self.check, route, body)
        if route is not ASK:
            self.find_place(told["session_hash"])
        return question, told

    def check(self, route: AllowedRoute, body: bytes) -> tuple[Question, dict[str, Any]]:
        """What a body asks, and what gradio is told of it.

        Raises:
            Refusal: the body is no question that this route takes.
        """
        fields = parse(body, route.fields)
        session = fields.get("session_hash")
        if not (session is None and route.calls) and not (isinstance(session, str) and re.fullmatch(SESSION, session)):
            raise Refusal(400, "session_hash must be 1 to 40 letters and digits")
        if route is ASK:
            component, function = fields.get("component_id"), fields.get("fn_name")
            if not (_is_whole(component) and isinstance(function, str)):
                raise Refusal(400, "component_id must be a number and fn_name a name")
            if (component, function) not in self.functions:
                raise Refusal(404, "no component has a function of that name")
            question = Question(named_values(function, fields.get("data")), len(body))
            return question, {"data": None, "component_id": component, "fn_name": function, "session_hash": session}
        index = self._index_of(fields) if route is JOIN else None
        called = route.calls if index is None else self.blocks.fns[index].api_name
        by_name = route in CALLS_BY_NAME
        values = named_values(called, fields) if by_name else listed_values(called, fields.get("data"))
        told = {"data": [None] * len(TAKES[called]), "session_hash": session}
        return Question(values, len(body)), told if index is None else {**told, "fn_index": index}

    def _index_of(self, fields: Mapping[str, Any]) -> int:
        """Which function of the API a question in gradio's queue is for."""
        index, trigger = fields.get("fn_index"), fields.get("trigger_id")
        if not _is_whole(index) or index not in self.blocks.fns:
            raise Refusal(400, "there is no such fn_index")
        if fields.get("event_data") is not None or not (trigger is None or _is_whole(trigger)):
            raise Refusal(400, "event_data must be null, and trigger_id null or a whole number")
        return index

    @functools.cached_property
    def functions(self) -> frozenset[tuple[int, str]]:
        """Which components of the page have which functions."""
        return frozenset(
            (number, name)
            for number, component in self.blocks.blocks.items()
            for name in TAKES
            if getattr(getattr(component, name, None), "_is_server_fn", False)
        )

    def find_place(self, session: str | None) -> None:
        """Make sure that gradio may keep one more answer until it is fetched.

        gradio keeps what each session sent last, and for ever what nobody fetches. The former is let go as soon as a
        call is done, the latter where there are too many and the oldest have waited long enough.

        Raises:
            Refusal: too many answers wait that are still young, or of this session.
        """
        queue, states = self.blocks._queue, self.blocks.state_holder.session_data
        sessions, now = queue.pending_event_ids_session, asyncio.get_running_loop().time()
        live = {event.session_hash for event in queue.event_ids_to_events.values()}
        self.done_since = {name: self.done_since.get(name, now) for name in sessions if name not in live}
        unfetched = sum(map(len, sessions.values()))
        fetched_first = sorted(self.done_since, key=lambda name: bool(sessions[name]))
        for name in fetched_first:
            states.pop(name, None)
            full = unfetched >= MAX_UNFETCHED or len(sessions) >= MAX_UNFETCHED
            if full and (not sessions[name] or now - self.done_since[name] > KEPT):
                unfetched -= len(sessions.pop(name))
                queue.pending_messages_per_session.pop(name, None)
        if len(sessions.get(session, ())) >= MAX_PER_SESSION:
            raise Refusal(503, f"fetch the answers to your {MAX_PER_SESSION} earlier calls first", busy=True)
        if unfetched >= MAX_UNFETCHED or len(sessions) >= MAX_UNFETCHED:
            raise Refusal(503, "many answers wait to be fetched at this moment; try again in a moment", busy=True)


def route_of(method: str, path: str) -> AllowedRoute | None:
    """The allowed route that a request takes; None where there is none."""
    return next((r for r in ALLOWED_ROUTES if method in r.methods and re.fullmatch(r.path, path, re.ASCII)), None)


@contextlib.asynccontextmanager
async def without_cors(app: Any) -> AsyncIterator[None]:
    """A lifespan: gradio lets the scripts of every site read its answers, with credentials; nobody needs that here."""
    from gradio.route_utils import CustomCORSMiddleware

    app.user_middleware = [entry for entry in app.user_middleware if entry.cls is not CustomCORSMiddleware]
    app.middleware_stack = app.build_middleware_stack()
    yield


def question_for(given: dict[str, Any]) -> dict[str, Any]:
    """The values that a function of the page is called with; `given` where no guard stands before gradio."""
    question = _kept_scope().get(QUESTION)
    return given if question is None else question.values


def caller() -> Caller:
    """Who asks the question that a function of the page is called with."""
    who: Caller = _kept_scope().get(CALLER, NOBODY)
    return who


def _kept_scope() -> Mapping[str, Any]:
    """Of the request to which the page's own code answers."""
    from gradio.context import LocalContext

    request = LocalContext.request.get(None)
    return {} if request is None else getattr(request, "request", request).scope


def caller_of(scope: Mapping[str, Any], session: str | None) -> Caller:
    """The address is a network's for IPv6, where each customer has a whole one."""
    address = (scope.get("client") or ("", 0))[0]
    if ":" in address:
        with contextlib.suppress(ValueError):
            address = str(IPv6Network((address.partition("%")[0], 64), strict=False))
    return address, session or ""


# ---- what gradio is told


def named_hosts(environment: Mapping[str, str]) -> frozenset[bytes]:
    """The names that X-Forwarded-Host may give."""
    names = environment.get(HOSTS) or environment.get(OF_THE_SPACE) or ""
    return frozenset(name.strip().lower().encode() for name in names.split(",") if name.strip())


def known_headers(headers: Iterable[tuple[bytes, bytes]], hosts: frozenset[bytes]) -> Headers:
    """Those of a caller's headers that gradio gets.

    Raises:
        Refusal: the host is no name of one.
    """
    kept = []
    for name, value in headers:
        if name == b"host" and not re.fullmatch(HOST, value):
            raise Refusal(400, "the header Host must be the name of a host")
        forwarded = (name == b"x-forwarded-host" and value.lower() in hosts) or (
            name == b"x-forwarded-proto" and value in (b"http", b"https")
        )
        if name in PASSED or forwarded:
            kept.append((name, value))
    return kept


def known_scheme(scope: Any) -> str:
    """Of HTTP, whatever X-Forwarded-Proto said."""
    return "https" if scope.get("scheme") in ("https", "wss") else "http"


def known_query(route: AllowedRoute, query: bytes) -> bytes:
    """The query where it is one that the route knows, else none.

    Raises:
        Refusal: the route does not go without.
    """
    if re.fullmatch(route.query, query.decode("latin-1")):
        return query
    if route is LISTEN:
        raise Refusal(400, "session_hash must be 1 to 40 letters and digits")
    return b""


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives this body, then whatever comes."""
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again


# ---- questions


def parse(body: bytes, fields: frozenset[str]) -> dict[str, Any]:
    """The object in a body; no number in it is longer than `MAX_DIGITS`.

    Raises:
        Refusal: the body is no JSON object, has more values than any question, or other fields than these.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refusal(413, f"the question has too many values; send at most {MAX_VALUES:,}")
    try:
        found = json.loads(body.decode(), parse_int=_short(int), parse_float=_short(float), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "the request is no JSON") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the request is no JSON object")
    return only(fields, found)


def _short(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if len(text) > MAX_DIGITS:
            raise Refusal(400, f"a number is too long; send at most {MAX_DIGITS} characters")
        return kind(text)

    return read


def _no_number(text: str) -> NoReturn:
    raise Refusal(400, f"{text} is no number")


def only(known: Iterable[str], found: dict[str, Any]) -> dict[str, Any]:
    """The object itself.

    Raises:
        Refusal: it has other fields than the known ones.
    """
    if not found.keys() <= set(known):
        raise Refusal(400, f"there is a field that nobody knows; expected are {', '.join(sorted(known))}")
    return found


def named_values(function: str, found: object) -> dict[str, Any]:
    """The values of a function's parameters, null for those that are left out.

    Raises:
        Refusal: a value is of another type than the parameter, or there is no such parameter.
    """
    if not isinstance(found, dict):
        raise Refusal(400, "expected an object with named values")
    only(TAKES[function], found)
    values = {name: found.get(name) for name in TAKES[function]}
    for name, value in values.items():
        is_it, expected = TYPES[name]
        if value is not None and not is_it(value):
            raise Refusal(400, f"{name} must be {expected} or null")
    return values


def listed_values(function: str, found: object) -> dict[str, Any]:
    """The same of a list in the order of the parameters, which may end early."""
    names = TAKES[function]
    if not isinstance(found, list) or len(found) > len(names):
        raise Refusal(400, f"data must be a list of at most {len(names)} values")
    return named_values(function, dict(zip(names, found, strict=False)))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> TypeGuard[int]:
    return type(value) is int and abs(value) <= MAX_CLASS


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_CLASS


def _are_strokes(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(stroke, dict)
        and stroke.keys() == {"width", "points"}
        and isinstance(stroke["points"], list)
        and _are_numbers([stroke["width"], *stroke["points"]])
        for stroke in value
    )


def _are_numbers(values: list[Any]) -> bool:
    return {*map(type, values)} <= {int, float} and all(map(math.isfinite, values))


TEXT = (_is_text, "a text")
CLASS = (_is_whole, "a whole number")
TYPES: dict[str, tuple[Callable[[object], bool], str]] = {
    "picture": TEXT,
    "networks": TEXT,
    "variant": TEXT,
    "second": TEXT,
    "class_idx": CLASS,
    "other_idx": CLASS,
    "erase": (_is_number, "a number"),
    "strokes": (_are_strokes, 'a list of {"width": w, "points": [x, y, x, y, ...]}, all finite numbers,'),
}


def queued_bytes(queue: Any) -> int:
    """What the bodies of the larger calls weighed that wait in gradio's queue or are being answered."""
    questions = (event.request.scope.get(QUESTION) for event in queue.event_ids_to_events.values())
    return sum(question.size for question in questions if question is not None)


# ---- refusals


def too_large() -> Refusal:
    return Refusal(413, f"the request is too large; send at most {MAX_BODY:,} bytes")


def in_our_words(status: int) -> Refusal:
    """What a caller gets in place of gradio's words."""
    if status == 404:
        return Refusal(status, "there is nothing here")
    if status == 503:
        return Refusal(status, "many calls are waiting at this moment; try again in a moment", busy=True)
    return Refusal(status, "this request cannot be answered; see the API's documentation")


def stumbled(error: BaseException, scope: Any) -> Refusal:
    """What a caller gets in place of an error of gradio's: our own functions catch theirs."""
    if isinstance(error, asyncio.CancelledError):  # by uvicorn, where the page ends and has waited as long as it may
        return Refusal(503, ENDING, busy=True)
    log.warning("%s %s: %s", scope["method"], brief(scope["path"]), brief(error))
    return in_our_words(400)


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
