"""Load one twin, or the pair, from the Hugging Face Hub; its layout is that of `camloss.hub.push`.

Nothing that arrives is believed: sizes are limited, and bytes are checked against the hash that the Hub keeps of them.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camloss.checkpoint import WEIGHTS, load_weights
from camloss.errors import CamlossError
from camloss.hub.client import LARGEST_ANSWER, limited_answers
from camloss.hub.timeouts import STEP, GivenUpError, Progress, hang_up, patiently
from camloss.models import MapClassifier
from camloss.pair import LAST, VARIANTS, Pair, sha256_of

PINS = "hub.json"  # beside the local checkpoints
PAIR = "pair.json"  # in the cam repository
LARGEST = {WEIGHTS: 500_000_000, PAIR: 10_000}  # bytes
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
    """Load one model from the Hub.

    Raises:
        CamlossError: as `load_checkpoint`.
    """
    aside = "" if revision else ", which is no folder here,"
    path = fetch(repo_id, WEIGHTS, revision, f"load {repo_id[:100]}{aside} from the Hub")
    return load_weights(path, f"{repo_id}/{WEIGHTS}")


def load_pair(repo: str, revision: str | None = None) -> Pair:
    """Load the twins of one push from `repo`-ce and `repo`-cam, their bytes checked against the pins in pair.json.

    Args:
        repo: "USER/NAME".
        revision: branch, tag or commit of the cam repository.

    Raises:
        CamlossError: as `load_checkpoint`; also if the repositories were not pushed as a pair.
    """
    return load_pins(find_pins(repo, revision))


def load_pins(pins: Mapping[str, Pin], from_cache: bool = False) -> Pair:
    """Load the twins that `find_pins` found; errors as `load_pair`."""
    files = {
        variant: fetch(pin.repo_id, WEIGHTS, pin.revision, f"load {pin.repo_id} from the Hub", from_cache)
        for variant, pin in pins.items()
    }
    for variant, pin in pins.items():
        actual = sha256_of(files[variant])
        if actual != pin.sha256:
            raise CamlossError(
                f"{pin.repo_id}/{WEIGHTS} is not what {PAIR} pins: its hash is {actual[:12]}, pinned is "
                f"{pin.sha256[:12]}; push both twins again"
            )
    return Pair.of_files(files, f"weights from the Hub, {name_of(pins)}", name_of(pins))


def find_pins(repo: str, revision: str | None = None, from_cache: bool = False) -> dict[str, Pin]:
    """What the pair of one push consists of.

    Args:
        repo, revision: as for `load_pair`.
        from_cache: ask nobody.

    Raises:
        CamlossError: the Hub cannot be reached or refuses, or the repositories were not pushed as a pair.
    """
    path = fetch(f"{repo}-{LAST}", PAIR, revision, f"find the pair {repo[:100]} on the Hub", from_cache)
    return pins_in(path.read_bytes(), repo, commit_of(path))


def pins_in(content: bytes, repo: str, commit: str) -> dict[str, Pin]:
    """What pair.json says, as it lies in that commit of the cam repository.

    Raises:
        CamlossError: it is damaged.
    """
    try:
        pair = json.loads(content)
        commits = {variant: commit if variant == LAST else pair[variant]["revision"] for variant in VARIANTS}
        return {variant: Pin(f"{repo}-{variant}", commits[variant], pair[variant]["sha256"]) for variant in VARIANTS}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise CamlossError(f"{repo}-{LAST}/{PAIR} is damaged; push both twins again") from error


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
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CamlossError(f"{path} is damaged; delete it and push again") from error


def fetch(repo_id: str, filename: str, revision: str | None, what: str, from_cache: bool = False) -> Path:
    """One file of a model repository, in the cache of the Hub's client, its bytes checked.

    A commit that is in the cache costs no request.

    Args:
        repo_id, filename, revision: of a file in `LARGEST`.
        what: what errors say was tried.
        from_cache: ask nobody.

    Raises:
        CamlossError: the Hub cannot be reached or refuses, or the file is too large or damaged.
    """
    return patiently(what, lambda progress: _fetch(repo_id, filename, revision, from_cache, progress), loading=True)


def _fetch(repo_id: str, filename: str, revision: str | None, from_cache: bool, progress: Progress) -> Path:
    from huggingface_hub import constants, hf_hub_download, is_offline_mode

    constants.DOWNLOAD_CHUNK_SIZE = min(constants.DOWNLOAD_CHUNK_SIZE, STEP)  # it tells of progress once a chunk
    name, limit = f"{repo_id}/{filename}", LARGEST[filename]
    ask = not (from_cache or is_offline_mode() or _is_cached(repo_id, filename, revision))
    published = _published(repo_id, filename, revision) if ask else None
    if published and published.size is not None:
        _check_size(name, published.size, limit)
        limit = published.size
    with limited_answers(max(limit, LARGEST_ANSWER)):  # the bar below knows the file's own
        path = Path(
            hf_hub_download(
                repo_id,
                filename,
                revision=revision,
                local_files_only=from_cache,
                tqdm_class=_bar(lambda size: _check_size(name, size, limit), progress),
            )
        )
    if published and commit_of(path) != published.commit:  # somebody pushed in between
        published = _published(repo_id, filename, commit_of(path))
    _check_size(name, path.stat().st_size, LARGEST[filename])
    expected = (published and published.hash) or _hash_in_cache(path)
    _check_hash(name, path, expected)
    if expected and not path.is_symlink():
        with suppress(OSError):  # a cache that cannot be written: the Hub is asked again
            _note_beside(path).write_text(expected, encoding="utf-8")
    return path


def commit_of(path: Path) -> str:
    """The commit of a file in the cache of the Hub's client, which keeps it under snapshots/COMMIT."""
    return path.parent.name


@dataclass(frozen=True)
class _Published:
    """What the Hub says of a file."""

    commit: str
    size: int | None
    hash: str | None
    """sha256 if it is in LFS or Xet, else git's blob id."""


def _published(repo_id: str, filename: str, revision: str | None) -> _Published:
    """Ask the Hub about a file, and find out in seconds whether it answers at all.

    The download that follows would retry for half a minute where the Hub refuses, and for minutes where it hangs.
    """
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo_id, revision=revision, timeout=METADATA_SECONDS, files_metadata=True)
    for file in info.siblings or []:
        if file.rfilename == filename:
            return _Published(str(info.sha), file.size, file.lfs.sha256 if file.lfs else file.blob_id)
    return _Published(str(info.sha), None, None)


def _is_cached(repo_id: str, filename: str, revision: str | None) -> bool:
    """Whether the cache holds a file at this very commit, and knows its hash."""
    from huggingface_hub import try_to_load_from_cache

    if revision is None or not re.fullmatch(COMMIT, revision):
        return False
    path = try_to_load_from_cache(repo_id, filename, revision=revision)
    return isinstance(path, str) and _hash_in_cache(Path(path)) is not None


def _bar(check_size: Callable[[int], None], progress: Progress) -> type[Any]:
    """The client's own progress bar, which stops a download that is too large or that nobody waits for any more.

    Xet's client tells of the file in `update` and of the network in `update_transfer`. It prints what these raise, and
    goes on: it is hung up on instead.
    """
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
            self.arrived = int(kwargs.get("initial") or 0)
            self.is_xet = progress.by_xet = kwargs.get("name") == "huggingface_hub.xet_get"
            check_size(int(kwargs.get("total") or 0))
            progress.received(0)

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += int(n or 0)
            self.note(int(n or 0))
            return super().update(n)

        def update_transfer(self, n: float) -> None:
            self.note(int(n))

        def set_transfer_postfix_str(self, *_: object, **__: object) -> None:
            pass

        def note(self, count: int) -> None:
            try:
                progress.received(count)
                check_size(self.arrived)
            except (CamlossError, GivenUpError) as error:
                if not self.is_xet:
                    raise
                progress.problem = error
                hang_up()

    return Bar


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise CamlossError(f"{name} is too large: {size:,} bytes, at most {limit:,} are taken; correct the name")


def _check_hash(name: str, path: Path, expected: str | None) -> None:
    """Check bytes that have arrived: over plain HTTP the client takes any that have the right length."""
    if expected is None:
        return  # from another program's cache without symlinks, and nobody may be asked
    actual = _git_blob_id(path) if len(expected) == 40 else sha256_of(path)
    if actual != expected:
        with suppress(OSError):  # of a cache that cannot be written
            path.resolve().unlink()  # or the cache would serve it again
        raise CamlossError(
            f"{name} was damaged on its way: its hash is {actual[:12]}, published was {expected[:12]}; try again"
        )


def _hash_in_cache(path: Path) -> str | None:
    """The Hub's hash of a cached file: the name of the blob that a symlink leads to, or what we noted beside it."""
    name = ""
    if path.is_symlink():
        name = os.path.basename(os.readlink(path))
    elif _note_beside(path).is_file():
        name = _note_beside(path).read_text(encoding="utf-8", errors="replace")
    return name if re.fullmatch(f"{COMMIT}|{SHA256}", name) else None


def _note_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.hash")


def _git_blob_id(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def name_of(pins: Mapping[str, Pin]) -> str:
    return f"{pins[LAST].repo_id} {pins[LAST].revision[:7]}"
