"""Show a pair: a page where you draw a digit and see what both networks predict and where they look.

    camloss demo                                the pair in ./checkpoints
    camloss demo --pair runs/light_cnn-seed-0   a pair in another folder
    camloss demo --pair USER/NAME               a pair on the Hugging Face Hub

GRADIO_SERVER_PORT and GRADIO_SERVER_NAME say where the page listens.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from camloss import cli, demo
from camloss.demo import launch
from camloss.errors import require


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "demo")
    parser.add_argument(
        "--pair",
        default=os.environ.get("CAMLOSS_CHECKPOINTS") or "checkpoints",
        metavar="PAIR",
        help="a folder, or USER/NAME on the Hub (default: what CAMLOSS_CHECKPOINTS names, else checkpoints)",
    )
    parser.add_argument("--revision", help="of a pair on the Hub: a branch, tag or commit")
    flags = parser.parse_args(argv)
    require("gradio")  # the other packages come with it
    page, options = demo.build(Path(flags.pair))
    launch.run(page, options)
