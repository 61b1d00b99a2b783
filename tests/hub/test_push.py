"""Publishing with the real huggingface_hub client on a Hub on the loopback interface."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_pair import REPO, push, quiet, same_weights
from hub_server import Hub, Repo, sha256
from safetensors.torch import save_file
from untrained import write_pair

from camloss import CamlossError, Pair, load_checkpoint
from camloss.checkpoint import CONFIG, HEADER_KEY, WEIGHTS, unpack
from camloss.hub.push import published_files, push_pair
from camloss.pair import ARRIVED

pytest_plugins = ["hub_client"]

SPACE = "user/camloss"
ROOT = Path(__file__).resolve().parent.parent.parent
OF_VARIANT = (WEIGHTS, CONFIG, "training.json")


def test_a_pair_is_one_repository_in_one_commit(hub: Hub, checkpoints: Path) -> None:
    lines: list[str] = []
    commit = push_pair(REPO, checkpoints, log=lines.append)
    assert list(hub.repos) == [("model", REPO)]
    assert list(hub.model(REPO).commits)[1:] == [commit]  # the first one made the repository
    files = hub.model(REPO).files
    of_variants = {f"{variant}/{name}" for variant in ("ce", "cam") for name in OF_VARIANT}
    assert set(files) == {".gitattributes", CONFIG, "README.md", *of_variants}
    assert json.loads(files[CONFIG]) == {"format": 2, "variants": ["ce", "cam"], "run": Pair.load(checkpoints).run}
    for name in (CONFIG, *of_variants):
        assert files[name] == (checkpoints / name).read_bytes()
    assert f'Pair.load("{REPO}")' in files["README.md"].decode()
    assert not hub.model(REPO).private
    assert lines[0].startswith(f"{REPO} is at {str(commit)[:7]}: {hub.endpoint}/{REPO}/commit/")


def test_pictures_beside_the_weights_are_sent_and_shown(hub: Hub, checkpoints: Path) -> None:
    (checkpoints / "ce" / "maps.png").write_bytes(b"maps of ce")
    (checkpoints / "cam" / "maps.png").write_bytes(b"maps of cam")
    (checkpoints / "cam" / "curves.png").write_bytes(b"curves of cam")
    (checkpoints / "cam" / "notes.txt").write_text("private", encoding="utf-8")
    push(checkpoints)
    files = hub.model(REPO).files
    for picture in ("ce/maps.png", "cam/maps.png", "cam/curves.png"):
        assert files[picture] == (checkpoints / picture).read_bytes()
        assert f"]({picture})" in files["README.md"].decode()
    assert "curves.png" not in files["README.md"].decode().replace("cam/curves.png", "")
    assert not [name for name in files if "notes" in name]


def test_the_card_leads_to_the_space(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints)
    assert "https://huggingface.co/spaces/user/camloss)" in hub.model(REPO).files["README.md"].decode()
    push(checkpoints, space="else/where")
    assert "https://huggingface.co/spaces/else/where)" in hub.model(REPO).files["README.md"].decode()
    with pytest.raises(CamlossError, match="'nowhere' is no name for a repository"):
        push(checkpoints, space="nowhere")


def test_the_card_installs_from_one_commit_of_the_space(hub: Hub, checkpoints: Path) -> None:
    lines: list[str] = []
    push_pair(REPO, checkpoints, log=lines.append)
    assert "pip install" not in hub.model(REPO).files["README.md"].decode()
    assert lines[-1].endswith("then push again, so that the card says what to install")
    hub.repos["space", SPACE] = Repo()
    commit = hub.space(SPACE).commit({"pyproject.toml": b""})
    push_pair(REPO, checkpoints, log=lines.append)
    installed = f'pip install "camloss[hub] @ git+https://huggingface.co/spaces/{SPACE}@{commit}"\n'
    assert installed in hub.model(REPO).files["README.md"].decode()
    assert f"[{SPACE}](https://huggingface.co/spaces/{SPACE})" in hub.model(REPO).files["README.md"].decode()
    assert "push again" not in lines[-1]


@pytest.mark.parametrize("step", ["/preupload/", "/commit/"])
def test_of_two_pushes_at_once_one_is_whole_and_the_other_is_told(hub: Hub, published: Path, step: str) -> None:
    ours, theirs = (write_pair(published.parent / name, seed) for name, seed in (("ours", 5), ("theirs", 6)))
    shutil.copytree(published / "ce", ours / "ce", dirs_exist_ok=True)  # what is as it was is not sent
    assert Pair.load(ours).variants == ("ce", "cam")
    hub.fail("POST", step, once(lambda: push(theirs)))
    with pytest.raises(CamlossError, match=rf"cannot push to {REPO}: somebody else pushed at the same time \(412\)"):
        push(ours)
    for name in (CONFIG, f"ce/{WEIGHTS}", f"cam/{WEIGHTS}"):
        assert hub.model(REPO).files[name] == (theirs / name).read_bytes()
    push(ours)
    for name in (CONFIG, f"ce/{WEIGHTS}", f"cam/{WEIGHTS}"):
        assert hub.model(REPO).files[name] == (ours / name).read_bytes()


def once(do: Callable[[], object]) -> Callable[[], None]:
    """Does it the first time that it is called; what it does asks the same Hub."""
    left = [do]

    def called() -> None:
        if left:
            left.pop()()

    return called


def test_two_processes_push_at_once(hub: Hub, published: Path) -> None:
    pairs = [write_pair(published.parent / str(seed), seed) for seed in (5, 6)]
    command = [sys.executable, str(ROOT / "scripts" / "push_to_hub.py"), REPO, "--checkpoints"]
    pushes = [subprocess.Popen([*command, str(pair)], stderr=subprocess.PIPE, text=True) for pair in pairs]
    for push_ in pushes:
        error = push_.communicate(timeout=300)[1]
        assert push_.returncode == 0 or "somebody else pushed at the same time (412); push again" in error
    weights = [[(pair / v / WEIGHTS).read_bytes() for v in ("ce", "cam")] for pair in pairs]
    assert [hub.model(REPO).files[f"{v}/{WEIGHTS}"] for v in ("ce", "cam")] in weights


@pytest.mark.parametrize(
    "tag",
    ["bad tag", "", "-v1", ".v1", "v1.", "v1.lock", "a..b", "a//b", "a/", "v1~2", "v^", "a:b", "é", "main", "x" * 101],
)
def test_a_tag_that_git_would_refuse_is_refused_before_anything_is_sent(hub: Hub, checkpoints: Path, tag: str) -> None:
    with pytest.raises(CamlossError, match="is no name for a tag; expected letters, digits") as caught:
        push(checkpoints, tag=tag)
    assert len(str(caught.value)) < 200
    assert hub.requests == []


@pytest.mark.parametrize("tag", ["v1", "1.0.0-rc.1+cpu", "release/1.0"])
def test_usual_tags_are_taken(hub: Hub, checkpoints: Path, tag: str) -> None:
    assert push(checkpoints, tag=tag) == hub.model(REPO).refs[tag]


def test_pushing_again_with_nothing_changed_makes_no_commit(hub: Hub, checkpoints: Path) -> None:
    before = push(checkpoints)
    assert push(checkpoints) == before
    assert len([request for request in hub.requests if "/commit/" in request]) == 1


def test_a_tag_names_the_commit_and_moves_to_no_other(hub: Hub, checkpoints: Path) -> None:
    commit = push(checkpoints, tag="v1")
    assert hub.model(REPO).refs["v1"] == commit
    assert push(checkpoints, tag="v1") == commit
    hub.requests.clear()
    with pytest.raises(
        CamlossError, match="has a tag v1 already, for another commit; nothing is pushed, choose another"
    ):
        push(write_pair(checkpoints, seed=5), tag="v1")
    assert not [request for request in hub.requests if "/preupload/" in request or "/commit/" in request]
    assert hub.model(REPO).refs["v1"] == hub.model(REPO).refs["main"] == commit
    push(checkpoints)
    with pytest.raises(
        CamlossError, match="has a tag v1 already, for another commit; nothing is pushed, choose another"
    ):
        push(checkpoints, tag="v1")  # nothing changed, but the tag is of an older commit


def test_a_tag_that_somebody_sets_meanwhile_is_named(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints)
    older = hub.model(REPO).refs["main"]
    hub.fail("POST", "/commit/", lambda: hub.model(REPO).refs.update(v1=older))
    with pytest.raises(CamlossError, match=f"{REPO} has a tag v1 already, for another commit; the weights are pushed"):
        push(write_pair(checkpoints, seed=5), tag="v1")


def test_a_tag_names_the_commit_that_was_pushed_whoever_commits_meanwhile(hub: Hub, checkpoints: Path) -> None:
    hub.fail("POST", f"{REPO}/tag/", lambda: hub.model(REPO).commit({"README.md": b"somebody else"}))
    commit = push(checkpoints, tag="v1")
    assert hub.model(REPO).refs["v1"] == commit != hub.model(REPO).refs["main"]


def test_a_pull_request_leaves_main_alone(hub: Hub, published: Path) -> None:
    main = hub.model(REPO).refs["main"]
    push(write_pair(published, seed=5), create_pr=True, tag="v1")
    assert hub.model(REPO).refs["main"] == main
    assert [ref.partition("/pr/")[0] for ref in hub.model(REPO).refs] == ["main", "refs"]


def test_a_private_repository(hub: Hub, checkpoints: Path) -> None:
    push(checkpoints, private=True)
    assert hub.model(REPO).private


def test_a_dry_run_lists_the_files_and_asks_nobody(hub: Hub, checkpoints: Path) -> None:
    lines: list[str] = []
    assert push_pair(REPO, checkpoints, dry_run=True, log=lines.append) is None
    size = (checkpoints / "ce" / WEIGHTS).stat().st_size
    assert lines[0] == f"{REPO} would get:"
    assert f"  {'ce/' + WEIGHTS:24} {size:>10,} bytes" in lines
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_dry_run_shows_the_pair_that_has_arrived_and_moves_nothing(checkpoints: Path) -> None:
    arrived = write_pair(checkpoints / ARRIVED, seed=5)
    before = sorted(checkpoints.rglob("*"))
    push_pair(REPO, checkpoints, dry_run=True, log=quiet)
    assert sorted(checkpoints.rglob("*")) == before
    files = published_files(checkpoints, REPO, SPACE)
    for name in (CONFIG, f"ce/{WEIGHTS}", f"cam/{WEIGHTS}"):
        assert files[name] == (arrived / name).read_bytes()
    push(checkpoints)
    assert not arrived.exists()


@pytest.mark.parametrize("storage", ["lfs", "xet"])
def test_large_files_are_sent_once(hub: Hub, checkpoints: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", storage == "lfs")
    hub.storage = storage  # type: ignore[assignment]
    commit = push(checkpoints)
    assert bool(hub.xorbs) == (storage == "xet")
    weights = {sha256(content): content for content in map(Path.read_bytes, checkpoints.glob(f"*/{WEIGHTS}"))}
    assert hub.blobs == weights
    hub.requests.clear()
    assert push(checkpoints) == commit
    assert not [request for request in hub.requests if re.search(r"^PUT|/xorbs/|/commit/", request)]
    assert same_weights(Pair.load(REPO)["ce"], load_checkpoint(checkpoints / "ce"))


def test_when_a_push_fails_readers_keep_the_old_pair(hub: Hub, published: Path) -> None:
    old = Pair.load(published)
    hub.fail("POST", f"{REPO}/commit/", 500)
    with pytest.raises(CamlossError, match=f"cannot push to {REPO}: the Hub is in trouble"):
        push(write_pair(published, seed=5))
    assert all(same_weights(model, old[variant]) for variant, model in Pair.load(REPO).models.items())


@pytest.mark.usefixtures("hub")
def test_a_card_that_the_hub_refuses(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_server.LICENSES", ("mit",))
    with pytest.raises(CamlossError, match=f'cannot push to {REPO}: Invalid metadata in README.md. "license" must be'):
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
    with pytest.raises(CamlossError, match=f"cannot create {REPO}: {hub.endpoint} cannot be reached; check the net"):
        push(checkpoints)


@pytest.mark.parametrize("name", ["camloss-mnist", "user/cam loss", "user/a--b", "a/b/c", "", "user/" + "x" * 100])
def test_names_that_the_hub_would_refuse(hub: Hub, checkpoints: Path, name: str) -> None:
    with pytest.raises(CamlossError, match="is no name for a repository; expected USER/NAME"):
        push_pair(name, checkpoints, log=quiet)
    assert hub.requests == []


def test_a_checkpoint_or_card_that_is_not_fit_is_not_sent(hub: Hub, checkpoints: Path) -> None:
    tensors, header = unpack(checkpoints / "cam" / WEIGHTS)
    header["training"]["test"] = {"accuracy": float("nan")}
    save_file(tensors, checkpoints / "cam" / WEIGHTS, metadata={HEADER_KEY: json.dumps(header)})
    with pytest.raises(CamlossError, match=r"is damaged \(.NaN. is no finite number\); fetch or train it again"):
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
    assert f"{REPO} is at {hub.model(REPO).refs['v1'][:7]}" in pushed.stdout

    (snippet,) = re.findall(r"```python\n(.*?)```", hub.model(REPO).files["README.md"].decode(), re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"\d with \d+\.\d%\ntorch.Size\(\[1, 14, 14\]\)\n", ran.stdout)


def test_the_command_ends_with_one_line_when_the_hub_refuses(hub: Hub, checkpoints: Path) -> None:
    hub.fail("POST", "/api/repos/create", 403)
    refused = script(REPO, "--checkpoints", checkpoints)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: cannot create {REPO}: the token may not do that (403)")
    assert refused.stderr.count("\n") == 1


def test_nothing_of_the_hub_is_imported_for_a_local_pair(checkpoints: Path) -> None:
    code = f"import sys; from camloss import Pair; Pair.load({str(checkpoints)!r});" + (
        "print([name for name in sys.modules if name.partition('.')[0] in ('huggingface_hub', 'httpx2', 'matplotlib')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert ran.stdout == "[]\n"
