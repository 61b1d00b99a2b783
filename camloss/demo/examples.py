"""Pictures that a pair carries to be tried on the page."""

import base64
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from camloss.demo.pairs import example_paths
from camloss.demo.safe_images import MAX_TEXT, open_picture
from camloss.demo.web_files import WebFile
from camloss.errors import CamlossError

log = logging.getLogger(__name__)

MEDIA_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class Example:
    name: str
    """Of the file below `/web/`."""
    title: str
    file: WebFile


def examples_in(folder: Path) -> list[Example]:
    """The examples of the pair in a folder; what the page would refuse when chosen is left out, with a warning."""
    found = []
    for path in example_paths(folder):
        try:
            found.append(_example(path))
        except (OSError, CamlossError) as error:
            log.warning("left out: %s (%s)", path, error)
    return found


def _example(path: Path) -> Example:
    with path.open("rb") as picture:
        content = picture.read(MAX_TEXT)  # more of it would be longer as text
    open_picture(base64.b64encode(content).decode()).decode()
    kind = path.suffix.lower()
    file = WebFile(content, MEDIA_TYPES[kind])
    return Example(f"example-{file.etag[1:-1]}{kind}", title_of(path.stem), file)


def title_of(stem: str) -> str:
    """What a file of this name shows: of "long-sleeve-2" a "long sleeve"."""
    return re.sub(r"[-_ ]+", " ", re.sub(r"[-_ ]*\d*$", "", stem) or stem)
