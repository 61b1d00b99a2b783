"""Load one twin, or the pair, from the Hugging Face Hub; its layout is that of `camloss.hub.push` for the layout."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from camloss.checkpoint import WEIGHTS, load_weights
from camloss.digits.models import MapClassifier
from camloss.errors import CamlossError
from camloss.hub.words import one_line_errors
from camloss.twins import LAST, VARIANTS, Twins, sha256_of

PINS = "hub.json"  # beside the local checkpoints
PAIR = "pair.json"  # in the cam repository
METADATA_SECONDS = 10.0
COMMIT, SHA256 = "[0-9a-f]{40}", "[0-9a-f]{64}"


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


def load_published(repo_id: str, revision: str | None = None) -> MapClassifier:
    """Load one model from the Hub, its bytes checked against the hash under which the Hub keeps them.

    Raises:
        CamlossError: as `load_checkpoint`.
    """
    aside = "" if revision else ", which is no folder here,"
    with one_line_errors(f"load {repo_id}{aside} from the Hub"):
        ask(repo_id, WEIGHTS, revision)
        path = download(repo_id, WEIGHTS, revision)
    _verify(path, f"{repo_id}/{WEIGHTS}")
    return load_weights(path, f"{repo_id}/{WEIGHTS}")


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
    files = {}
    for variant, pin in pins.items():
        with one_line_errors(f"load {pin.repo_id} from the Hub"):
            files[variant] = download(pin.repo_id, WEIGHTS, pin.revision)
    for variant, pin in pins.items():
        _verify(files[variant], f"{pin.repo_id}/{WEIGHTS}", pin.sha256)
    return Twins.of_files(files, f"weights from the Hub, {name_of(pins)}", name_of(pins))


def find_pins(repo: str, revision: str | None = None) -> dict[str, Pin]:
    """What the pair of one push consists of.

    Raises:
        CamlossError: the Hub cannot be reached or refuses, or the repositories were not pushed as a pair.
    """
    last_id = f"{repo}-{LAST}"
    with one_line_errors(f"find the pair {repo} on the Hub"):
        ask(last_id, PAIR, revision)
        path = download(last_id, PAIR, revision)
    commit = path.parent.name  # the cache keeps files under snapshots/COMMIT
    try:
        pair = json.loads(path.read_bytes())
        commits = {variant: commit if variant == LAST else pair[variant]["revision"] for variant in VARIANTS}
        return {variant: Pin(f"{repo}-{variant}", commits[variant], pair[variant]["sha256"]) for variant in VARIANTS}
    except (ValueError, KeyError, TypeError) as error:
        raise CamlossError(f"{last_id}/{PAIR} is damaged; push both twins again") from error


def pinned(checkpoints_dir: str | Path) -> dict[str, Pin]:
    """The pins that the last push left in a folder of checkpoints; {} where there are none.

    Raises:
        CamlossError: hub.json is damaged.
    """
    path = Path(checkpoints_dir) / PINS
    if not path.is_file():
        return {}
    try:
        return {variant: Pin(**pin) for variant, pin in json.loads(path.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CamlossError(f"{path} is damaged; delete it and push again") from error


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


def _verify(path: Path, name: str, sha256: str | None = None) -> None:
    """Check the bytes of a weight file: over plain HTTP the client takes any that have the right length."""
    expected = sha256 or _hash_in_cache(path)
    if expected is not None:
        actual = _git_blob_id(path) if len(expected) == 40 else sha256_of(path)
        if actual != expected:
            path.resolve().unlink()  # or the cache would serve it again
            raise CamlossError(
                f"{name} was damaged on its way: its hash is {actual[:12]}, published was {expected[:12]}; try again"
            )


def _hash_in_cache(path: Path) -> str | None:
    """The Hub's hash of a cached file, which names the blob: sha256 if it is in LFS or Xet, else git's blob id."""
    name = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    return name if re.fullmatch(f"{COMMIT}|{SHA256}", name) else None


def _git_blob_id(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def name_of(pins: Mapping[str, Pin]) -> str:
    return f"{pins[LAST].repo_id} {pins[LAST].revision[:7]}"
