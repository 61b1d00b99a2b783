"""The page in a process of its own, and Chromium to look at it: what the scripts share that use the page."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import IO, TYPE_CHECKING, Any

from _chromium import launch_options
from _root import ROOT

from camloss.errors import CamlossError

if TYPE_CHECKING:
    from playwright.async_api import FloatRect, Page

APP = (sys.executable, "app.py")


@contextmanager
def page(command: Sequence[str] = APP) -> Iterator[str]:
    """`served`, without its process."""
    with served(command) as (url, _):
        yield url


@contextmanager
def served(command: Sequence[str] = APP, log: IO[bytes] | None = None) -> Iterator[tuple[str, int]]:
    """A server on a free port of this machine, from its first 200 until it is killed; its address and its process.

    What it writes on the error stream goes to `log`, or to ours.

    Raises:
        CamlossError: it ended before it answered.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": port,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": str(ROOT),
    }
    url = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=30).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise CamlossError(f"{' '.join(command)} ended with exit code {process.returncode}") from None
                time.sleep(0.02)
        yield url, process.pid
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def chromium_page(url: str, **options: Any) -> AsyncIterator["Page"]:
    """A tab of Chromium at an address; options as for Playwright's `new_page`.

    Raises:
        CamlossError: there is no Chromium.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**launch_options(playwright.chromium.executable_path))
        tab = await chromium.new_page(**{"viewport": {"width": 1280, "height": 800}, **options})
        await tab.goto(url)
        yield tab
        await chromium.close()


async def box_of(tab: "Page", selector: str) -> "FloatRect":
    """Where the first such element lies on the screen."""
    box = await tab.locator(selector).first.bounding_box()
    if box is None:
        raise RuntimeError(f"the page shows no {selector}")
    return box
