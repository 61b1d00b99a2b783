"""Files of a repository on the Hugging Face Hub, all of one commit, in the cache of the Hub's client.

Nothing that arrives is believed: sizes are limited, and bytes are checked against the hash that the Hub keeps of them.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from camloss.checkpoint import CONFIG, WEIGHTS, is_folder
from camloss.errors import CamlossError, one_line
from camloss.hub.client import LARGEST_ANSWER, limited_answers
from camloss.hub.timeouts import with_stall_timeout

LARGEST = {".safetensors": 500_000_000, ".json": 1_000_000}  # bytes of a file, by the end of its name
METADATA_SECONDS = 10.0
NAME = r"[\w.-]+/[\w.-]+"
ADDRESS = rf"https?://[^/]+/({NAME})(?:/(?:tree|blob|resolve)/([^/?#]+)(?:/([^?#]*))?)?/?(?:[?#].*)?"
COMMIT, SHA256 = "[0-9a-f]{40}", "[0-9a-f]{64}"


@dataclass(frozen=True)
class PublishedFile:
    """What the Hub says of a file."""

    size: int | None
    hash: str | None
    """sha256 if it is in LFS or Xet, else git's blob id."""


class Published:
    """A repository at one commit: the one that its first file is from.

    Args:
        source: "USER/NAME", or "USER/NAME@REVISION".
        revision: a branch, tag or commit, in place of that in the source; by default main.
        from_cache: ask nobody.

    Raises:
        CamlossError: the revision is empty.
    """

    def __init__(self, source: str, revision: str | None = None, from_cache: bool = False) -> None:
        self.repo_id, at, named = source.partition("@")
        self.revision = revision if revision is not None else (named if at else None)
        if self.revision is not None and not self.revision.strip():
            raise CamlossError(
                f"the revision of {self.repo_id[:100]} is empty; name a branch, tag or commit, or leave it out"
            )
        self.from_cache = from_cache
        self.commit: str | None = None
        """40 hex digits, when a file is here."""
        self._said: dict[str, Mapping[str, PublishedFile]] = {}

    def __str__(self) -> str:
        return f"{self.repo_id} {(self.commit or '')[:7]}"

    def file(self, name: str) -> Path:
        """Fetch a file. One of a commit that is in the cache costs no request.

        Raises:
            CamlossError: the Hub cannot be reached or refuses, or the file is too large or damaged.
        """
        aside = "" if self.revision else ", which is no folder here,"
        path = with_stall_timeout(
            f"load {self.repo_id[:100]}{aside} from the Hub", lambda: self._fetch(name), loading=True
        )
        self.commit = _commit_of(path, name)
        return path

    def _fetch(self, filename: str) -> Path:
        from huggingface_hub import hf_hub_download, is_offline_mode

        name, largest = f"{self.repo_id}/{filename}", LARGEST[Path(filename).suffix]
        revision = self.commit or self.revision
        ask = not (self.from_cache or is_offline_mode() or _is_cached(self.repo_id, filename, revision))
        said = self._ask(revision).get(filename) if ask else None
        if said:
            _check_size(name, said.size or 0, largest)
        with limited_answers(max((said and said.size) or largest, LARGEST_ANSWER)):
            path = Path(hf_hub_download(self.repo_id, filename, revision=revision, local_files_only=self.from_cache))
        _check_size(name, path.stat().st_size, largest)
        if said:  # of this very commit, even if somebody pushed in between
            said = self._ask(_commit_of(path, filename)).get(filename)
        expected = (said and said.hash) or _hash_in_cache(path)
        _check_hash(name, path, expected, arrived=ask)
        if expected and not path.is_symlink():
            with suppress(OSError):  # a cache that cannot be written: the Hub is asked again
                _note_beside(path).write_text(expected, encoding="utf-8")
        return path

    def _ask(self, revision: str | None) -> Mapping[str, PublishedFile]:
        """What the Hub says of the files of a revision, and find out in seconds whether it answers at all.

        The download that follows would retry for half a minute where the Hub refuses, and for minutes where it hangs.
        """
        from huggingface_hub import HfApi

        if revision not in self._said:
            info = HfApi().model_info(self.repo_id, revision=revision, timeout=METADATA_SECONDS, files_metadata=True)
            files = files_of(info)
            self._said |= {str(info.sha): files, **({revision: files} if revision else {})}
            return files
        return self._said[str(revision)]


def _commit_of(path: Path, filename: str) -> str:
    """The commit of a file in the cache of the Hub's client, which keeps it as snapshots/COMMIT/FILENAME."""
    return path.parents[filename.count("/")].name


def _is_cached(repo_id: str, filename: str, revision: str | None) -> bool:
    """Whether the cache holds a file at this very commit, and knows its hash."""
    from huggingface_hub import try_to_load_from_cache

    if revision is None or not re.fullmatch(COMMIT, revision):
        return False
    path = try_to_load_from_cache(repo_id, filename, revision=revision)
    return isinstance(path, str) and _hash_in_cache(Path(path)) is not None


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise CamlossError(f"{name} is too large: {size:,} bytes, at most {limit:,} are taken; correct the name")


def _check_hash(name: str, path: Path, expected: str | None, arrived: bool) -> None:
    """Check bytes that have arrived, or lay in the cache: over plain HTTP the client takes any of the right length."""
    from huggingface_hub import is_offline_mode

    if expected is None:
        return  # from another program's cache without symlinks, and nobody may be asked
    actual = hash_like(expected, path.read_bytes())
    if actual == expected:
        return
    hashes = f"its hash is {actual[:12]}, published was {expected[:12]}"
    if not arrived and is_offline_mode():  # what is there now is all that there is
        raise CamlossError(f"{name} is damaged in the cache: {hashes}; unset HF_HUB_OFFLINE to fetch it again")
    with suppress(OSError):  # of a cache that cannot be written
        path.resolve().unlink()  # or the cache would serve it again
    place = "was damaged on its way" if arrived else "is damaged in the cache"
    raise CamlossError(f"{name} {place}: {hashes}; try again")


def hash_like(expected: str, content: bytes) -> str:
    """The hash by which the Hub would know this content: git's blob id where the expected one is such, else sha256."""
    git_blob_id = hashlib.sha1(b"blob %d\0" % len(content) + content)
    return (git_blob_id if len(expected) == 40 else hashlib.sha256(content)).hexdigest()


def files_of(info: Any) -> dict[str, PublishedFile]:
    """What the Hub says of the files of a revision, by path; `info` is a `ModelInfo` with metadata of files."""
    return {
        file.rfilename: PublishedFile(file.size, file.lfs.sha256 if file.lfs else file.blob_id)
        for file in info.siblings or []
    }


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


def on_the_hub(source: str | Path, revision: str | None = None) -> tuple[Published | None, str | None]:
    """The repository that a source names, or None for a folder or file, and the folder that its address names in it.

    Args:
        source: "USER/NAME", "USER/NAME@REVISION", or an address such as
            "https://huggingface.co/USER/NAME/tree/main/cam".
        revision: in place of that in the source.

    Raises:
        CamlossError: it is an address, but of no repository.
    """
    text = str(source)
    if re.match("https?:", text):
        match = re.fullmatch(ADDRESS, text)
        if not match:
            raise CamlossError(
                f"{one_line(text)} is no address of a repository; expected https://huggingface.co/USER/NAME"
            )
        repo_id, named, inside = match.groups()
        folder = re.sub(rf"(^|/)({WEIGHTS}|{CONFIG})?/?$", "", inside or "")
        return Published(repo_id, revision or (unquote(named) if named else None)), folder or None
    here = text.startswith("~") or is_folder(source)
    if here and revision is not None and Path(source).expanduser().exists() and not re.fullmatch(NAME, text):
        raise CamlossError(f"{text} is on this machine, where there are no revisions; leave out {one_line(revision)!r}")
    if text.startswith("~") or (here and revision is None and not _names_a_revision(text)):
        return None, None
    return Published(text, revision), None


def _names_a_revision(text: str) -> bool:
    """Whether it is USER/NAME@REVISION with a revision such as "refs/pr/1", and no path."""
    return re.fullmatch(rf"{NAME}@.+", text) is not None and not is_folder(text.partition("@")[0])
