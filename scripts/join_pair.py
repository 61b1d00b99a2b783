"""Join two finished checkpoints of equal config into a pair and put it, in one step, into checkpoints/.

    python scripts/join_pair.py runs/light_cnn-seed-0/ce runs/light_cnn-seed-0/cam

A pair that one training made keeps the id of that training; two checkpoints that were trained apart get one in common.
Twins whose arch, number of classes, precision or config differ in anything but the loss are refused.
"""

import hashlib
import shutil
from pathlib import Path

import _checkout

from camloss import cli
from camloss.checkpoint import WEIGHTS, load_weights, read_header, save_checkpoint
from camloss.hub.card import pictures_in, write_card
from camloss.snapshots import read_snapshots, save_snapshots
from camloss.twins import VARIANTS, alone_in, compare_twins, put_pair, sha256_of


def main() -> None:
    parser = cli.Parser(__doc__)
    for variant in VARIANTS:
        parser.add_argument(variant, type=Path, metavar=variant.upper(), help=f"folder of the {variant} checkpoint")
    parser.add_argument(
        "--into", type=Path, default=_checkout.ROOT / "checkpoints", metavar="DIR", help="default: checkpoints"
    )
    flags = parser.parse_args()
    sources: dict[str, Path] = {variant: getattr(flags, variant) for variant in VARIANTS}
    run = join(sources, flags.into)
    print(f"{flags.into} holds the pair of training {run}")


def join(sources: dict[str, Path], into: Path) -> str:
    """Make one checkpoint of each variant the pair of a folder; returns the id that they share.

    Raises:
        CamlossError: a checkpoint is missing or damaged, or the two could not come from one training.
    """
    headers = {variant: read_header(source / WEIGHTS) for variant, source in sources.items()}
    compare_twins(headers, " and ".join(map(str, sources.values())))
    ids = {headers[variant]["training"].get("run") for variant in VARIANTS}
    run = ids.pop() if len(ids) == 1 and None not in ids else id_of(sources)
    with alone_in(into):
        staged = into / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        for variant, source in sources.items():
            training = {"variant": variant, "run": run, **headers[variant]["training"]}
            model = load_weights(source / WEIGHTS)
            directory = save_checkpoint(model, staged / variant, {**training, "run": run})
            if snapshots := read_snapshots(source, training["run"]):
                save_snapshots(snapshots, directory, run)
            write_card(directory, f"{into.name}/{variant}", pictures_in(source))
        put_pair(staged, into)
    return run


def id_of(sources: dict[str, Path]) -> str:
    """An id made of the weights, so that joining the same two again gives the same pair."""
    digests = "".join(sha256_of(source / WEIGHTS) for source in sources.values())
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


if __name__ == "__main__":
    cli.run(main)
