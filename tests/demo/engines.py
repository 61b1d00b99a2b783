"""Browser engines to run the page's modules in: each takes a JavaScript function and what to call it with."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from camloss.demo.browser_weights import weight_routes
from camloss.demo.web_files import files_in, web_route
from camloss.errors import CamlossError
from camloss.pair import Pair

Run = Callable[[str, Any], Any]
FIREFOX = "firefox-esr"
MINI_BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"


@contextmanager
def site(pairs: Mapping[str, Pair]) -> Iterator[str]:
    """The page's modules and the weights of these pairs on a free port of this machine; gives the address."""

    def pair_of(networks: str | None) -> Pair:
        if networks is None or networks not in pairs:
            raise CamlossError(f"no pair {networks}")
        return pairs[networks]

    async def empty(_: Request) -> Response:
        return HTMLResponse("<!doctype html><title>modules</title>")

    app = Starlette(routes=[Route("/", empty), *weight_routes(pair_of), web_route(files_in())])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def chromium(browser: Browser, address: str) -> Iterator[Run]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    try:
        yield page.evaluate
    finally:
        context.close()


@contextmanager
def webkit(address: str) -> Iterator[Run]:
    """WebKitGTK's MiniBrowser on a screen of its own."""
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.options import Options
    from selenium.webdriver.webkitgtk.service import Service

    with _screen() as display:
        options = Options()
        options.binary_location = str(next(iter(sorted(Path("/").glob(MINI_BROWSERS[1:])))))
        options.add_argument("--automation")
        service = Service(shutil.which("WebKitWebDriver"), env={**os.environ, "DISPLAY": display})
        driver = webdriver.WebKitGTK(options=options, service=service)
        try:
            driver.set_script_timeout(300)
            driver.get(address)

            def run(function: str, argument: Any) -> Any:
                script = """const [argument, done] = arguments;
                    Promise.resolve().then(() => (FUNCTION)(argument)).then(
                        (value) => done({ value }), (problem) => done({ problem: String(problem) }));"""
                answer = driver.execute_async_script(script.replace("FUNCTION", function), argument)
                if "problem" in answer:
                    raise AssertionError(answer["problem"])
                return answer["value"]

            yield run
        finally:
            driver.quit()


@contextmanager
def firefox(address: str) -> Iterator[Run]:
    """Firefox without a window, over WebDriver BiDi."""
    import websocket

    with tempfile.TemporaryDirectory() as profile:
        flags = ("--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0")
        process = subprocess.Popen([FIREFOX, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            listening = next(line for line in process.stderr if line.startswith("WebDriver BiDi listening on"))
            threading.Thread(target=process.stderr.read, daemon=True).start()  # so that it never waits for a reader
            socket = websocket.create_connection(f"{listening.split()[-1]}/session", timeout=300, suppress_origin=True)
            numbers = itertools.count()

            def ask(method: str, **params: Any) -> Any:
                number = next(numbers)
                socket.send(json.dumps({"id": number, "method": method, "params": params}))
                while (answer := json.loads(socket.recv())).get("id") != number:
                    pass
                if answer["type"] == "error":
                    raise AssertionError(answer["message"])
                return answer["result"]

            ask("session.new", capabilities={})
            context = ask("browsingContext.getTree")["contexts"][0]["context"]
            ask("browsingContext.navigate", context=context, url=address, wait="complete")

            def run(function: str, argument: Any) -> Any:
                script = f"Promise.resolve(({function})({json.dumps(argument)})).then(JSON.stringify)"
                answer = ask("script.evaluate", expression=script, target={"context": context}, awaitPromise=True)
                if answer["type"] == "exception":
                    raise AssertionError(answer["exceptionDetails"]["text"])
                return json.loads(answer["result"]["value"])

            yield run
            socket.close()
        finally:
            process.kill()
            process.wait()


@contextmanager
def _screen() -> Iterator[str]:
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        server.kill()
        server.wait()
