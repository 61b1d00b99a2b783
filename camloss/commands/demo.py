"""Show a pair: a page where you draw a digit and see what both networks predict and where they look.

    camloss demo                                the pair in ./checkpoints
    camloss demo --pair runs/mine               a pair in another folder
    camloss demo --pair USER/NAME               a pair on the Hugging Face Hub

GRADIO_SERVER_PORT and GRADIO_SERVER_NAME say where the page listens.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from camloss import cli, demo
from camloss.checkpoint import CONFIG
from camloss.demo import launch
from camloss.errors import CamlossError, require
from camloss.hub.pull import Published
from camloss.pair import Pair, pair_above


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "demo")
    parser.add_argument(
        "--pair",
        default=os.environ.get("CAMLOSS_CHECKPOINTS") or "checkpoints",
        metavar="PAIR",
        help="a folder, or USER/NAME on the Hub; CAMLOSS_CHECKPOINTS names another default",
    )
    parser.add_argument("--revision", help="of a pair on the Hub: a branch, tag or commit")
    flags = parser.parse_args(argv)
    require("gradio")  # the other packages come with it
    page, options = demo.build(folder_of(flags.pair, flags.revision))
    launch.run(page, options)


def folder_of(source: str, revision: str | None = None) -> Path:
    """Where a pair lies: a folder, or the place in the cache of the Hub's client to which it is loaded.

    Raises:
        CamlossError: there is no such folder, and the Hub cannot be reached or refuses.
    """
    folder = Path(source)
    if revision is None and (folder.is_dir() or len(folder.parts) != 2 or folder.parent.is_dir()):
        if folder.is_file() and (whole := pair_above(folder)):
            raise CamlossError(f"{source} is in the pair {whole}; name that folder")
        if not folder.is_dir():
            raise CamlossError(
                f"there is no folder {source}; train a pair with `camloss train`, or show one from the Hub with "
                "--pair USER/NAME"
            )
        return folder
    published = Published(source, revision)
    Pair.published(published)
    return published.file(CONFIG).parent
