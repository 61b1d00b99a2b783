"""Ship a pair: train it, or take a finished one, put it into checkpoints/ and make anew all that is said of it.

    python scripts/release.py --alpha 10                     every flag of train.py
    python scripts/release.py --pair runs/light_cnn-alpha-10-seed-0   a pair that is trained

Runs the commands that docs/measure.md lists, in order, and prints each as it could be typed. A record in docs/records
is replaced when its command is done. What fails can be mended and gone on with by --pair. CAMLOSS_DATA_DIR names the
data of all of them.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from _checkout import ROOT

from camloss import CamlossError, cli
from camloss.commands.train import add_train_flags, chosen_config
from camloss.training.config import TrainConfig

RECORDS = Path("docs") / "records"
PENS = ("2.6", "1.8", "1.1", "0.5")  # pixels: MNIST's, ours, and some around it
STEPS: tuple[tuple[tuple[str, ...], str | None], ...] = (  # a script with its flags, and what to record it as
    (("ood_score.py", "--fit"), "ood.md"),
    (("ood_score.py", "--compare"), "ood-compare.md"),
    (("evaluate.py", "--json"), "evaluate.json"),
    (("evaluate.py", "--pens", *PENS), "pens.md"),
    (("dev/make_pictures.py",), None),
    (("tables.py",), None),
)


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--pair", type=Path, metavar="FOLDER", help="of a finished pair; without it, one is trained")
    add_train_flags(parser)
    flags = vars(parser.parse_args())
    pair = flags.pop("pair")
    if pair is None:
        pair = config_of_a_pair(flags).output_dir
        run("train.py", *sys.argv[1:])
    run("join_pair.py", str(pair))
    for words, record in STEPS:
        run(*words, record=record)


def config_of_a_pair(flags: dict[str, object]) -> TrainConfig:
    config = chosen_config(dict(flags))
    if config.dry_run or len(config.variants) < 2:
        raise CamlossError("only a whole pair can be shipped; leave out --dry-run and --variants")
    return config


def run(script: str, *flags: str, record: str | None = None) -> None:
    """One command, from the root of the checkout.

    Raises:
        CamlossError: it failed.
    """
    words = ["python", f"scripts/{script}", *flags]
    typed = shlex.join(words) + (f" > {RECORDS / record}" if record else "")
    print(typed, flush=True)
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, stdout=subprocess.PIPE if record else None, check=False
    )
    if done.returncode != 0:
        raise CamlossError(f"{typed} failed; what it printed says why")
    if record:
        (ROOT / RECORDS / record).write_bytes(done.stdout)


if __name__ == "__main__":
    cli.run(main)
