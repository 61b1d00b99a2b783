"""The real huggingface_hub client against a Hub on the loopback interface: round trips first, then every fault."""

import errno
import hashlib
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
from hub_server import Hub
from untrained import write_twins

from camloss import CamlossError, build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import WEIGHTS, load_training, pack, unpack
from camloss.hub import pull
from camloss.hub.pull import PAIR, PINS, load_pair, pinned
from camloss.hub.push import published_files, push_pair
from camloss.page import follow, serve
from camloss.page.follow import follow_hub, newest_twins
from camloss.twins import Twins

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent.parent
REPO, CE, CAM = "user/camloss-mnist", "user/camloss-mnist-ce", "user/camloss-mnist-cam"


def quiet(_: str) -> None:
    pass


def push(checkpoints: Path, **options: object) -> dict[str, pull.Pin]:
    return push_pair(REPO, checkpoints, log=quiet, **options)  # type: ignore[arg-type]


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def answers(twins: Twins, drawing: str) -> bool:
    """Whether the page gets a digit, and the line about its weights, from both for a drawing."""
    answer = serve.answer(twins, drawing)
    return {answer[twin]["digit"] for twin in ("ce", "cam")} <= set(range(10)) and answer["source"] == twins.source


@pytest.fixture
def published(hub: Hub, checkpoints: Path) -> Path:
    """Both twins are on the Hub; the log of requests is empty again."""
    push(checkpoints)
    hub.requests.clear()
    return checkpoints


# Push


def test_push_sends_both_twins_and_pins_them(hub: Hub, checkpoints: Path) -> None:
    lines: list[str] = []
    pins = push_pair(REPO, checkpoints, log=lines.append)
    for twin, repo_id, other in (("ce", CE, CAM), ("cam", CAM, CE)):
        on_hub = hub.model(repo_id).files
        weights = (checkpoints / twin / WEIGHTS).read_bytes()
        assert on_hub[WEIGHTS] == weights
        assert set(on_hub) - {PAIR} == {".gitattributes", WEIGHTS, "config.json", "training.json", "README.md"}
        assert json.loads(on_hub["training.json"])["variant"] == twin
        card = on_hub["README.md"].decode()
        assert f'load_checkpoint("{repo_id}")' in card
        assert f"https://huggingface.co/{other}" in card
        assert pins[twin].repo_id == repo_id
        assert pins[twin].revision == hub.model(repo_id).refs["main"]
        assert pins[twin].sha256 == hashlib.sha256(weights).hexdigest()
    assert json.loads((checkpoints / PINS).read_text(encoding="utf-8"))["cam"] == vars(pins["cam"])
    assert pinned(checkpoints) == pins
    assert json.loads(hub.model(CAM).files[PAIR]) == {
        "ce": {"revision": pins["ce"].revision, "sha256": pins["ce"].sha256},
        "cam": {"sha256": pins["cam"].sha256},
    }
    assert not hub.model(CE).private
    assert lines[0].startswith(f"{CE} is at {pins['ce'].revision[:7]}: {hub.endpoint}/{CE}/commit/")


def test_pictures_beside_the_weights_are_sent_and_shown(hub: Hub, checkpoints: Path) -> None:
    (checkpoints / "cam" / "maps.png").write_bytes(b"a picture")
    (checkpoints / "cam" / "notes.txt").write_text("private", encoding="utf-8")
    push(checkpoints)
    assert hub.model(CAM).files["maps.png"] == b"a picture"
    assert "(maps.png)" in hub.model(CAM).files["README.md"].decode()
    assert "maps.png" not in hub.model(CE).files["README.md"].decode()
    assert "notes.txt" not in hub.model(CAM).files


def test_pushing_again_with_nothing_changed_makes_no_commit(hub: Hub, published: Path) -> None:
    before = pinned(published)
    assert push(published) == before
    assert not [request for request in hub.requests if "/commit/" in request]


def test_pushing_new_weights_moves_the_pair(hub: Hub, published: Path) -> None:
    before = pinned(published)
    after = push(write_twins(published, seed=5))
    assert after["ce"].revision != before["ce"].revision
    assert same_weights(load_pair(REPO)["cam"], load_checkpoint(published / "cam"))
    assert not same_weights(load_pair(REPO, before["cam"].revision)["cam"], load_checkpoint(published / "cam"))
    assert len(hub.model(CE).commits) == 3  # made, pushed, pushed


def test_a_tag_names_both_commits_and_moves_to_no_other(hub: Hub, checkpoints: Path) -> None:
    pins = push(checkpoints, tag="v1")
    assert hub.model(CE).refs["v1"] == pins["ce"].revision
    assert hub.model(CAM).refs["v1"] == pins["cam"].revision
    assert push(checkpoints, tag="v1") == pins
    with pytest.raises(CamlossError, match=f"{CE} has a tag v1 already, for another commit.*choose another tag"):
        push(write_twins(checkpoints, seed=5), tag="v1")
    assert pinned(checkpoints)["ce"].revision == hub.model(CE).refs["main"] != pins["ce"].revision
    assert same_weights(load_pair(REPO, "v1")["ce"], load_pair(REPO, pins["cam"].revision)["ce"])


def test_a_pull_request_leaves_main_and_the_pins_alone(hub: Hub, published: Path) -> None:
    before, main = pinned(published), hub.model(CAM).refs["main"]
    assert push(write_twins(published, seed=5), create_pr=True) == {}
    assert pinned(published) == before
    assert hub.model(CAM).refs["main"] == main
    assert any(ref.startswith("refs/pr/") for ref in hub.model(CAM).refs)


def test_private_repositories(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints, private=True)
    assert hub.model(CE).private
    assert hub.model(CAM).private


def test_a_dry_run_lists_the_files_and_asks_nobody(hub: Hub, checkpoints: Path) -> None:
    lines: list[str] = []
    assert push_pair(REPO, checkpoints, dry_run=True, log=lines.append) == {}
    size = (checkpoints / "ce" / WEIGHTS).stat().st_size
    assert lines[0] == f"{CE} would get:"
    assert f"{WEIGHTS:20} {size:>10,} bytes" in lines[1]
    assert hub.requests == []
    assert not (checkpoints / PINS).exists()


def test_large_files_go_to_lfs_once(hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub.lfs = True
    pins = push(checkpoints)
    assert set(hub.blobs) == {pins["ce"].sha256, pins["cam"].sha256}
    assert same_weights(load_pair(REPO)["ce"], load_checkpoint(checkpoints / "ce"))
    hub.requests.clear()
    assert push(checkpoints) == pins
    assert not [request for request in hub.requests if request.startswith("PUT") or "/commit/" in request]


def test_when_the_second_push_fails_nothing_is_pinned_and_readers_keep_the_old_pair(hub: Hub, published: Path) -> None:
    before, old = pinned(published), Twins.load(published)
    hub.fail("POST", f"{CAM}/commit/", 500)
    with pytest.raises(CamlossError, match=f"cannot push to {CAM}: the Hub is in trouble"):
        push(write_twins(published, seed=5))
    assert hub.model(CE).refs["main"] != before["ce"].revision  # the first did succeed
    assert pinned(published) == before
    pair = load_pair(REPO)
    assert same_weights(pair["ce"], old["ce"])
    assert same_weights(pair["cam"], old["cam"])


def test_when_the_first_push_of_all_fails_half_way_there_are_no_pins(hub: Hub, checkpoints: Path) -> None:
    hub.fail("POST", f"{CAM}/commit/", 403)
    with pytest.raises(CamlossError, match=f"cannot push to {CAM}: the token may not do that"):
        push(checkpoints)
    assert not (checkpoints / PINS).exists()
    with pytest.raises(CamlossError, match=f"cannot find the pair {REPO} on the Hub: the repository has no such file"):
        load_pair(REPO)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", r"cannot create .*: the Hub wants a token \(401\); run `hf auth login` or set HF_TOKEN"),
        ("hf_wrong", r"cannot create .*: the Hub does not accept the token \(401\); run `hf auth login`"),
        ("hf_read", r"cannot create .*: the token may not do that \(403\); make one that may write"),
    ],
)
def test_push_says_what_is_wrong_with_the_token(
    hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch, token: str, message: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(CamlossError, match=message):
        push(checkpoints)
    assert hub.repos == {}


def test_push_without_a_hub(hub: Hub, checkpoints: Path) -> None:
    hub.stop()
    with pytest.raises(CamlossError, match=f"cannot create {CE}: {hub.endpoint} cannot be reached; check the network"):
        push(checkpoints)
    assert not (checkpoints / PINS).exists()


@pytest.mark.parametrize("name", ["camloss-mnist", "user/cam loss", "user/a--b", "a/b/c", "", "user/" + "x" * 100])
def test_names_that_the_hub_would_refuse(hub: Hub, checkpoints: Path, name: str) -> None:
    with pytest.raises(CamlossError, match="is no name for a repository; expected USER/NAME"):
        push_pair(name, checkpoints, log=quiet)
    assert hub.requests == []


def test_a_checkpoint_or_card_that_is_not_fit_is_not_sent(hub: Hub, checkpoints: Path) -> None:
    record = load_training(checkpoints / "cam")
    save_checkpoint(
        load_checkpoint(checkpoints / "cam"), checkpoints / "cam", {**record, "test": {"accuracy": float("nan")}}
    )
    with pytest.raises(CamlossError, match=r"model-index.*finite"):
        push(checkpoints)
    (checkpoints / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(CamlossError, match="is damaged"):
        push(checkpoints)
    (checkpoints / "cam" / WEIGHTS).unlink()
    with pytest.raises(CamlossError, match=f"{WEIGHTS} is missing; train one first"):
        push(checkpoints)
    assert hub.requests == []


# Load


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


Break = Callable[[Hub], None]


def fault(method: str, path: str, what: int | str) -> Break:
    return lambda hub: hub.fail(method, path, what)  # type: ignore[arg-type]


FAULTS: dict[str, tuple[Break, str]] = {
    "repository missing": (lambda hub: hub.repos.clear(), r"there is no such repository, or it is private \(404\)"),
    "401": (fault("GET", "/api/models", 401), r"the Hub does not accept the token \(401\)"),
    "402": (fault("GET", "/api/models", 402), r"the Hub wants payment \(402\)"),
    "403": (fault("GET", "/api/models", 403), r"the token may not do that \(403\)"),
    "429": (fault("GET", "/api/models", 429), r"too many requests \(429\)"),
    "5xx": (fault("GET", "/api/models", 502), r"the Hub is in trouble \(502\)"),
    "5xx on HEAD": (fault("HEAD", WEIGHTS, 503), r"the Hub is in trouble \(503\)"),
    "5xx on GET": (fault("GET", WEIGHTS, 500), r"the Hub is in trouble \(500\)"),
    "refused": (lambda hub: hub.stop(), "cannot be reached; check the network"),
    "hanging": (fault("GET", "/api/models", "hang"), "does not answer; try again later"),
    "connection reset mid-file": (fault("GET", WEIGHTS, "reset"), "the connection to .* broke off; try again"),
    "truncated": (fault("GET", WEIGHTS, "truncate"), "file should be of size .* but has size .*; try again"),
    "corrupt": (fault("GET", WEIGHTS, "corrupt"), "was damaged on its way: its hash is .*; try again"),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "METADATA_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient", "published")
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_one_line_and_the_next_try_works(hub: Hub, name: str) -> None:
    break_it, message = FAULTS[name]
    repos = dict(hub.repos)
    break_it(hub)
    with pytest.raises(CamlossError, match=f"^(cannot load {CAM}|{CAM}/{WEIGHTS}).*{message}") as caught:
        load_checkpoint(CAM)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    if name == "refused":
        return
    hub.faults.clear()
    hub.repos.update(repos)
    assert load_checkpoint(CAM).arch == "sketch_cnn"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_fault_the_bundled_twins_stay_and_the_page_says_why(
    hub: Hub, published: Path, drawing: str, name: str
) -> None:
    bundled = Twins.load(published)
    push(write_twins(published.parent / "newer", seed=5))
    break_it, message = FAULTS[name]
    break_it(hub)
    twins = newest_twins(bundled, REPO, checkpoints_dir=published)
    assert twins["ce"] is bundled["ce"]
    assert twins["cam"] is bundled["cam"]
    assert re.fullmatch(rf"bundled weights, sha256 [0-9a-f]{{7}} \(.*{message}.*\)", twins.source)
    assert str(published.parent) not in twins.source
    assert answers(twins, drawing)


def test_a_missing_revision_is_named_as_such(published: Path) -> None:
    message = f"cannot load {CAM} from the Hub: there is no such revision"
    with pytest.raises(CamlossError, match=message):
        load_checkpoint(CAM, "v9")
    with pytest.raises(CamlossError, match=message):
        load_checkpoint(CAM, "0" * 40)
    twins = newest_twins(Twins.load(published), REPO, "v9", published)
    assert twins.source.endswith("there is no such revision; look for its name on the repository's page)")


def test_a_connection_that_is_closed_mid_file_is_taken_up_again(hub: Hub, published: Path) -> None:
    hub.fail("GET", WEIGHTS, "cut")
    assert same_weights(load_checkpoint(CAM), load_checkpoint(published / "cam"))
    assert len([request for request in hub.requests if request.startswith("GET") and WEIGHTS in request]) == 2


def test_a_corrupt_body_is_found_by_sha256_in_lfs_too(
    hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub.lfs = True
    pins = push(checkpoints)
    hub.fail("GET", WEIGHTS, "corrupt")
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} was damaged.*published was {pins['cam'].sha256[:12]}"):
        load_checkpoint(CAM)


@pytest.mark.usefixtures("published")
def test_a_pin_is_checked_where_the_hub_itself_serves_other_weights(hub: Hub) -> None:
    pair = json.loads(hub.model(CAM).files[PAIR])
    pair["cam"]["sha256"] = "0" * 64
    hub.model(CAM).files[PAIR] = json.dumps(pair).encode()
    with pytest.raises(CamlossError, match=f"{CAM}/{WEIGHTS} was damaged on its way.*published was 000000000000"):
        load_pair(REPO)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"ce": {}}',
        b'{"ce": {"revision": 5, "sha256": "x"}}',
        b'{"ce": {"revision": "../..", "sha256": ""}}',
    ],
)
def test_a_damaged_pair_is_refused(hub: Hub, content: bytes) -> None:
    hub.model(CAM).files[PAIR] = content
    with pytest.raises(CamlossError, match=f"{CAM}/{PAIR} is damaged; push both twins again"):
        load_pair(REPO)


def test_a_full_disk_in_the_cache(published: Path, drawing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(CamlossError, match="No space left on device; free space, or let HF_HOME name another folder"):
        load_checkpoint(CAM)
    twins = newest_twins(Twins.load(published), REPO, "main", published)
    assert "No space left on device" in twins.source
    assert answers(twins, drawing)


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


# Which pair the page shows


def test_a_newer_pair_on_the_hub_is_taken(hub: Hub, published: Path) -> None:
    newer = write_twins(published.parent / "newer", seed=5)
    pins = push(newer)
    twins = newest_twins(Twins.load(published), REPO, checkpoints_dir=published)
    assert same_weights(twins["cam"], load_checkpoint(newer / "cam"))
    assert twins.source == f"weights from the Hub, {CAM} {pins['cam'].revision[:7]}"
    assert hub.requests.count(f"GET /api/models/{CAM}") == 1  # the one metadata call


def test_the_same_pair_on_the_hub_is_not_downloaded(hub: Hub, published: Path) -> None:
    bundled = Twins.load(published)
    twins = newest_twins(bundled, REPO, checkpoints_dir=published)
    assert twins["cam"] is bundled["cam"]
    assert twins.source == f"{bundled.source}, same as {CAM} {pinned(published)['cam'].revision[:7]}"
    assert not [request for request in hub.requests if WEIGHTS in request]


def test_weights_trained_since_the_last_push_are_newer_than_it(published: Path) -> None:
    bundled = Twins.load(write_twins(published, seed=5))
    twins = newest_twins(bundled, REPO, checkpoints_dir=published)
    assert twins["cam"] is bundled["cam"]
    assert twins.source == f"{bundled.source}, newer than {CAM} {pinned(published)['cam'].revision[:7]}"
    asked_for = newest_twins(bundled, REPO, "main", published)
    assert not same_weights(asked_for["cam"], bundled["cam"])


def test_a_hub_that_hangs_while_it_sends_is_given_up(hub: Hub, published: Path) -> None:
    bundled = Twins.load(published)
    push(write_twins(published.parent / "newer", seed=5))
    hub.fail("GET", WEIGHTS, "hang")
    started = time.perf_counter()
    twins = newest_twins(bundled, REPO, checkpoints_dir=published, seconds=0.5)
    assert time.perf_counter() - started < 5  # the client alone would wait 10 s for each of 6 tries
    assert twins.models is bundled.models
    assert twins.source == f"{bundled.source} (the Hub was not done after 0.5 s; try again later)"


def test_an_unforeseen_error_keeps_the_bundled_twins_too(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(follow, "find_pins", surprise)
    bundled = Twins.load(published)
    assert newest_twins(bundled, REPO).source == f"{bundled.source} (KeyError while loading {REPO})"


# What the page does with it


def test_the_page_shows_the_bundled_twins_until_those_of_the_hub_are_here(hub: Hub, published: Path) -> None:
    bundled = Twins.load(published)
    push(write_twins(published.parent / "newer", seed=5))
    hub.fail("GET", f"{CAM}/resolve/.*{WEIGHTS}", "hang")
    shown = follow_hub(bundled, published, REPO)
    assert shown()["cam"] is bundled["cam"]
    assert shown().source == f"{bundled.source} (asking the Hub for {REPO})"
    hub.faults.clear()
    hub.released.set()  # the connection that hung is closed, and the client tries again
    deadline = time.perf_counter() + 120
    while shown()["cam"] is bundled["cam"] and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert shown().source.startswith(f"weights from the Hub, {CAM} ")


def test_without_a_repository_nobody_is_asked(hub: Hub, published: Path) -> None:
    bundled = Twins.load(published)
    assert follow_hub(bundled, published, "")() is bundled
    assert hub.requests == []


# The command


def script(*flags: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "push_to_hub.py"), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_and_the_snippet_on_the_card_run_as_they_stand(hub: Hub, checkpoints: Path) -> None:
    pushed = script(REPO, "--checkpoints", checkpoints, "--tag", "v1")
    assert pushed.returncode == 0, pushed.stderr
    pins = pinned(checkpoints)
    assert f"{CAM} is at {pins['cam'].revision[:7]}" in pushed.stdout
    assert hub.model(CAM).refs["v1"] == pins["cam"].revision

    (snippet,) = re.findall(r"```python\n(.*?)```", hub.model(CAM).files["README.md"].decode(), re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"\d with \d+\.\d%\ntorch.Size\(\[1, 14, 14\]\)\n", ran.stdout)


def test_the_command_ends_with_one_line_when_the_hub_refuses(hub: Hub, checkpoints: Path) -> None:
    hub.fail("POST", "/api/repos/create", 403)
    refused = script(REPO, "--checkpoints", checkpoints)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: cannot create {CE}: the token may not do that (403)")
    assert refused.stderr.count("\n") == 1


def test_published_files_are_the_same_every_time(checkpoints: Path) -> None:
    repo_ids = {"ce": CE, "cam": CAM}
    assert published_files(checkpoints / "ce", repo_ids) == published_files(checkpoints / "ce", repo_ids)


def test_nothing_of_the_hub_is_imported_for_a_local_checkpoint(checkpoints: Path) -> None:
    code = f"import sys; from camloss import load_checkpoint; load_checkpoint({str(checkpoints / 'cam')!r});" + (
        "print([name for name in sys.modules if name.partition('.')[0] in ('huggingface_hub', 'httpx2', 'matplotlib')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert ran.stdout == "[]\n"


def test_only_models_of_build_model_have_a_card() -> None:
    model = build_model("sketch_cnn")
    model.arch = None
    with pytest.raises(CamlossError, match="only models made by build_model"):
        save_checkpoint(model, "nowhere")
