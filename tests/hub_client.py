"""Fixtures: a Hub on the loopback interface with the real client pointed at it, and checkpoints to push there."""

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import hub_xet  # noqa: F401, adds routes
import pytest
from hub_pair import push
from hub_server import Hub
from PIL import Image, ImageDraw
from untrained import write_pair

from camloss.hub import pull, timeouts


@pytest.fixture(scope="session")
def pair_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("pair") / "checkpoints")


@pytest.fixture(scope="session")
def drawing() -> str:
    """A seven, black on white, as base64 text: what the page and its API take."""
    image = Image.new("L", (280, 280), "white")
    ImageDraw.Draw(image).line([(80, 70), (200, 70), (120, 220)], fill="black", width=20)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def checkpoints(pair_once: Path, tmp_path: Path) -> Path:
    """A folder of checkpoints that the test may change."""
    return Path(shutil.copytree(pair_once, tmp_path / "checkpoints"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub; the client in this process and in those started from it talks to it, with a token that may write."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    hub, home = Hub().start(), tmp_path / "hf_home"
    environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_TOKEN": "hf_write"}
    environment["HF_XET_CACHE"] = str(home / "xet")
    for name, value in {**environment, "HF_HUB_DISABLE_TELEMETRY": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    settings: dict[
        str, object
    ] = {  # the client reads the variables when it is imported, which may have been in another test
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_OFFLINE": False,
    }
    for name, setting in settings.items():
        monkeypatch.setattr(constants, name, setting)
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _: None))  # retries, but at once
    yield hub
    hub.stop()
    _http.close_session()


@pytest.fixture
def published(hub: Hub, checkpoints: Path) -> Path:
    """The pair is on the Hub; the log of requests is empty again."""
    push(checkpoints)
    hub.requests.clear()
    return checkpoints


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is given up after seconds instead of a minute."""
    monkeypatch.setattr(pull, "METADATA_SECONDS", 1.0)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 1.0)
    monkeypatch.setattr(timeouts, "STALL_SECONDS", 3.0)
    monkeypatch.setattr(timeouts, "NOTICE_SECONDS", 0.5)
    monkeypatch.setattr(timeouts, "SLOWEST", 10_000_000)
