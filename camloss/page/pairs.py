"""The pairs of checkpoints in a folder."""

import json
from pathlib import Path

from camloss.checkpoint import CONFIG, WEIGHTS
from camloss.errors import CamlossError
from camloss.twins import TWINS


def find_pairs(folder: Path) -> dict[str, Path]:
    """The pairs in a folder of checkpoints, by arch: its own `ce` and `cam` first, then those of its subfolders.

    Raises:
        CamlossError: there is none.
    """
    places = [folder, *sorted(path for path in folder.glob("*") if path.name not in TWINS)]
    pairs: dict[str, Path] = {}
    for place in places:
        if all((place / variant / WEIGHTS).is_file() for variant in TWINS):
            pairs.setdefault(json.loads((place / "ce" / CONFIG).read_text())["arch"], place)
    if not pairs:
        raise CamlossError(f"no pair of checkpoints in {folder}; train one with: python scripts/train.py")
    return pairs
