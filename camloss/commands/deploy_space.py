"""Deploy the page as a Space on the Hugging Face Hub: exactly the files it needs, in one commit.

    hf auth login                                         once, or set HF_TOKEN
    camloss deploy-space USER/camloss --dry-run           what would be sent
    camloss deploy-space USER/camloss --weights USER/camloss-mnist --hardware zero-a10g

README.md becomes the Space's card: the settings in scripts/space.yaml go on its top, scripts/space.md at its end.
With --weights the page asks the Hub for that pair when it starts; without, or when the Hub fails, it shows the one that
lies in checkpoints/.
"""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camloss import cli
from camloss.checkpoint import CONFIG, WEIGHTS
from camloss.demo.pairs import example_paths, find_pairs
from camloss.demo.results import ANSWER, linked_pages
from camloss.epoch_snapshots import EPOCHS
from camloss.errors import CamlossError
from camloss.hub.messages import check_repo_id
from camloss.hub.model_card import check_space_card, metadata
from camloss.hub.push import commit_files
from camloss.hub.timeouts import with_stall_timeout
from camloss.pair import Pair, pair_files, settle_alone

ALLOWED = (
    "app.py",
    "requirements.txt",
    "LICENSE",
    "pyproject.toml",
    "setup.py",
    "camloss/**/*.py",
    "camloss/py.typed",
    *(f"camloss/demo/web/*.{kind}" for kind in ("html", "css", "js", "json", "md", "png", "wasm")),
)
OF_VARIANT = (WEIGHTS, CONFIG, EPOCHS)
README = "README.md"
SETTINGS = "scripts/space.yaml"  # what the Hub reads of a Space: its title, SDK and Python
NOTES = "scripts/space.md"  # what whoever copies the Space has to know
REQUIREMENTS = "requirements.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TOKEN = "HF_TOKEN"  # what the Hub's client reads, on the Space, too
VARIABLE = "CAMLOSS_HUB_REPO"  # what app.py reads


def main(argv: Sequence[str] | None = None) -> None:
    flags = parse_flags(argv)
    check_repo_id(flags.space)
    if not flags.dry_run:
        settle_alone(flags.root / "checkpoints")
    if flags.weights:
        check_repo_id(flags.weights)
    files = space_files(flags.root, flags.space, flags.weights)
    if flags.cpu:
        files[REQUIREMENTS] = f"--extra-index-url {CPU_INDEX}\n".encode() + files[REQUIREMENTS]
    if flags.dry_run:
        print(f"{flags.space} would get:")
        for name, content in files.items():
            print(f"  {name:40} {len(content):>10,} bytes")
        return
    deploy(flags, files)


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    from huggingface_hub import SpaceHardware

    parser = cli.Parser(__doc__, "deploy-space")
    parser.add_argument("space", metavar="USER/NAME", help="such as USER/camloss")
    parser.add_argument(
        "--weights",
        metavar="USER/NAME",
        help="what camloss push was given; sets CAMLOSS_HUB_REPO, which is removed again without it",
    )
    parser.add_argument(
        "--hardware", choices=[str(flavor.value) for flavor in SpaceHardware], help="default: what the Hub gives"
    )
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="let the Space install torch from PyTorch's CPU index, for hardware without a GPU (not tried on the Hub)",
    )
    parser.add_argument("--private", action="store_true", help="create a private Space")
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        help="copy an environment variable to the Space's secrets; repeatable",
    )
    parser.add_argument(
        "--read-token",
        metavar="NAME",
        help="for private weights: an environment variable with a token that may only read, the Space's HF_TOKEN",
    )
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the checkout to deploy")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent, send nothing")
    return parser.parse_args(argv)


def space_files(root: Path, space: str, weights: str | None) -> dict[str, bytes]:
    """What the Space holds, by path: the allowed files, what README.md shows and the pages that it links, and itself.

    Raises:
        CamlossError: a file that the page needs is missing, or the Hub would refuse the card.
    """
    require(root, "app.py", REQUIREMENTS, "LICENSE", README, SETTINGS, NOTES)
    settings, text, notes = ((root / name).read_text(encoding="utf-8") for name in (SETTINGS, README, NOTES))
    readme = f"---\n{settings}---\n\n{text}{notes}"
    named = [*named_in(readme), *results_of(root)]
    require(root, *named)
    Pair.load(root / "checkpoints")
    of_pairs = [
        file
        for place in find_pairs(root / "checkpoints").values()
        for file in (
            place / CONFIG,
            *(place / v / name for v in pair_files(place) for name in OF_VARIANT),
            *example_paths(place),
        )
    ]
    allowed = (path for pattern in ALLOWED for path in root.glob(pattern))
    paths = {path.relative_to(root) for path in (*allowed, *of_pairs) if path.is_file()}
    shown = sorted(path for path in paths if not any(part.startswith(".") for part in path.parts))
    files = {path.as_posix(): (root / path).read_bytes() for path in shown}
    files |= {name: (root / name).read_bytes() for name in named}
    files[README] = space_card(readme, space, weights).encode()
    return files


def require(root: Path, *names: str) -> None:
    if missing := [name for name in names if not (root / name).is_file()]:
        raise CamlossError(f"{root} lacks {', '.join(missing)}; the Space cannot do without")


def named_in(readme: str) -> list[str]:
    """The files of this repository that a README shows or links: pictures, its thumbnail, pages in Markdown."""
    shown = re.findall(r"!\[[^\]]*\]\(([^)\s]+)", readme) + re.findall(r'<img[^>]+src="([^"]+)"', readme)
    linked = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+\.md)[)#]", readme)
    thumbnail = metadata(readme).get("thumbnail")
    names = dict.fromkeys([*shown, *linked, *([thumbnail] if thumbnail else [])])
    return [name for name in names if "://" not in name]


def results_of(root: Path) -> list[str]:
    """The study's results, the pages that they link and their figures; nothing where they are not written."""
    docs = root / "docs"
    if not (docs / ANSWER).is_file():
        return []
    pages = [ANSWER, *linked_pages(docs / ANSWER)]
    texts = [(docs / page).read_text(encoding="utf-8") for page in pages]
    shown = [name for text in texts for name in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", text) if "://" not in name]
    return [f"docs/{name}" for name in dict.fromkeys([*pages, *shown])]


def space_card(readme: str, space: str, weights: str | None) -> str:
    """README.md with what only the deployment knows: where the picture is, and which pair is used.

    Raises:
        CamlossError: the Hub would refuse the card.
    """
    from huggingface_hub import SpaceCard, constants

    check_space_card(readme)
    card = SpaceCard(readme)
    thumbnail = card.data.get("thumbnail", "")
    if thumbnail and "://" not in thumbnail:
        card.data["thumbnail"] = f"{constants.ENDPOINT}/spaces/{space}/resolve/main/{thumbnail}"
    if weights:
        card.data["models"] = [weights]
    check_space_card(str(card))
    return str(card)


def deploy(flags: argparse.Namespace, files: Mapping[str, bytes]) -> None:
    """Create the Space if needed, set what it is told, upload; files of an earlier deployment that are gone, go."""
    from huggingface_hub import HfApi

    api, space = HfApi(), flags.space
    secrets = with_stall_timeout("look at the tokens", lambda: secrets_of(api, flags))
    exists = with_stall_timeout(f"create the Space {space}", lambda: create(api, flags))
    with_stall_timeout(f"configure the Space {space}", lambda: configure(api, flags, secrets, exists))
    there = with_stall_timeout(
        f"list the files of the Space {space}", lambda: api.list_repo_files(space, repo_type="space")
    )
    stale = set(there) - set(files) - {".gitattributes"}
    commit, url = commit_files(api, space, files, delete=tuple(sorted(stale)), repo_type="space")
    print(f"{space} is at {commit[:7]}: {url}")


def create(api: Any, flags: argparse.Namespace) -> bool:
    """Create the Space unless it exists; returns whether it did."""
    if api.repo_exists(flags.space, repo_type="space"):
        return True
    api.create_repo(
        flags.space,
        repo_type="space",
        space_sdk="gradio",
        space_hardware=flags.hardware,
        private=flags.private or None,
    )
    return False


def configure(api: Any, flags: argparse.Namespace, secrets: Mapping[str, str], exists: bool) -> None:
    """Set the Space's variable, secrets and hardware; without --weights, take back what an earlier deployment set."""
    if flags.weights:
        api.add_space_variable(flags.space, VARIABLE, flags.weights)
    elif exists and VARIABLE in api.get_space_variables(flags.space):
        api.delete_space_variable(flags.space, VARIABLE)
    for name, value in secrets.items():
        api.add_space_secret(flags.space, name, value)
    if exists and flags.hardware:
        api.request_space_hardware(flags.space, flags.hardware)


def secrets_of(api: Any, flags: argparse.Namespace) -> dict[str, str]:
    """What the Space is told in secret, by name.

    Raises:
        CamlossError: a variable is not set, or holds a token that may write: whoever changes the Space's code reads it.
    """
    from huggingface_hub import get_token

    found = {name: variable(name, f"--secret {name}") for name in flags.secret}
    for name, value in found.items():
        if name == TOKEN or value == get_token():
            raise CamlossError(
                f"--secret {name} would give the Space the token that deploys it; make one that may only read, put it "
                "into a variable of its own, and name that with --read-token"
            )
    if flags.read_token:
        value = variable(flags.read_token, f"--read-token {flags.read_token}")
        role = api.whoami(token=value).get("auth", {}).get("accessToken", {}).get("role")
        if value == get_token() or role == "write":
            raise CamlossError(
                f"the token in {flags.read_token} may write; make one that may only read, on the Hub under Settings, "
                "Access Tokens"
            )
        found[TOKEN] = value
    return found


def variable(name: str, flag: str) -> str:
    if not os.environ.get(name):
        raise CamlossError(f"the environment variable {name} is not set; set it, or leave out {flag}")
    return os.environ[name]
