"""What several test modules share: a pair of untrained networks, the page's server, and a browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_server import PageServer
from untrained import write_twins

from camloss.twins import Twins

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def untrained_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints `ce` and `cam` of two networks that have learnt nothing."""
    folder = tmp_path_factory.mktemp("untrained")
    return write_twins(folder)


@pytest.fixture(scope="session")
def twins(untrained_pair: Path) -> Twins:
    return Twins.load(untrained_pair)


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    server = PageServer(tmp_path_factory.mktemp("page") / "log.txt")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        message = "no Chromium on this machine; on Debian: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()
