"""Asking the page's guard: in a process of its own, or the middleware alone with nothing behind it."""

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

import own_loop
from _meter import Meter
from page_server import ROOT

JSON = {"Content-Type": "application/json"}


class Served(Protocol):
    """Whatever answers at an address, with a slash at its end."""

    url: str


def send(
    server: Served, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://").rstrip("/"), timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def post(server: Served, path: str, question: Any) -> tuple[int, Any]:
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    status, _, text = send(server, "POST", path, body, **JSON)
    return status, json.loads(text)


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    """A process that launches the page itself, to be asked by lines."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


TIDY = """
import ctypes, gc, sys
import app
from camloss.demo import request_guard
request_guard.KEPT = 1.0
app.demo.launch(**app.LAUNCH, prevent_thread_lock=True, quiet=True)
print(app.demo.local_url, flush=True)
for _ in sys.stdin:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    print(flush=True)
"""


class TidyServer:
    """The page in a process that gives back, before its memory is read, whatever nobody holds any more.

    How much of that lies about by chance is more than what a test has to see: some 100 MB after large questions.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.url = self._line().strip()

    def megabytes(self) -> float:
        assert self.process.stdin
        print(file=self.process.stdin, flush=True)
        self._line()
        return Meter(self.process.pid).megabytes()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


def server_function() -> None:
    """What a component of the fake page has."""


server_function._is_server_fn = True  # type: ignore[attr-defined]


def queue(**sessions: set[str]) -> Any:
    return SimpleNamespace(pending_event_ids_session=sessions, pending_messages_per_session={}, event_ids_to_events={})


def blocks(waiting: Any = None) -> Any:
    return SimpleNamespace(
        _queue=waiting or queue(),
        fns={0: SimpleNamespace(api_name="explain"), 1: SimpleNamespace(api_name="explain_image")},
        blocks={1: SimpleNamespace(answer=server_function, sketch=server_function, answer_image=server_function)},
        state_holder=SimpleNamespace(session_data={}),
    )


async def answer_of(
    app: Any, messages: list[Any], path: str, length: int, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, Any]:
    """What the middleware answers to a POST, and gradio behind it."""
    head = [(b"content-type", b"application/json"), (b"content-length", str(length).encode()), *headers]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": head}
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def ask_guard(app: Any, length: int, messages: list[Any], page: bool = True) -> tuple[int, Any]:
    path = "/gradio_api/component_server/" if page else "/gradio_api/call/explain"
    return own_loop.run(answer_of(app, messages, path, length))
