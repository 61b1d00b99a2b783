"""Pictures that a pair carries to be tried on the page."""

import re
from dataclasses import dataclass
from pathlib import Path

from camloss.demo.pairs import example_paths
from camloss.demo.web_files import WebFile

MEDIA_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class Example:
    name: str
    """Of the file below `/web/`."""
    title: str
    file: WebFile


def examples_in(folder: Path) -> list[Example]:
    """The examples of the pair in a folder."""
    return [_example(path) for path in example_paths(folder)]


def _example(path: Path) -> Example:
    kind = path.suffix.lower()
    file = WebFile(path.read_bytes(), MEDIA_TYPES[kind])
    return Example(f"example-{file.etag[1:-1]}{kind}", title_of(path.stem), file)


def title_of(stem: str) -> str:
    """What a file of this name shows: of "long-sleeve-2" a "long sleeve"."""
    return re.sub(r"[-_ ]+", " ", re.sub(r"[-_ ]*\d*$", "", stem) or stem)
