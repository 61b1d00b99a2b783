"""Publish a pair on the Hugging Face Hub, as one repository with a model card, in one commit.

    hf auth login                                once, or set HF_TOKEN
    camloss push USER/camloss-mnist --dry-run    what would be sent
    camloss push USER/camloss-mnist --tag v1

The repository holds the same files as the folder of the pair.
"""

from collections.abc import Sequence
from pathlib import Path

from camloss import cli
from camloss.hub.push import push_pair


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "push")
    parser.add_argument("repo", metavar="USER/NAME", help="such as USER/camloss-mnist")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="folder that holds the pair",
    )
    parser.add_argument(
        "--space",
        metavar="USER/NAME",
        help="the Space that the card links to, and from which it installs the package (default: USER/camloss)",
    )
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument("--tag", help="name the commit, such as v1")
    parser.add_argument("--create-pr", action="store_true", help="open a pull request instead of committing")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent, send nothing")
    flags = parser.parse_args(argv)
    push_pair(
        flags.repo,
        flags.checkpoints,
        space=flags.space,
        private=flags.private,
        tag=flags.tag,
        create_pr=flags.create_pr,
        dry_run=flags.dry_run,
    )
