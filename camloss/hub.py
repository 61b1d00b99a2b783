"""The Hugging Face Hub: publish the twins, load one of them, or load the pair that belongs together.

    USER/NAME-ce     model.safetensors, config.json, training.json, README.md, pictures
    USER/NAME-cam    the same, and pair.json: the commit of the other, and the sha256 of both weight files

The cam repository is written last. One commit of it therefore stands for a whole pair, and a push that stops half-way
leaves readers with the previous pair.
"""

import dataclasses
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from camloss.card import PICTURES, check_model_card
from camloss.checkpoint import (
    CARD,
    WEIGHTS,
    companions,
    load_checkpoint,
    load_weights,
    to_json,
    unpack,
    write_atomically,
)
from camloss.errors import CamlossError
from camloss.models import MapClassifier

TWINS = ("ce", "cam")  # in the order of pushing
PINS = "hub.json"  # beside the local checkpoints
PAIR = "pair.json"  # in the cam repository
METADATA_SECONDS = 10.0
COMMIT, SHA256 = "[0-9a-f]{40}", "[0-9a-f]{64}"

T = TypeVar("T")


@dataclass(frozen=True)
class Pin:
    """One exact file of weights on the Hub."""

    repo_id: str
    revision: str
    """The commit, 40 hex digits."""
    sha256: str
    """Of `model.safetensors`, 64 hex digits."""

    def __post_init__(self) -> None:
        if not (re.fullmatch(COMMIT, self.revision) and re.fullmatch(SHA256, self.sha256)):
            raise ValueError(f"{self.repo_id} is not pinned by a commit and a sha256")


@dataclass(frozen=True)
class Twins:
    """Two models to compare, and one line that says where they come from."""

    ce: MapClassifier
    cam: MapClassifier
    source: str

    def __post_init__(self) -> None:
        for model in (self.ce, self.cam):
            model.to(memory_format=torch.channels_last)  # in which convolutions on a CPU are faster


def push_pair(
    repo: str,
    checkpoints_dir: str | Path = "checkpoints",
    *,
    private: bool = False,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    log: Callable[[str], None] = print,
) -> dict[str, Pin]:
    """Publish both twins as `repo`-ce and `repo`-cam; nothing that has not changed is sent or committed again.

    After both uploads, `checkpoints_dir/hub.json` holds what is returned; until then it stays as it was. A pull request
    is not published yet, so it leaves no pins.

    Args:
        repo: "USER/NAME".
        checkpoints_dir: the folder that holds ce/ and cam/.
        private: create the repositories private; existing ones stay as they are.
        tag: name both commits; a tag of that name must not stand for another commit.
        create_pr: open pull requests instead of committing to main.
        dry_run: only say what would be sent.
        log: receives lines about what is done.

    Returns:
        The pins by twin; {} for a dry run or a pull request.

    Raises:
        CamlossError: a checkpoint or its card is not fit to publish, or the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo)
    checkpoints_dir = Path(checkpoints_dir)
    repo_ids = {twin: f"{repo}-{twin}" for twin in TWINS}
    files = {
        twin: published_files(checkpoints_dir / twin, repo_ids[twin], repo_ids[other])
        for twin, other in zip(TWINS, reversed(TWINS), strict=True)
    }
    digests = {twin: hashlib.sha256(files[twin][WEIGHTS]).hexdigest() for twin in TWINS}
    if dry_run:
        for twin in TWINS:
            log(f"{repo_ids[twin]} would get:")
            for name, content in files[twin].items():
                log(f"  {name:20} {len(content):>10,} bytes")
        return {}

    api = HfApi()
    for twin in TWINS:
        with explained(f"create {repo_ids[twin]}"):
            api.create_repo(repo_ids[twin], private=private or None, exist_ok=True)

    commits: dict[str, str] = {}
    for twin in TWINS:
        if twin == "cam":
            pair = {"ce": {"revision": commits["ce"], "sha256": digests["ce"]}, "cam": {"sha256": digests["cam"]}}
            files["cam"][PAIR] = to_json(pair)
        with explained(f"push to {repo_ids[twin]}"):
            commits[twin], url = commit_files(api, repo_ids[twin], files[twin], create_pr=create_pr)
        log(f"{repo_ids[twin]} is at {commits[twin][:7]}: {url}")
    if create_pr:
        return {}

    pins = {twin: Pin(repo_ids[twin], commits[twin], digests[twin]) for twin in TWINS}
    write_atomically(checkpoints_dir / PINS, to_json({twin: dataclasses.asdict(pin) for twin, pin in pins.items()}))
    log(f"both are pinned in {checkpoints_dir / PINS}")
    if tag is not None:
        for pin in pins.values():
            with explained(f"tag {pin.repo_id} {tag}"):
                _tag(api, pin, tag)
    return pins


def published_files(directory: Path, repo_id: str, twin_id: str) -> dict[str, bytes]:
    """What one twin's repository holds, by file name, made from the weight file and the pictures beside it.

    Raises:
        CamlossError: the checkpoint does not load, or the Hub would refuse its card.
    """
    load_checkpoint(directory)
    facts = unpack(directory / WEIGHTS)[1]
    pictures = {name: (directory / name).read_bytes() for name in PICTURES if (directory / name).is_file()}
    beside = companions(facts["config"], facts.get("training", {}), repo_id, twin_id, pictures)
    check_model_card(beside[CARD].decode())
    return {WEIGHTS: (directory / WEIGHTS).read_bytes(), **beside}


def commit_files(
    api: Any,
    repo_id: str,
    files: Mapping[str, bytes],
    *,
    delete: tuple[str, ...] = (),
    repo_type: str = "model",
    create_pr: bool = False,
) -> tuple[str, str]:
    """Write and delete files of a repository in one commit, or in none if nothing changed.

    Returns:
        The repository's newest commit, and a URL that shows it or the pull request.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    info = api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in delete),
        ],
        commit_message="Upload with camloss",
        repo_type=repo_type,
        create_pr=create_pr,
    )
    return str(info.oid), str(info.pr_url or info.commit_url)


def _tag(api: Any, pin: Pin, tag: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_tag(pin.repo_id, tag=tag, revision=pin.revision)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        if api.model_info(pin.repo_id, revision=tag).sha != pin.revision:
            raise CamlossError(
                f"{pin.repo_id} has a tag {tag} already, for another commit; the weights are pushed, choose another tag"
            ) from error


def load_published(repo_id: str, revision: str | None = None) -> MapClassifier:
    """Load one model from the Hub, its bytes checked against the hash under which the Hub keeps them.

    Raises:
        CamlossError: as `load_checkpoint`.
    """
    aside = "" if revision else ", which is no folder here,"
    with explained(f"load {repo_id}{aside} from the Hub"):
        ask(repo_id, WEIGHTS, revision)
        path = download(repo_id, WEIGHTS, revision)
    return _load_verified(path, f"{repo_id}/{WEIGHTS}")


def load_pair(repo: str, revision: str | None = None) -> Twins:
    """Load the twins of one push from `repo`-ce and `repo`-cam, their bytes checked against the pins in pair.json.

    Args:
        repo: "USER/NAME".
        revision: branch, tag or commit of the cam repository.

    Raises:
        CamlossError: as `load_checkpoint`; also if the repositories were not pushed as a pair.
    """
    return load_pins(find_pins(repo, revision))


def load_pins(pins: Mapping[str, Pin]) -> Twins:
    """Load the twins that `find_pins` found; errors as `load_pair`."""
    paths = {}
    for twin, pin in pins.items():
        with explained(f"load {pin.repo_id} from the Hub"):
            paths[twin] = download(pin.repo_id, WEIGHTS, pin.revision)
    ce, cam = (_load_verified(paths[twin], f"{pins[twin].repo_id}/{WEIGHTS}", pins[twin].sha256) for twin in TWINS)
    return Twins(ce, cam, f"weights from the Hub, {_name(pins)}")


def find_pins(repo: str, revision: str | None = None) -> dict[str, Pin]:
    """What the pair of one push consists of.

    Raises:
        CamlossError: the Hub cannot be reached or refuses, or the repositories were not pushed as a pair.
    """
    cam_id = f"{repo}-cam"
    with explained(f"find the pair {repo} on the Hub"):
        ask(cam_id, PAIR, revision)
        path = download(cam_id, PAIR, revision)
    commit = path.parent.name  # the cache keeps files under snapshots/COMMIT
    try:
        pair = json.loads(path.read_bytes())
        return {
            "ce": Pin(f"{repo}-ce", pair["ce"]["revision"], pair["ce"]["sha256"]),
            "cam": Pin(cam_id, commit, pair["cam"]["sha256"]),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise CamlossError(f"{cam_id}/{PAIR} is damaged; push both twins again") from error


def bundled_twins(checkpoints_dir: str | Path = "checkpoints") -> Twins:
    """The twins in a local folder.

    Raises:
        CamlossError: as `load_checkpoint`.
    """
    directory = Path(checkpoints_dir)
    ce, cam = (load_checkpoint(directory / twin) for twin in TWINS)
    return Twins(ce, cam, f"bundled weights, sha256 {_sha256(directory / 'cam' / WEIGHTS)[:7]}")


def newest_twins(
    bundled: Twins,
    repo: str,
    revision: str | None = None,
    checkpoints_dir: str | Path = "checkpoints",
    seconds: float = 60.0,
) -> Twins:
    """The pair on the Hub if it is newer than the bundled one; else the bundled one, and in its source the reason.

    It never raises and never takes longer than `seconds`, so that a page goes on whatever happens to the Hub. Newer is
    every pair that differs, except the one that was pushed from `checkpoints_dir`: weights that differ from that were
    trained since. A revision that is asked for is always taken.

    Args:
        bundled: what `bundled_twins(checkpoints_dir)` gave.
        repo, revision: as for `load_pair`.
        checkpoints_dir: where the bundled twins, and hub.json, lie.
        seconds: how long the whole may take.
    """
    directory = Path(checkpoints_dir)

    def look() -> Twins:
        pins = find_pins(repo, revision)
        if all(pins[twin].sha256 == _sha256(directory / twin / WEIGHTS) for twin in TWINS):
            return dataclasses.replace(bundled, source=f"{bundled.source}, same as {_name(pins)}")
        if revision is None and pins == pinned(directory):
            return dataclasses.replace(bundled, source=f"{bundled.source}, newer than {_name(pins)}")
        return load_pins(pins)

    try:
        return within(seconds, look)
    except Exception as error:  # whatever it is, the page is better off with weights than without
        reason = str(error) if isinstance(error, CamlossError) else f"{type(error).__name__} while loading {repo}"
        return dataclasses.replace(bundled, source=f"{bundled.source} ({reason})")


def follow_hub(
    bundled: Twins, checkpoints_dir: str | Path = "checkpoints", repo: str | None = None, revision: str | None = None
) -> Callable[[], Twins]:
    """For a page that starts at once: what to show now. These are the bundled twins until the Hub's are here.

    Args:
        bundled: what `bundled_twins(checkpoints_dir)` gave.
        checkpoints_dir, repo, revision: as for `newest_twins`; without a repo the Hub is not asked.

    Returns:
        A function that gives the twins to show at this moment.
    """
    if not repo:
        return lambda: bundled
    shown = [dataclasses.replace(bundled, source=f"{bundled.source} (asking the Hub for {repo})")]

    def ask_hub() -> None:
        shown[0] = newest_twins(bundled, repo, revision or None, checkpoints_dir)

    threading.Thread(target=ask_hub, daemon=True).start()
    return lambda: shown[0]


def pinned(checkpoints_dir: str | Path) -> dict[str, Pin]:
    """The pins that the last push left in a folder of checkpoints; {} where there are none.

    Raises:
        CamlossError: hub.json is damaged.
    """
    path = Path(checkpoints_dir) / PINS
    if not path.is_file():
        return {}
    try:
        return {twin: Pin(**pin) for twin, pin in json.loads(path.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CamlossError(f"{path} is damaged; delete it and push again") from error


def _name(pins: Mapping[str, Pin]) -> str:
    return f"{pins['cam'].repo_id} {pins['cam'].revision[:7]}"


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do some work in a thread that is left behind if it takes too long.

    Raises:
        CamlossError: it took too long; else whatever `work` raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # for the thread that waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    wait([future], seconds)
    if not future.done():
        raise CamlossError(f"the Hub was not done after {seconds:g} s; try again later")
    return future.result()


def ask(repo_id: str, filename: str, revision: str | None) -> None:
    """Find out in seconds whether the Hub answers and knows a revision; no request for a commit that is cached.

    The download that follows would retry for half a minute where the Hub refuses, and for minutes where it hangs.
    Raises what the Hub's client raises.
    """
    from huggingface_hub import HfApi, is_offline_mode, try_to_load_from_cache

    is_commit = revision is not None and re.fullmatch(COMMIT, revision)
    is_cached = is_commit and isinstance(try_to_load_from_cache(repo_id, filename, revision=revision), str)
    if not is_cached and not is_offline_mode():
        HfApi().model_info(repo_id, revision=revision, timeout=METADATA_SECONDS)


def download(repo_id: str, filename: str, revision: str | None) -> Path:
    """One file of a model repository, in the client's cache. Raises what the Hub's client raises."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo_id, filename, revision=revision))


def _load_verified(path: Path, name: str, sha256: str | None = None) -> MapClassifier:
    """Load weights after checking their bytes: over plain HTTP the client takes any that have the right length."""
    expected = sha256 or _hash_in_cache(path)
    if expected is not None:
        actual = _git_blob_id(path) if len(expected) == 40 else _sha256(path)
        if actual != expected:
            path.resolve().unlink()  # or the cache would serve it again
            raise CamlossError(
                f"{name} was damaged on its way: its hash is {actual[:12]}, published was {expected[:12]}; try again"
            )
    return load_weights(path, name)


def _hash_in_cache(path: Path) -> str | None:
    """The Hub's hash of a cached file, which names the blob: sha256 if it is in LFS or Xet, else git's blob id."""
    name = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    return name if re.fullmatch(f"{COMMIT}|{SHA256}", name) else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git_blob_id(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def check_repo_id(repo_id: str) -> None:
    """Raises CamlossError unless it is USER/NAME, spelled as the Hub allows."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(f"{repo_id}-cam")
        if "/" not in repo_id:
            raise HFValidationError("the user is missing")
    except HFValidationError as error:
        raise CamlossError(
            f"{repo_id!r} is no name for a repository; expected USER/NAME of letters, digits, '-', '_' and '.'"
        ) from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one line that says what failed, why, and what to do.

    Args:
        what: what was tried, such as "push to user/name".
    """
    import httpx2
    from huggingface_hub.errors import EntryNotFoundError, XetDownloadError

    try:
        yield
    except CamlossError:
        raise
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, EntryNotFoundError, XetDownloadError) as error:
        raise CamlossError(f"cannot {what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    import httpx2
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    endpoint, offline = constants.ENDPOINT, "set HF_HUB_OFFLINE=1 to use what is in the cache"
    reasons: dict[type[BaseException], str] = {  # the first that fits
        errors.RevisionNotFoundError: "there is no such revision; look for its name on the repository's page",
        errors.RemoteEntryNotFoundError: "the repository has no such file; push both twins with scripts/push_to_hub.py",
        errors.HfHubHTTPError: _status_reason(error),
        errors.HFValidationError: "a repository's name is USER/NAME, of letters, digits, '-', '_' and '.'",
        errors.LocalTokenNotFoundError: "there is no token; run `hf auth login` or set HF_TOKEN",
        errors.OfflineModeIsEnabled: "it is not in the cache, and HF_HUB_OFFLINE is set; unset it",
        errors.LocalEntryNotFoundError: "it is not in the cache; connect to a network",
        httpx2.TimeoutException: f"{endpoint} does not answer; try again later, or {offline}",
        httpx2.ConnectError: f"{endpoint} cannot be reached; check the network, or {offline}",
        httpx2.HTTPError: f"the connection to {endpoint} broke off; try again",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; free space, or let HF_HOME name another folder"
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{first_line.rstrip('.')}; try again"


def _status_reason(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is None:
        return ""
    status = response.status_code
    if status == 401 and "authorization" in response.request.headers:
        return "the Hub does not accept the token (401); run `hf auth login` or correct HF_TOKEN"
    if status >= 500:
        return f"the Hub is in trouble ({status}); try again later, or set HF_HUB_OFFLINE=1 to use what is in the cache"
    return STATUS_REASONS.get(status, f"the Hub refuses ({status})")


STATUS_REASONS = {
    401: "the Hub wants a token (401); run `hf auth login` or set HF_TOKEN, or correct the name",
    402: "the Hub wants payment (402): on a free account a Gradio Space runs on ZeroGPU only; "
    "add --hardware zero-a10g, or upgrade the account",
    403: "the token may not do that (403); make one that may write there, on the Hub under Settings, Access Tokens",
    404: "there is no such repository, or it is private (404); correct the name or run `hf auth login`",
    409: "it exists, or somebody else is changing it (409); try again or choose another name",
    429: "too many requests (429); wait a few minutes",
}
