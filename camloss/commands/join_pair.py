"""Join finished checkpoints of equal config into a pair and put it, in one step, into checkpoints/.

    camloss join-pair runs/a/ce runs/b/cam                      trained apart
    camloss join-pair runs/light_cnn-alpha-10-seed-0            a pair already: its card is written anew

What one training made keeps the id of that training; checkpoints that were trained apart get one in common.
Checkpoints whose arch, number of classes, precision or config differ in anything but the loss are refused.
With --data-dir all that a training does at its end is done anew: temperature and OOD score are fitted on MNIST's
validation images, accuracy and the maps' peaks measured on its test images.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camloss import cli
from camloss.checkpoint import WEIGHTS, load_network, load_training, read_header, save_checkpoint
from camloss.commands.train import measure
from camloss.data.mnist import MNIST, load_mnist
from camloss.epoch_snapshots import read_snapshots, save_snapshots
from camloss.errors import CamlossError
from camloss.hub.model_card import pictures_in, write_card
from camloss.losses import LOSSES
from camloss.models import MapClassifier
from camloss.pair import (
    SIDE_BY_SIDE,
    alone_in,
    compare_variants,
    is_pair,
    pair_config,
    pair_files,
    put_pair,
    sha256_of,
    write_pair_config,
)
from camloss.wrap import Wrapped


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "join-pair")
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="of a checkpoint, one a variant; or of a pair"
    )
    parser.add_argument("--into", type=Path, default=Path("checkpoints"), metavar="DIR", help="folder of the pair")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="holds mnist/: fit and measure anew")
    flags = parser.parse_args(argv)
    folders = [part for folder in flags.folders for part in parts_of(folder)]
    run = join(folders, flags.into, flags.data_dir)
    print(f"{flags.into} holds the pair of training {run}")


def parts_of(folder: Path) -> list[Path]:
    """The folders of a pair's checkpoints; of a single checkpoint or its weight file, its own."""
    if is_pair(folder):
        return [file.parent for file in pair_files(folder).values()]
    return [folder.parent if folder.name == WEIGHTS else folder]


def join(folders: Sequence[Path], into: Path, data_dir: Path | None) -> str:
    """Make checkpoints the pair of a folder; returns the id that they share.

    Args:
        folders: of each checkpoint, one a variant.
        into: where the pair belongs.
        data_dir: holds `mnist`, to fit temperature and OOD score anew and to measure, if at all.

    Raises:
        CamlossError: a checkpoint is missing or damaged, or they could not come from one training.
    """
    found = {str(load_training(folder).get("variant")): folder for folder in folders}
    sources = dict(sorted(found.items(), key=lambda source: [*LOSSES, source[0]].index(source[0])))
    if not 2 <= len(sources) == len(folders):
        raise CamlossError(
            f"{len(folders)} checkpoints of {', '.join(sources)}; expected one of each variant of a pair"
        )
    headers = {variant: read_header(source / WEIGHTS) for variant, source in sources.items()}
    compare_variants(headers, " and ".join(map(str, sources.values())))
    runs = [header["training"].get("run") for header in headers.values()]
    run = runs[0] if isinstance(runs[0], str) and len(set(map(str, runs))) == 1 else id_of(sources)
    data = load_mnist(data_dir) if data_dir else None
    with alone_in(into):
        staged = into / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        for number, (variant, source) in enumerate(sources.items()):
            model = load_network(source / WEIGHTS)
            trained = {"variant": variant, "run": run, **headers[variant]["training"]}
            record = {**trained, "run": run, **({} if data is None else finished(model, data, trained))}
            directory = save_checkpoint(model, staged / variant, record, pair_config([*sources], run))
            if number < SIDE_BY_SIDE and (snapshots := read_snapshots(source, trained["run"])):
                save_snapshots(snapshots, directory, run)
        write_pair_config(staged, [*sources], run)
        write_card(staged, into.name, {variant: pictures_in(source) for variant, source in sources.items()})
        put_pair(staged, into)
    return run


def finished(model: MapClassifier | Wrapped, data: MNIST, trained: Mapping[str, Any]) -> dict[str, Any]:
    """What a training does and measures at its end, done anew; the temperature is that of the trained weights."""
    completed = data.finish(model)
    if "temperature" in completed:
        completed["temperature"] *= trained.get("temperature", 1.0)
    return {**completed, "test": measure(model, data)}


def id_of(sources: Mapping[str, Path]) -> str:
    """An id made of the weights, so that joining the same two again gives the same pair."""
    digests = "".join(sha256_of(source / WEIGHTS) for source in sources.values())
    return hashlib.sha256(digests.encode()).hexdigest()[:16]
