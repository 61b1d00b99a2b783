"""Publish both twins on the Hugging Face Hub, as USER/NAME-ce and USER/NAME-cam, each with its model card.

    hf auth login                                                 once, or set HF_TOKEN
    python scripts/push_to_hub.py USER/camloss-mnist --dry-run    what would be sent
    python scripts/push_to_hub.py USER/camloss-mnist --tag v1

When both are up, CHECKPOINTS/hub.json holds their commits and the sha256 of their weights.
"""

from pathlib import Path

import _checkout

from camloss import cli
from camloss.hub.push import push_pair


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("repo", metavar="USER/NAME", help="such as USER/camloss-mnist")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=_checkout.ROOT / "checkpoints",
        metavar="DIR",
        help="folder that holds ce/ and cam/ (default: checkpoints)",
    )
    parser.add_argument(
        "--space",
        metavar="USER/NAME",
        help="the Space that the cards link to and install the package from (default: USER/camloss)",
    )
    parser.add_argument("--private", action="store_true", help="create private repositories")
    parser.add_argument("--tag", help="name both commits, such as v1")
    parser.add_argument("--create-pr", action="store_true", help="open pull requests instead of committing")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent, send nothing")
    flags = parser.parse_args()
    push_pair(
        flags.repo,
        flags.checkpoints,
        space=flags.space,
        private=flags.private,
        tag=flags.tag,
        create_pr=flags.create_pr,
        dry_run=flags.dry_run,
    )


if __name__ == "__main__":
    cli.run(main)
