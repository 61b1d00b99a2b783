"""No answer of the Hub is read beyond its limit, and none names a file outside the client's cache."""

import gzip
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hub_pair import REPO, push
from hub_server import Hub
from huggingface_hub import HfApi, get_session

from camloss import CamlossError, Pair
from camloss.checkpoint import WEIGHTS
from camloss.hub.client import LARGEST_ANSWER, AnswerError, limited_answers

pytest_plugins = ["hub_client"]

MIB = 1 << 20
LARGE = b" " * 100 * MIB
PACKED = gzip.compress(LARGE)
LOADING = {"GET /api": ("GET", f"/api/models/{REPO}$"), "HEAD": ("HEAD", WEIGHTS), "GET file": ("GET", WEIGHTS)}
PUSHING = {
    "create": ("POST", "/api/repos/create"),
    "preupload": ("POST", "/preupload/"),
    "commit": ("POST", "/commit/"),
    "tag": ("POST", "/tag/"),
}


@pytest.fixture
def memory() -> Iterator[None]:
    """Nothing that the test does takes more than 30 MiB at once."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30 * MIB


def packed(hub: Hub, method: str, path: str) -> None:
    """100 MiB, a thousandth of that on the wire."""
    hub.fail(method, path, PACKED, {"Content-Encoding": "gzip"})


@pytest.mark.usefixtures("published", "memory")
@pytest.mark.parametrize("place", ["GET /api", "GET file"])
def test_packed_bytes_are_not_unpacked(hub: Hub, place: str) -> None:
    packed(hub, *LOADING[place])
    with pytest.raises(CamlossError, match=r"^cannot load .*packed bytes, which nobody asked for.*; try again$"):
        Pair.load(REPO)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("place", PUSHING)
def test_nor_when_pushing(hub: Hub, checkpoints: Path, place: str) -> None:
    packed(hub, *PUSHING[place])
    with pytest.raises(CamlossError, match="packed bytes, which nobody asked for"):
        push(checkpoints, tag="v1")


@pytest.mark.usefixtures("memory")
def test_nor_in_the_threads_that_upload(hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub.storage = "lfs"
    packed(hub, "PUT", "/lfs/")
    with pytest.raises(CamlossError, match=f"cannot push to {REPO}"):
        push(checkpoints)


@pytest.mark.usefixtures("published", "memory")
@pytest.mark.parametrize("place", ["GET /api", "GET file"])
def test_a_plain_answer_is_cut_off_too(hub: Hub, place: str) -> None:
    hub.fail(*LOADING[place], LARGE)
    with pytest.raises(CamlossError, match="more than 2,000,000 bytes come in answer"):
        Pair.load(REPO)


@pytest.mark.usefixtures("published", "memory")
def test_so_is_an_error(hub: Hub) -> None:
    hub.fail(*LOADING["GET /api"], LARGE, {"X-Status": "400"})
    with pytest.raises(CamlossError, match="more than 2,000,000 bytes come in answer"):
        Pair.load(REPO)


def outside(folder: Path) -> list[Path]:
    """What lies in a folder, but for the home of the Hub's client."""
    return sorted(path for path in folder.rglob("*") if "hf_home" not in path.parts)


@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag", "X-Repo-Commit"])
@pytest.mark.parametrize("storage", ["regular", "lfs"])
def test_a_header_that_is_no_hash_names_no_file(
    hub: Hub, checkpoints: Path, tmp_path: Path, header: str, storage: str
) -> None:
    hub.storage = storage  # type: ignore[assignment]
    push(checkpoints)
    before = outside(tmp_path)
    hub.extra_headers = {header: f'"{"../" * 4}x"'}
    with suppress(CamlossError):  # a good ETag stands beside an odd one for large files
        Pair.load(REPO)
    assert outside(tmp_path) == before
    folders = {path.name for path in (tmp_path / "hf_home" / "hub").glob("*")}
    assert folders <= {f"models--{REPO.replace('/', '--')}", ".locks", "CACHEDIR.TAG"}


@pytest.mark.usefixtures("published")
def test_a_missing_file_is_noted_in_the_cache_alone(hub: Hub, tmp_path: Path) -> None:
    """The client notes which files a commit lacks, in a folder that it calls as the answer calls the commit."""
    hub.extra_headers = {"X-Repo-Commit": "../../../../outside"}
    del hub.model(REPO).files[f"cam/{WEIGHTS}"]
    with pytest.raises(CamlossError):
        Pair.load(REPO)
    assert not list(tmp_path.rglob("outside"))


def test_who_sets_no_limit_has_none(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints)
    packed(hub, "GET", "/api/whoami-v2")
    assert len(get_session().get(f"{hub.endpoint}/api/whoami-v2").content) == 100 * MIB
    with limited_answers(), pytest.raises(AnswerError, match="packed"):
        HfApi().whoami()
    assert LARGEST_ANSWER < 100 * MIB
