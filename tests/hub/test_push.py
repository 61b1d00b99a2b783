"""Publishing with the real huggingface_hub client on a Hub on the loopback interface."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hub_pair import CAM, CE, REPO, push, quiet, same_weights
from hub_server import Hub
from untrained import write_pair

from camloss import CamlossError, build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import WEIGHTS, load_training
from camloss.hub.pull import PAIR, PINS, load_pair, pinned
from camloss.hub.push import published_files, push_pair
from camloss.pair import ARRIVED, VARIANTS, Pair

pytest_plugins = ["hub_client"]

SPACE = "user/camloss"
ROOT = Path(__file__).resolve().parent.parent.parent


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
    (checkpoints / "ce" / "maps.png").write_bytes(b"maps of ce")
    (checkpoints / "cam" / "maps.png").write_bytes(b"maps of cam")
    (checkpoints / "cam" / "curves.png").write_bytes(b"curves of cam")
    (checkpoints / "cam" / "notes.txt").write_text("private", encoding="utf-8")
    push(checkpoints)
    ce, cam = hub.model(CE).files, hub.model(CAM).files
    assert (cam["maps.png"], cam["maps-of-ce.png"]) == (b"maps of cam", b"maps of ce")
    assert (ce["maps.png"], ce["maps-of-cam.png"]) == (b"maps of ce", b"maps of cam")
    for picture in ("maps.png", "maps-of-ce.png", "curves.png"):
        assert f"]({picture})" in cam["README.md"].decode()
    assert "curves.png" not in ce["README.md"].decode()
    assert "notes.txt" not in cam


def test_the_cards_lead_to_the_space(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints)
    assert "https://huggingface.co/spaces/user/camloss)" in hub.model(CE).files["README.md"].decode()
    push(checkpoints, space="else/where")
    assert "https://huggingface.co/spaces/else/where)" in hub.model(CE).files["README.md"].decode()
    with pytest.raises(CamlossError, match="'nowhere' is no name for a repository"):
        push(checkpoints, space="nowhere")


def test_pushing_again_with_nothing_changed_makes_no_commit(hub: Hub, published: Path) -> None:
    before = pinned(published)
    assert push(published) == before
    assert not [request for request in hub.requests if "/commit/" in request]


def test_pushing_new_weights_moves_the_pair(hub: Hub, published: Path) -> None:
    before = pinned(published)
    after = push(write_pair(published, seed=5))
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
        push(write_pair(checkpoints, seed=5), tag="v1")
    assert pinned(checkpoints)["ce"].revision == hub.model(CE).refs["main"] != pins["ce"].revision
    assert same_weights(load_pair(REPO, "v1")["ce"], load_pair(REPO, pins["cam"].revision)["ce"])


def test_a_pull_request_leaves_main_and_the_pins_alone(hub: Hub, published: Path) -> None:
    before, main = pinned(published), hub.model(CAM).refs["main"]
    assert push(write_pair(published, seed=5), create_pr=True) == {}
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


@pytest.mark.usefixtures("hub")
def test_a_dry_run_shows_the_pair_that_has_arrived_and_moves_nothing(checkpoints: Path) -> None:
    arrived = write_pair(checkpoints / ARRIVED, seed=5)
    before = sorted(checkpoints.rglob("*"))
    lines: list[str] = []
    push_pair(REPO, checkpoints, dry_run=True, log=lines.append)
    assert sorted(checkpoints.rglob("*")) == before
    files = published_files(checkpoints, REPO, SPACE)
    assert {twin: files[twin][WEIGHTS] for twin in VARIANTS} == {
        twin: (arrived / twin / WEIGHTS).read_bytes() for twin in VARIANTS
    }
    push(checkpoints)
    assert not arrived.exists()


def test_large_files_go_to_lfs_once(hub: Hub, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub.storage = "lfs"
    pins = push(checkpoints)
    assert set(hub.blobs) == {pins["ce"].sha256, pins["cam"].sha256}
    assert same_weights(load_pair(REPO)["ce"], load_checkpoint(checkpoints / "ce"))
    hub.requests.clear()
    assert push(checkpoints) == pins
    assert not [request for request in hub.requests if request.startswith("PUT") or "/commit/" in request]


def test_large_files_go_to_xet(hub: Hub, checkpoints: Path) -> None:
    hub.storage = "xet"
    pins = push(checkpoints)
    assert len(hub.xorbs) == 2
    for variant, repo_id in (("ce", CE), ("cam", CAM)):
        weights = (checkpoints / variant / WEIGHTS).read_bytes()
        assert hub.model(repo_id).files[WEIGHTS] == weights
        assert hub.blobs[pins[variant].sha256] == weights
    hub.requests.clear()
    assert push(checkpoints) == pins
    assert not [request for request in hub.requests if "/xorbs/" in request or "/commit/" in request]


def test_when_the_second_push_fails_nothing_is_pinned_and_readers_keep_the_old_pair(hub: Hub, published: Path) -> None:
    before, old = pinned(published), Pair.load(published)
    hub.fail("POST", f"{CAM}/commit/", 500)
    with pytest.raises(CamlossError, match=f"cannot push to {CAM}: the Hub is in trouble"):
        push(write_pair(published, seed=5))
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


def test_a_tag_names_the_commit_that_was_pushed_whoever_commits_meanwhile(hub: Hub, checkpoints: Path) -> None:
    hub.fail("POST", f"{CE}/tag/", lambda: hub.model(CE).commit({"README.md": b"somebody else"}))
    pins = push(checkpoints, tag="v1")
    assert hub.model(CE).refs["v1"] == pins["ce"].revision != hub.model(CE).refs["main"]


@pytest.mark.usefixtures("hub")
def test_a_card_that_the_hub_refuses(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_server.LICENSES", ("mit",))
    with pytest.raises(CamlossError, match=f'cannot push to {CE}: Invalid metadata in README.md. "license" must be'):
        push(checkpoints)


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
    with pytest.raises(CamlossError, match=f"{CAM} has accuracy nan, which the Hub does not take"):
        push(checkpoints)
    (checkpoints / "cam" / WEIGHTS).write_bytes(b"not safetensors")
    with pytest.raises(CamlossError, match="is damaged"):
        push(checkpoints)
    (checkpoints / "cam" / WEIGHTS).unlink()
    with pytest.raises(CamlossError, match=f"{WEIGHTS} is missing; train one first"):
        push(checkpoints)
    assert hub.requests == []


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
    assert published_files(checkpoints, REPO, SPACE) == published_files(checkpoints, REPO, SPACE)


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
