"""What several test modules share: untrained networks, the page's server, a browser, and a training of seconds."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: each worker of pytest-xdist takes one core

import hypothesis
import pytest
from _chromium import launch_options
from page_server import PageServer
from tiny_mnist import write_tiny_mnist
from untrained import write_pair

from camloss.data.mnist import MNIST, load_mnist
from camloss.errors import CamlossError
from camloss.pair import Pair
from camloss.training.config import TrainConfig

if TYPE_CHECKING:
    from playwright.sync_api import Browser


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what runs in the background, with all below
    signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("fuzz", max_examples=10_000)  # the long run of test_fuzz.py


SLOW_FIXTURES = {"browser", "page_server"}
SLOW_FILES = {  # these start pages and processes, or train again and again
    "test_deploy_space.py",
    "test_faults.py",
    "test_launch.py",
    "test_study.py",
    "test_third_variant.py",
    "test_train.py",
}


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())) or item.path.name in SLOW_FILES:
            item.add_marker(pytest.mark.slow)
        if "real_data" in item.keywords and "CAMLOSS_DATA_DIR" not in os.environ:
            item.add_marker(pytest.mark.skip("needs the data that CAMLOSS_DATA_DIR names"))


@pytest.fixture(scope="session")
def untrained_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints `ce` and `cam` of two networks that have learnt nothing."""
    folder = tmp_path_factory.mktemp("untrained")
    return write_pair(folder)


@pytest.fixture(scope="session")
def pair(untrained_pair: Path) -> Pair:
    return Pair.load(untrained_pair)


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    server = PageServer(tmp_path_factory.mktemp("page") / "log.txt")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        try:
            options = launch_options(playwright.chromium.executable_path)
        except CamlossError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        chromium = playwright.chromium.launch(**options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set in MNIST's format, to be left as it is."""
    return write_tiny_mnist(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def data(data_dir: Path) -> MNIST:
    return load_mnist(data_dir)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(arch="tiny_cnn", epochs=2, batch_size=50, synthetic=0, output_dir=tmp_path, device="cpu")
