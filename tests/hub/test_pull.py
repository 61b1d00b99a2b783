"""Loading with the real huggingface_hub client from a Hub on the loopback interface."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import hub_xet
import pytest
import torch
from hub_pair import CAM, CE, REPO, push, same_weights
from hub_server import Hub, git_blob_id, sha256
from huggingface_hub import hf_hub_download

from camloss import CamlossError, load_checkpoint
from camloss.checkpoint import WEIGHTS, pack, unpack
from camloss.hub import pull, timeouts
from camloss.hub.pull import PAIR, load_pair, pinned
from camloss.hub.timeouts import Progress

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent.parent
patience_in_full = (timeouts.PATIENCE, timeouts.NOTICE)  # before a test shortens them


def test_the_round_trip_is_byte_equal(published: Path, tmp_path: Path) -> None:
    model = load_checkpoint(CAM)
    assert not model.training
    assert same_weights(model, load_checkpoint(published / "cam"))
    (cached,) = (tmp_path / "hf_home").rglob(f"snapshots/*/{WEIGHTS}")
    assert cached.read_bytes() == (published / "cam" / WEIGHTS).read_bytes()


def test_a_pinned_revision_that_is_cached_costs_no_request(hub: Hub, published: Path) -> None:
    pins = pinned(published)
    load_checkpoint(CE, pins["ce"].revision)
    pair = load_pair(REPO, pins["cam"].revision)
    assert [request for request in hub.requests if request.startswith("GET /api")].count(f"GET /api/models/{CAM}") == 0
    hub.stop()
    hub.requests.clear()
    assert same_weights(load_checkpoint(CE, pins["ce"].revision), pair["ce"])
    again = load_pair(REPO, pins["cam"].revision)
    assert same_weights(again["cam"], pair["cam"])
    assert again.source == f"weights from the Hub, {CAM} {pins['cam'].revision[:7]}"
    assert hub.requests == []


@pytest.mark.usefixtures("published")
def test_offline_the_cache_is_enough(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load_checkpoint(CAM)
    load_pair(REPO)
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert same_weights(load_checkpoint(CAM), load_pair(REPO)["cam"])
    with pytest.raises(CamlossError, match="it is not in the cache, and HF_HUB_OFFLINE is set; unset it"):
        load_checkpoint(CE, "v7")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_private_model_needs_a_token(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(checkpoints, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert same_weights(load_checkpoint(CE), load_checkpoint(checkpoints / "ce"))
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(CamlossError, match=r"or it is private \(404\)"):
        load_checkpoint(CAM)


def test_a_folder_that_is_missing_is_not_looked_for_on_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for source in ("checkpoints/cam", "cam", "runs/today/cam", str(tmp_path / "cam"), Path("a/b")):
        with pytest.raises(CamlossError, match=r"no checkpoint in .*: model.safetensors is missing; train one first"):
            load_checkpoint(source)
    assert hub.requests == []
    with pytest.raises(CamlossError, match=r"cannot load a/b, which is no folder here, from the Hub: .*\(404\)"):
        load_checkpoint("a/b")


@pytest.mark.usefixtures("published")
def test_a_missing_revision_is_named_as_such() -> None:
    message = f"cannot load {CAM} from the Hub: there is no such revision"
    with pytest.raises(CamlossError, match=message):
        load_checkpoint(CAM, "v9")
    with pytest.raises(CamlossError, match=message):
        load_checkpoint(CAM, "0" * 40)


def test_a_connection_that_is_closed_mid_file_is_taken_up_again(hub: Hub, published: Path) -> None:
    hub.fail("GET", WEIGHTS, "cut")
    assert same_weights(load_checkpoint(CAM), load_checkpoint(published / "cam"))
    assert len([request for request in hub.requests if request.startswith("GET") and WEIGHTS in request]) == 2


@pytest.fixture(params=["regular", "lfs", "xet"])
def stored(request: pytest.FixtureRequest, hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both twins are on the Hub, as regular files or as large ones, which another host keeps, whole or in chunks."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", request.param != "xet")
    hub.storage = request.param
    push(checkpoints)
    return checkpoints


@pytest.mark.parametrize("symlinks", [True, False])
@pytest.mark.parametrize("fault", ["corrupt", None])
def test_bytes_are_checked_by_the_hash_that_the_hub_keeps(
    hub: Hub, stored: Path, symlinks: bool, fault: Literal["corrupt"] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS", not symlinks)
    content = (stored / "cam" / WEIGHTS).read_bytes()
    expected = git_blob_id(content) if hub.storage == "regular" else sha256(content)
    if fault:
        hub.fail("GET", f"{WEIGHTS}|/xorb", fault)
        with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} was damaged.*published was {expected[:12]}"):
            load_checkpoint(CAM)
        hub.faults.clear()
    assert same_weights(load_checkpoint(CAM), load_checkpoint(stored / "cam"))
    (cached,) = (Path(os.environ["HF_HOME"])).rglob(f"snapshots/*/{WEIGHTS}")
    assert cached.is_symlink() == symlinks
    revision = cached.parent.name
    hub.requests.clear()
    assert same_weights(load_checkpoint(CAM, revision), load_checkpoint(stored / "cam"))
    assert hub.requests == []
    assert hub.tokens_seen_elsewhere == []
    cached.write_bytes(content[:-1] + b"!")  # by a disk, or by somebody
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} was damaged"):
        load_checkpoint(CAM, revision)
    assert same_weights(load_checkpoint(CAM, revision), load_checkpoint(stored / "cam"))


def test_a_cache_that_knows_no_hash_is_checked_by_the_hubs(
    hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has filled it, on a machine without symlinks."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS", True)
    revision = pinned(published)["cam"].revision
    cached = Path(hf_hub_download(CAM, WEIGHTS, revision=revision))
    content = cached.read_bytes()
    hub.requests.clear()
    load_checkpoint(CAM, revision)
    assert hub.requests == [f"GET /api/models/{CAM}/revision/{revision}"]
    load_checkpoint(CAM, revision)
    assert len(hub.requests) == 1
    (cached.parent / f".{WEIGHTS}.hash").unlink()
    cached.write_bytes(content[:-1] + b"!")
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} was damaged"):
        load_checkpoint(CAM, revision)


def test_an_etag_that_is_no_hash_is_not_believed(hub: Hub, published: Path) -> None:
    hub.fail("HEAD", WEIGHTS, "odd etag")
    with pytest.raises(CamlossError, match=f"cannot load {CAM}.*does not have an ETag"):
        load_checkpoint(CAM)
    hub.faults.clear()
    assert same_weights(load_checkpoint(CAM), load_checkpoint(published / "cam"))


@pytest.mark.parametrize("place", ["on the Hub", "in the cache"])
def test_a_wrong_pin_is_refused_and_the_file_stays(hub: Hub, published: Path, place: str) -> None:
    if place == "in the cache":
        load_pair(REPO)
    pair = json.loads(hub.model(CAM).files[PAIR])
    pair["cam"]["sha256"] = "0" * 64
    hub.model(CAM).commit({**hub.model(CAM).files, PAIR: json.dumps(pair).encode()})
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} is not what pair.json pins.*pinned is 000000000000"):
        load_pair(REPO)
    hub.requests.clear()
    assert same_weights(load_checkpoint(CAM), load_checkpoint(published / "cam"))
    assert not [request for request in hub.requests if request.startswith("GET") and WEIGHTS in request]


@pytest.mark.usefixtures("impatient", "published")
def test_an_abandoned_download_stops_writing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1)
    hub.fail("GET", WEIGHTS, "trickle")
    with pytest.raises(CamlossError, match="the Hub did not get on"):
        load_checkpoint(CAM)
    deadline = time.monotonic() + 20  # the whole file would take hours
    while partial_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert partial_files() == []


@pytest.mark.usefixtures("impatient")
def test_an_abandoned_download_from_xet_stops(hub: Hub, checkpoints: Path) -> None:
    hub.storage = "xet"
    push(checkpoints)
    hub.fail("GET", "/xorb", "trickle")
    with pytest.raises(CamlossError, match="the Hub's Xet storage did not get on"):
        load_checkpoint(CAM)
    deadline = time.monotonic() + 20
    while (partial_files() or hub.connections) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert partial_files() == []
    assert not hub.connections
    hub.faults.clear()
    assert same_weights(load_checkpoint(CAM), load_checkpoint(checkpoints / "cam"))


@pytest.mark.usefixtures("impatient")
def test_xet_may_send_more_than_the_file_but_make_no_more_of_it(
    hub: Hub, checkpoints: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.storage = "xet"
    push(checkpoints)
    load_checkpoint(CAM)  # chunks have headers, which count as sent
    content = (checkpoints / "ce" / WEIGHTS).read_bytes()
    answer = hub_xet.made_of(hub, sha256(content))
    hub.fail("GET", "/v1/reconstructions/", json.dumps({**answer, "terms": 3 * answer["terms"]}).encode())
    # Xet's client may stumble over such an answer before it has told us of the bytes that are too many
    with pytest.raises(CamlossError, match=f"{CE}/{WEIGHTS} is too large|the Hub's Xet storage fails"):
        load_checkpoint(CE)
    assert "Traceback" not in capfd.readouterr().err
    assert partial_files() == []


def test_what_xet_makes_too_large_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    hung_up: list[bool] = []
    monkeypatch.setattr(pull, "hang_up", lambda: hung_up.append(True))
    progress = Progress()
    bar = pull._bar(lambda size: pull._check_size(CE, size, 10), progress)(
        total=10, name="huggingface_hub.xet_get", disable=True
    )
    bar.update_transfer(30)  # chunks have headers, and may hold more than this file
    bar.update(10)
    assert not hung_up
    bar.update(1)
    assert hung_up
    assert isinstance(progress.problem, CamlossError)
    assert "too large: 11 bytes, at most 10" in str(progress.problem)


@pytest.mark.usefixtures("published")
def test_a_slow_download_gets_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads 10 MB before it tells of them: at 100 kB a second it would be given up."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10 * 1024**2)
    load_checkpoint(CAM)
    assert constants.DOWNLOAD_CHUNK_SIZE <= timeouts.STEP


def partial_files() -> list[Path]:
    return list(Path(os.environ["HF_HOME"]).rglob("*.incomplete"))


@pytest.mark.usefixtures("published")
def test_a_file_that_goes_on_after_its_length_is_cut_off(hub: Hub) -> None:
    hub.fail("GET", WEIGHTS, "endless")
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} is too large"):
        load_checkpoint(CAM)
    assert partial_files() == []
    assert hub.bytes_sent < 100_000_000


@pytest.mark.usefixtures("published")
def test_a_pair_json_of_more_than_10_kb_is_refused(hub: Hub) -> None:
    hub.model(CAM).files[PAIR] += b" " * 10_000
    with pytest.raises(CamlossError, match=f"{CAM}/{PAIR} is too large: [0-9,]+ bytes, at most 10,000 are taken"):
        load_pair(REPO)
    assert not [request for request in hub.requests if PAIR in request]
    assert pull.LARGEST == {WEIGHTS: 500_000_000, PAIR: 10_000}


def test_ten_to_the_nine_classes_are_refused_before_memory_is_taken(hub: Hub, published: Path) -> None:
    tensors, header = unpack(published / "cam" / WEIGHTS)
    hub.model(CAM).commit({WEIGHTS: pack(tensors, config={**header["config"], "num_classes": 10**9})})
    with pytest.raises(CamlossError, match=r"head.weight has shape \(10, 96\), expected \(1000000000, 96\)"):
        load_checkpoint(CAM)


@pytest.mark.usefixtures("impatient", "published")
def test_whoever_waits_is_told_so(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    assert patience_in_full == (60.0, 5.0)
    hub.fail("HEAD", WEIGHTS, "hang")
    with pytest.raises(CamlossError, match="the Hub did not get on"):
        load_checkpoint(CAM)
    assert [record.getMessage() for record in caplog.records if record.name == timeouts.__name__] == [
        f"waiting for the Hub, to load {CAM}, which is no folder here, from the Hub"
    ]


@pytest.mark.usefixtures("published")
def test_a_cache_that_cannot_be_written() -> None:
    load_checkpoint(CAM)
    code = "from camloss import load_checkpoint; print(load_checkpoint('{}').arch)"
    assert without_write_access(code.format(CAM)).stdout == "sketch_cnn\n"
    refused = without_write_access(code.format(CE))
    assert refused.stderr.strip().endswith("Permission denied; free space, or let HF_HOME name another folder")


def without_write_access(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that may not write to the cache; root may write everywhere unless it drops that right."""
    cache = Path(os.environ["HF_HOME"])
    dropped = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        return subprocess.run(
            [*dropped, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"ce": {}}',
        b'{"ce": {"revision": 5, "sha256": "x"}}',
        b'{"ce": {"revision": "../..", "sha256": ""}}',
        b"[" * 9_000,
    ],
)
def test_a_damaged_pair_is_refused(hub: Hub, content: bytes) -> None:
    hub.model(CAM).files[PAIR] = content
    with pytest.raises(CamlossError, match=f"{CAM}/{PAIR} is damaged; push both twins again"):
        load_pair(REPO)


@pytest.mark.usefixtures("published")
def test_a_full_disk_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(CamlossError, match="No space left on device; free space, or let HF_HOME name another folder"):
        load_checkpoint(CAM)


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({}, {"head.bias": None}, "does not fit arch 'sketch_cnn': it lacks head.bias"),
        ({}, {"extra": torch.zeros(1)}, "does not fit arch 'sketch_cnn': it also holds extra"),
        (
            {"num_classes": 11},
            {},
            r"does not fit arch 'sketch_cnn': head.weight has shape \(10, 96\), expected \(11, 96\)",
        ),
        ({"arch": "vgg"}, {}, "unknown arch 'vgg'"),
        ({"format": 2}, {}, "has checkpoint format 2, this camloss reads 1; upgrade camloss"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(
    hub: Hub, published: Path, config: dict[str, object], tensors: dict[str, torch.Tensor | None], message: str
) -> None:
    its_tensors, header = unpack(published / "cam" / WEIGHTS)
    changed = {name: tensor for name, tensor in {**its_tensors, **tensors}.items() if tensor is not None}
    hub.model(CAM).commit({WEIGHTS: pack(changed, config={**header["config"], **config})})
    with pytest.raises(CamlossError, match=f"^{CAM}/{WEIGHTS}:? {message}") as caught:
        load_checkpoint(CAM)
    assert "\n" not in str(caught.value)


def test_two_processes_load_at_once(published: Path) -> None:
    code = f"from camloss import load_checkpoint; print(load_checkpoint({CAM!r}).head.weight.double().sum().item())"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    sums = {float(process.communicate(timeout=300)[0]) for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert sums == {load_checkpoint(published / "cam").head.weight.double().sum().item()}
