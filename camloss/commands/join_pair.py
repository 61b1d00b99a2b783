"""Join two finished checkpoints of equal config into a pair and put it, in one step, into checkpoints/.

    camloss join-pair runs/light_cnn-alpha-10-seed-0/ce runs/light_cnn-alpha-10-seed-0/cam

A pair that one training made keeps the id of that training; two checkpoints that were trained apart get one in common.
Pair whose arch, number of classes, precision or config differ in anything but the loss are refused.
With --data-dir each card says where the twin's maps are hottest, as it does after a new training.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from camloss import cli
from camloss.checkpoint import WEIGHTS, load_weights, read_header, save_checkpoint
from camloss.data.mnist import load_mnist
from camloss.data.peaks import peaks
from camloss.epoch_snapshots import read_snapshots, save_snapshots
from camloss.hub.model_card import pictures_in, write_card
from camloss.pair import VARIANTS, alone_in, compare_variants, put_pair, sha256_of
from camloss.split import Split


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "join-pair")
    for variant in VARIANTS:
        parser.add_argument(variant, type=Path, metavar=variant.upper(), help=f"folder of the {variant} checkpoint")
    parser.add_argument("--into", type=Path, default=Path("checkpoints"), metavar="DIR", help="default: checkpoints")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="holds mnist/: measure where maps are hottest")
    flags = parser.parse_args(argv)
    sources: dict[str, Path] = {variant: getattr(flags, variant) for variant in VARIANTS}
    run = join(sources, flags.into, load_mnist(flags.data_dir).test if flags.data_dir else None)
    print(f"{flags.into} holds the pair of training {run}")


def join(sources: dict[str, Path], into: Path, test: Split | None) -> str:
    """Make one checkpoint of each variant the pair of a folder; returns the id that they share.

    Args:
        sources: folder of each checkpoint.
        into: where the pair belongs.
        test: to measure where the maps are hottest, if at all.

    Raises:
        CamlossError: a checkpoint is missing or damaged, or the two could not come from one training.
    """
    headers = {variant: read_header(source / WEIGHTS) for variant, source in sources.items()}
    compare_variants(headers, " and ".join(map(str, sources.values())))
    ids = {headers[variant]["training"].get("run") for variant in VARIANTS}
    run = ids.pop() if len(ids) == 1 and None not in ids else id_of(sources)
    with alone_in(into):
        staged = into / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        for variant, source in sources.items():
            model = load_weights(source / WEIGHTS)
            trained = {"variant": variant, "run": run, **headers[variant]["training"]}
            measured = {"peaks": peaks(model, test)} if test else {}
            directory = save_checkpoint(model, staged / variant, {**trained, "run": run, **measured})
            if snapshots := read_snapshots(source, trained["run"]):
                save_snapshots(snapshots, directory, run)
            write_card(directory, f"{into.name}/{variant}", pictures_in(source))
        put_pair(staged, into)
    return run


def id_of(sources: dict[str, Path]) -> str:
    """An id made of the weights, so that joining the same two again gives the same pair."""
    digests = "".join(sha256_of(source / WEIGHTS) for source in sources.values())
    return hashlib.sha256(digests.encode()).hexdigest()[:16]
