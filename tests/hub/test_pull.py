"""Loading with the real huggingface_hub client from a Hub on the loopback interface."""

import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hub_pair import REPO, push, same_weights
from hub_server import Hub, git_blob_id, sha256
from huggingface_hub import hf_hub_download
from untrained import write_pair

from camloss import CamlossError, Pair, from_pretrained, load_checkpoint
from camloss.checkpoint import CONFIG, WEIGHTS, pack, unpack
from camloss.hub import pull, timeouts

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent.parent
CAM = f"cam/{WEIGHTS}"
in_full = (timeouts.STALL_SECONDS, timeouts.NOTICE_SECONDS)  # before a test shortens them


def rewrite(hub: Hub, **files: bytes) -> None:
    """Another commit: some files of the repository are others."""
    hub.model(REPO).commit({**hub.model(REPO).files, **files})


def test_the_round_trip_is_byte_equal(published: Path, tmp_path: Path) -> None:
    pair = Pair.load(REPO)
    assert pair.variants == ("ce", "cam")
    assert not pair["cam"].training
    for variant in pair.variants:
        local = load_checkpoint(published / variant)
        assert same_weights(pair[variant], local)
        assert same_weights(load_checkpoint(REPO, variant), local)
        (cached,) = (tmp_path / "hf_home").rglob(f"snapshots/*/{variant}/{WEIGHTS}")
        assert cached.read_bytes() == (published / variant / WEIGHTS).read_bytes()


@pytest.mark.usefixtures("published")
def test_the_config_by_which_the_hub_counts_downloads_is_fetched_and_one_question_is_asked(hub: Hub) -> None:
    Pair.load(REPO)
    assert f"GET /{REPO}/resolve/main/{CONFIG}" in hub.requests
    assert [request for request in hub.requests if "/api/" in request] == [f"GET /api/models/{REPO}"]


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub: Hub, checkpoints: Path) -> None:
    first = push(checkpoints, tag="v1")
    old = load_checkpoint(checkpoints / "cam")
    second = push(write_pair(checkpoints, seed=5))
    for source in (f"{REPO}@v1", f"{REPO}@{first}"):
        assert same_weights(Pair.load(source)["cam"], old)
    assert same_weights(load_checkpoint(REPO, "cam", "v1"), old)
    assert same_weights(Pair.load(f"{REPO}@main")["cam"], load_checkpoint(checkpoints / "cam"))
    assert Pair.load(REPO).source == f"weights from the Hub, {REPO} {second[:7]}"
    for missing in ("v9", "0" * 40):
        with pytest.raises(CamlossError, match=f"cannot load {REPO} from the Hub: there is no such revision"):
            Pair.load(f"{REPO}@{missing}")
    hub.stop()
    hub.requests.clear()
    assert same_weights(Pair.load(f"{REPO}@{first}")["cam"], old)  # a commit that is in the cache costs no request
    assert hub.requests == []


def test_a_pair_by_the_address_that_a_browser_shows(published: Path, hub: Hub) -> None:
    commit = push(published)
    for source in (
        f"https://huggingface.co/{REPO}",
        f"https://huggingface.co/{REPO}/tree/{commit}",
        f"https://huggingface.co/{REPO}/blob/main/{CONFIG}",
    ):
        assert Pair.load(source).source == f"weights from the Hub, {REPO} {commit[:7]}"
    hub.model(REPO).refs["refs/pr/1"] = commit
    assert Pair.load(f"{REPO}@refs/pr/1").source.endswith(commit[:7])
    with pytest.raises(CamlossError, match=r"/tree/main/cam is one model's; take load_checkpoint, or name the repos"):
        Pair.load(f"https://huggingface.co/{REPO}/tree/main/cam")


def pushes_once(folder: Path) -> Callable[[], None]:
    """Somebody else pushes, the first time that this is called."""
    left = [folder]

    def somebody_pushes() -> None:
        if left:
            push(left.pop())

    return somebody_pushes


def test_all_files_are_of_one_commit_whoever_pushes_meanwhile(hub: Hub, published: Path) -> None:
    old = load_checkpoint(published / "cam")
    newer = write_pair(published.parent / "newer", seed=5)
    hub.fail("HEAD", CAM, pushes_once(newer))
    assert same_weights(Pair.load(REPO)["cam"], old)
    assert same_weights(Pair.load(REPO)["cam"], load_checkpoint(newer / "cam"))


@pytest.mark.usefixtures("published")
def test_a_push_between_the_question_and_the_first_file_is_the_one_that_is_loaded(hub: Hub, published: Path) -> None:
    newer = write_pair(published.parent / "newer", seed=5)
    hub.fail("HEAD", f"/main/{CONFIG}", pushes_once(newer))
    assert same_weights(Pair.load(REPO)["cam"], load_checkpoint(newer / "cam"))


@pytest.mark.usefixtures("published")
def test_offline_the_cache_is_enough(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    Pair.load(REPO)
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert same_weights(load_checkpoint(REPO, "cam"), Pair.load(REPO)["cam"])
    with pytest.raises(CamlossError, match="it is not in the cache, and HF_HUB_OFFLINE is set; unset it"):
        load_checkpoint(REPO, "cam", "v7")
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_private_pair_needs_a_token(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(checkpoints, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert same_weights(Pair.load(REPO)["ce"], load_checkpoint(checkpoints / "ce"))
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(CamlossError, match=r"or it is private \(404\)"):
        Pair.load(REPO)


def test_a_folder_that_is_missing_is_not_looked_for_on_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for source in ("checkpoints/cam", "cam", "runs/today/cam", str(tmp_path / "cam"), Path("a/b")):
        with pytest.raises(CamlossError, match=r"no checkpoint in .*: model.safetensors is missing; train one first"):
            load_checkpoint(source)
        with pytest.raises(CamlossError, match=r"no pair in .*: config.json is missing"):
            Pair.load(source)
    assert hub.requests == []
    with pytest.raises(CamlossError, match=r"cannot load a/b, which is no folder here, from the Hub: .*\(404\)"):
        load_checkpoint("a/b")


def test_a_connection_that_is_closed_mid_file_is_taken_up_again(hub: Hub, published: Path) -> None:
    hub.fail("GET", CAM, "cut")
    assert same_weights(Pair.load(REPO)["cam"], load_checkpoint(published / "cam"))
    assert len([request for request in hub.requests if request.startswith("GET") and CAM in request]) == 2


@pytest.mark.parametrize("storage", ["regular", "lfs", "xet"])
@pytest.mark.parametrize("symlinks", [True, False])
def test_bytes_are_checked_by_the_hash_that_the_hub_keeps(
    hub: Hub, checkpoints: Path, storage: str, symlinks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", storage != "xet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS", not symlinks)
    hub.storage = storage  # type: ignore[assignment]
    push(checkpoints)
    hub.requests.clear()
    content = (checkpoints / CAM).read_bytes()
    expected = git_blob_id(content) if storage == "regular" else sha256(content)
    hub.fail("GET", CAM if storage == "regular" else expected, "corrupt")
    with pytest.raises(CamlossError, match=f"{REPO}/{CAM} was damaged.*published was {expected[:12]}"):
        Pair.load(REPO)
    hub.faults.clear()
    assert same_weights(Pair.load(REPO)["cam"], load_checkpoint(checkpoints / "cam"))
    assert not [request for request in hub.requests if "/xet/" in request or "xet-read" in request]  # HTTP alone
    (cached,) = (Path(os.environ["HF_HOME"])).rglob(f"snapshots/*/{CAM}")
    assert cached.is_symlink() == symlinks
    revision = cached.parent.parent.name
    hub.requests.clear()
    assert same_weights(load_checkpoint(REPO, "cam", revision), load_checkpoint(checkpoints / "cam"))
    assert hub.requests == []
    assert hub.tokens_seen_elsewhere == []
    cached.write_bytes(content[:-1] + b"!")  # by a disk, or by somebody
    with pytest.raises(CamlossError, match=f"{REPO}/{CAM} (is|was) damaged"):
        load_checkpoint(REPO, "cam", revision)
    assert same_weights(load_checkpoint(REPO, "cam", revision), load_checkpoint(checkpoints / "cam"))


def test_a_cache_that_knows_no_hash_is_checked_by_the_hubs(
    hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has filled it, on a machine without symlinks."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS", True)
    revision = push(checkpoints)
    hf_hub_download(REPO, CONFIG, revision=revision)
    cached = Path(hf_hub_download(REPO, CAM, revision=revision))
    content = cached.read_bytes()
    hub.requests.clear()
    load_checkpoint(REPO, "cam", revision)
    assert hub.requests == [f"GET /api/models/{REPO}/revision/{revision}"]
    load_checkpoint(REPO, "cam", revision)
    assert len(hub.requests) == 1
    (cached.parent / f".{WEIGHTS}.hash").unlink()
    cached.write_bytes(content[:-1] + b"!")
    with pytest.raises(CamlossError, match=f"{REPO}/{CAM} (is|was) damaged"):
        load_checkpoint(REPO, "cam", revision)


@pytest.mark.usefixtures("impatient", "published")
def test_an_abandoned_download_stops_writing(hub: Hub) -> None:
    hub.fail("GET", CAM, "trickle")
    with pytest.raises(CamlossError, match="the Hub did not get on"):
        Pair.load(REPO)
    deadline = time.monotonic() + 20  # the whole file would take hours
    while partial_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert partial_files() == []


def partial_files() -> list[Path]:
    return list(Path(os.environ["HF_HOME"]).rglob("*.incomplete"))


@pytest.mark.usefixtures("published")
def test_a_file_that_goes_on_after_its_length_is_cut_off(hub: Hub) -> None:
    hub.fail("GET", CAM, "endless")
    with pytest.raises(CamlossError, match="more than 2,000,000 bytes come in answer"):
        Pair.load(REPO)
    assert partial_files() == []
    assert hub.bytes_sent < 100_000_000


@pytest.mark.usefixtures("published")
def test_files_have_their_limits(hub: Hub) -> None:
    rewrite(hub, **{CONFIG: b"{}" + b" " * 1_000_000})
    with pytest.raises(CamlossError, match=f"{REPO}/{CONFIG} is too large: 1,000,002 bytes, at most 1,000,000"):
        Pair.load(REPO)
    assert not [request for request in hub.requests if CONFIG in request]
    assert pull.LARGEST == {".safetensors": 500_000_000, ".json": 1_000_000}


def test_ten_to_the_nine_classes_are_refused_before_memory_is_taken(hub: Hub, published: Path) -> None:
    tensors, header = unpack(published / CAM)
    rewrite(hub, **{CAM: pack(tensors, config={**header["config"], "num_classes": 10**9})})
    with pytest.raises(CamlossError, match=r"head.weight has shape \(10, 96\), expected \(1000000000, 96\)"):
        load_checkpoint(REPO, "cam")


@pytest.mark.usefixtures("impatient", "published")
def test_whoever_waits_is_told_so(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    assert in_full == (60.0, 5.0)
    hub.fail("HEAD", CAM, "hang")
    with pytest.raises(CamlossError, match="the Hub did not get on"):
        Pair.load(REPO)
    assert [record.getMessage() for record in caplog.records if record.name == timeouts.__name__] == [
        f"waiting for the Hub, to load {REPO}, which is no folder here, from the Hub"
    ]


@pytest.mark.usefixtures("published")
def test_a_cache_that_cannot_be_written() -> None:
    load_checkpoint(REPO, "cam")
    code = f"from camloss import load_checkpoint; print(load_checkpoint({REPO!r}, '{{}}').arch)"
    assert without_write_access(code.format("cam")).stdout == "sketch_cnn\n"
    refused = without_write_access(code.format("ce"))
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
    ("content", "message"),
    [
        (b"{", "is damaged"),
        (b"[]", "names no variants"),
        (b'{"format": 1, "arch": "light_cnn"}', "names no variants"),
        (b'{"format": 3, "variants": ["ce", "cam"], "run": "a"}', "has pair format 3, this camloss reads 2; upgrade"),
        (b'{"format": 2, "variants": ["ce", "../cam"], "run": "a"}', "is damaged"),
        (b'{"format": 2, "variants": ["ce", "ce"], "run": "a"}', "is damaged"),
        (b'{"format": 2, "variants": ["ce", 5], "run": "a"}', "is damaged"),
        (b'{"format": 2, "variants": ["ce"], "run": "a"}', "is damaged"),
        (b'{"format": 2, "variants": ["ce", "cam"], "run": 5}', "is damaged"),
        (b'{"format": 2, "variants": ["ce", "cam"], "run": "a"}', "is no pair: ce is not of the pair in config.json"),
        (b"[" * 9_000, "is damaged"),
    ],
)
def test_what_is_no_pair_is_refused(hub: Hub, content: bytes, message: str) -> None:
    rewrite(hub, **{CONFIG: content})
    with pytest.raises(CamlossError, match=rf"^{REPO}(/{CONFIG})? {message}") as caught:
        Pair.load(REPO)
    assert "\n" not in str(caught.value)


def test_models_of_two_trainings_are_refused(hub: Hub, published: Path) -> None:
    tensors, header = unpack(published / CAM)
    header["training"]["run"] = "another"
    rewrite(hub, **{CAM: pack(tensors, **header)})
    with pytest.raises(CamlossError, match=f"^{REPO} is no pair: .* differ in the training that made them"):
        Pair.load(REPO)


@pytest.mark.usefixtures("published")
def test_a_full_disk_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(CamlossError, match="No space left on device; free space, or let HF_HOME name another folder"):
        Pair.load(REPO)


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
        ({"format": 99}, {}, "has checkpoint format 99, this camloss reads .; upgrade camloss"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(
    hub: Hub, published: Path, config: dict[str, object], tensors: dict[str, torch.Tensor | None], message: str
) -> None:
    its_tensors, header = unpack(published / CAM)
    changed = {name: tensor for name, tensor in {**its_tensors, **tensors}.items() if tensor is not None}
    rewrite(hub, **{CAM: pack(changed, config={**header["config"], **config})})
    with pytest.raises(CamlossError, match=f"^{REPO}/{CAM}:? {message}") as caught:
        load_checkpoint(REPO, "cam")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("published")
def test_a_truncated_file_in_the_cache(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load_checkpoint(REPO, "cam")
    cached = Path(hf_hub_download(REPO, CAM)).resolve()
    content = cached.read_bytes()
    cached.write_bytes(content[:-100])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for _ in range(2):  # it stays as it is, and so does what is said
        with pytest.raises(CamlossError) as caught:
            load_checkpoint(REPO, "cam")
        said = f"{REPO}/{CAM} is damaged in the cache: its hash is .*; unset HF_HUB_OFFLINE to fetch it again"
        assert re.fullmatch(said, str(caught.value))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(CamlossError, match=r"try again$"):
        load_checkpoint(REPO, "cam", hub.model(REPO).refs["main"])
    assert load_checkpoint(REPO, "cam").arch == "sketch_cnn"
    assert cached.read_bytes() == content


@pytest.mark.parametrize("revision", ["", " ", "\n"])
def test_an_empty_revision_is_refused(hub: Hub, published: Path, revision: str) -> None:
    said = f"the revision of {REPO} is empty; name a branch, tag or commit, or leave it out"
    for load in (
        lambda: load_checkpoint(REPO, "cam", revision),
        lambda: from_pretrained(REPO, revision),
        lambda: Pair.load(f"{REPO}@{revision}"),
    ):
        with pytest.raises(CamlossError) as caught:
            load()
        assert str(caught.value) == said
    assert hub.requests == []
    with pytest.raises(CamlossError, match=r"is on this machine, where there are no revisions; leave out 'v1'"):
        load_checkpoint(published / "cam", revision="v1")


def test_two_processes_load_at_once(published: Path) -> None:
    code = f"from camloss import Pair; print(Pair.load({REPO!r})['cam'].head.weight.double().sum().item())"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    sums = {float(process.communicate(timeout=300)[0]) for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert sums == {load_checkpoint(published / "cam").head.weight.double().sum().item()}


@pytest.mark.usefixtures("published")
def test_a_pair_is_asked_for_its_variant(hub: Hub, published: Path) -> None:
    with pytest.raises(CamlossError, match=r"holds a pair; name one of ce, cam as variant$"):
        load_checkpoint(published)
    with pytest.raises(CamlossError, match=rf"{REPO} holds a pair; name one of ce, cam as variant$"):
        load_checkpoint(REPO)
    assert json.loads(hub.model(REPO).files[CONFIG])["variants"] == ["ce", "cam"]
