"""The commands: `camloss NAME ...` calls `main` of the module of that name, which is imported only then."""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from camloss import cli
from camloss.errors import CamlossError

COMMANDS = {  # what each does, in one line; join-pair is the module join_pair
    "train": "train a pair: cross-entropy alone and CAM-loss, same seed, same data order",
    "demo": "draw a digit and see what both models of a pair predict, and where they look",
    "join-pair": "join finished checkpoints into a pair",
    "push": "publish a pair on the Hugging Face Hub",
    "deploy-space": "deploy the page as a Space on the Hugging Face Hub, from a checkout",
    "release": "for maintainers: put a pair into checkpoints/ and refresh everything made from it",
    "evaluate": "measure checkpoints, their maps, and how they predict the digits of unseen writers",
    "study": "train and measure the methods that CAM-loss is compared with",
    "price": "the second study: CAM-loss's benefit without its price",
    "report": "write the pages of results from the records",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its name and its flags; by default those of this process.

    Returns:
        The exit code: 0, or that of a problem that the user can solve, which stderr says in one line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return cli.exit_code(lambda: _dispatch(words))


def run() -> NoReturn:
    """`main` as a process."""
    cli.run(lambda: _dispatch(sys.argv[1:]))


def _dispatch(words: Sequence[str]) -> int | None:
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0
    name, *flags = words
    if name not in COMMANDS:
        raise CamlossError(f"there is no command {name}; expected one of {', '.join(COMMANDS)}")
    command = importlib.import_module(f"camloss.commands.{name.replace('-', '_')}")
    code: int | None = command.main(flags)
    return code


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {does}" for name, does in COMMANDS.items())
    example = "    camloss train --epochs 3"
    return "\n".join(["usage: camloss COMMAND ...", "", example, "", *lines, "", "camloss COMMAND --help says more."])
