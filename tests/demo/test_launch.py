"""How the page's server starts and ends, as processes see it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import own_loop
import pytest
from _meter import Meter
from drawn import SEVEN
from fuzz_page import Caller, Question
from gradio_client import Client
from malicious_images import PICTURES, text_of
from page_server import ROOT, PageServer

from camloss.demo.request_guard import Guard, Message, Send


def end_of(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRADIO_SERVER_PORT", "abc"),
        ("GRADIO_NUM_PORTS", ""),
        ("GRADIO_ANALYTICS_MAX_EVENTS", "many"),
        ("GRADIO_SERVER_NAME", "no such host"),
        ("GRADIO_TEMP_DIR", "/dev/null/none"),
        ("CAMLOSS_CHECKPOINTS", "/dev/null"),
    ],
)
def test_garbage_in_the_environment_is_one_line(tmp_path: Path, name: str, value: str) -> None:
    run = end_of(tmp_path, **{"GRADIO_SERVER_PORT": "17861", name: value})
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
    assert len(run.stderr) < 300


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = end_of(tmp_path, GRADIO_SERVER_PORT=port, GRADIO_SERVER_NAME="127.0.0.1")
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: cannot listen on 127.0.0.1, port {port}: it is in use")
    assert run.stderr.count("\n") == 1


def test_sigterm_finishes_what_is_in_flight_and_ends_with_0(tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt")
    try:
        with urllib.request.urlopen(f"{server.url}config", timeout=30) as answer:
            owner = next(c["id"] for c in json.load(answer)["components"] if c["props"].get("server_fns"))
        body = json.dumps({"data": {"picture": ""}, "component_id": owner, "fn_name": "answer", "session_hash": "a"})
        host, port = server.url.removeprefix("http://").rstrip("/").split(":")
        answers: list[bytes] = []

        def ask() -> None:
            """Half of the question before the signal, the other half after it."""
            with socket.create_connection((host, int(port)), timeout=30) as line:
                head = f"POST /gradio_api/component_server/ HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
                line.sendall(f"{head}Content-Type: application/json\r\n\r\n{body[:20]}".encode())
                time.sleep(0.5)
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                line.sendall(body[20:].encode())
                answers.append(line.recv(10_000))

        asker = threading.Thread(target=ask)
        asker.start()
        assert server.process.wait(20) == 0
        asker.join()
        assert answers[0].startswith(b"HTTP/1.1 200")
        assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")
    finally:
        server.kill()


def test_nobody_gets_a_web_socket(page_server: PageServer) -> None:
    host, port = page_server.url.removeprefix("http://").rstrip("/").split(":")
    before = page_server.log.read_text(encoding="utf-8").count("Traceback")
    Client(page_server.url, verbose=False)  # by now the server has come to wait for its end
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(b"GET /web/draw.js HTTP/1.1\r\nHost: \xeb\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        line.sendall(b"Sec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")  # for its host
    assert page_server.log.read_text(encoding="utf-8").count("Traceback") == before


def test_sigterm_waits_for_nobody_for_long(tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt")
    try:
        host, port = server.url.removeprefix("http://").rstrip("/").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(b"POST /gradio_api/call/explain HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n")
            line.sendall(b"Content-Type: application/json\r\n\r\n{")
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
    finally:
        server.kill()


@pytest.mark.parametrize("begun", [False, True])
def test_what_is_cancelled_at_the_end_is_answered_without_an_error(begun: bool) -> None:
    """uvicorn cancels what is not done after the seconds that it waits, and would log where each request stood."""
    sent: list[Message] = []

    async def app(_scope: object, _receive: object, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def cancelled() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"a")]}
        task = asyncio.create_task(Guard(app, None)(scope, receive, send))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    own_loop.run(cancelled())
    assert sent[0]["status"] == (200 if begun else 503)
    assert sent[1]["body"] == (
        b"" if begun else b'{"error": "the page is ending; try again in a moment", "busy": true}'
    )


def test_the_memory_of_a_picture_is_given_back(tmp_path: Path) -> None:
    server = PageServer(tmp_path / "log.txt")
    try:
        caller, meter = Caller(server.url), Meter(server.process.pid)
        caller.ask(Question("answer", {"picture": SEVEN}))
        idle = meter.megabytes()
        large = [name for name in PICTURES if name.startswith("4 megapixels") and "without loss" not in name]
        assert len(large) > 4
        for name in large:
            answer = caller.ask(Question("answer", {"picture": text_of(PICTURES[name]())}))
            assert b'"blank"' in answer.text
        time.sleep(1)
        kept = meter.megabytes() - idle
        assert kept < 50  # megabytes; each took up to 100
    finally:
        server.kill()
