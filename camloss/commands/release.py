"""Release a pair: train it or take a finished one, put it into checkpoints/ and refresh everything made from it.

    camloss release --variants ce cam virtual-canvas alpha-0_3 alpha-1 alpha-3 alpha-30
                                                            every flag of camloss train
    camloss release --pair runs/light_cnn-alpha-10-seed-0   a pair that is trained

Works in a checkout. Runs the commands that docs/measure.md lists, in order, and prints each as you could type it. A
record in docs/records is replaced when its command is done. Mend what fails and go on with --pair. CAMLOSS_DATA_DIR
names the data of all of them.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from camloss import cli
from camloss.commands.train import add_train_flags, chosen_config
from camloss.errors import CamlossError
from camloss.losses import PAIR
from camloss.training.config import TrainConfig

RECORDS = Path("docs") / "records"
STEPS: tuple[tuple[tuple[str, ...], str | None], ...] = (  # a script with its flags, and what to record it as
    (("evaluate.py", *(f"checkpoints/{variant}" for variant in PAIR), "--ood", "--json"), "evaluate.json"),
    (("price.py", "--pair", "checkpoints"), None),
    (("dev/choose_opening.py",), None),
    (("dev/make_pictures.py",), None),
    (("dev/make_animation.py",), "animation.md"),
    (("report.py",), None),
)


def main(argv: Sequence[str] | None = None) -> None:
    words = list(sys.argv[1:] if argv is None else argv)
    parser = cli.Parser(__doc__, "release")
    parser.add_argument("--pair", type=Path, metavar="FOLDER", help="of a finished pair; without it, one is trained")
    add_train_flags(parser)
    flags = vars(parser.parse_args(words))
    pair = flags.pop("pair")
    if not Path("scripts", "dev").is_dir():
        raise CamlossError("there is no checkout here; clone the repository, and run this in its folder")
    if pair is None:
        pair = config_of_a_pair(flags).output_dir
        run("train.py", *words)
    run("join_pair.py", str(pair))
    for step, record in STEPS:
        run(*step, record=record)


def config_of_a_pair(flags: dict[str, object]) -> TrainConfig:
    config = chosen_config(dict(flags))
    if config.dry_run or len(config.variants) < 2:
        raise CamlossError("only a whole pair can be released; leave out --dry-run and --variants")
    return config


def run(script: str, *flags: str, record: str | None = None) -> None:
    """One script of the checkout.

    Raises:
        CamlossError: it failed.
    """
    words = ["python", f"scripts/{script}", *flags]
    typed = shlex.join(words) + (f" > {RECORDS / record}" if record else "")
    print(typed, flush=True)
    done = subprocess.run([sys.executable, *words[1:]], stdout=subprocess.PIPE if record else None, check=False)
    if done.returncode != 0:
        raise CamlossError(f"{typed} failed; what it printed says why")
    if record:
        (RECORDS / record).write_bytes(done.stdout)
