"""Train a pair on MNIST or a folder of pictures: cross-entropy alone and CAM-loss, same seed and data order, one loop.

    camloss train                      both, to runs/light_cnn-alpha-10-seed-0/ce and .../cam
    camloss train --data photos/       a pair on pictures: photos/train/CLASS/*.jpg, photos/val/CLASS/*.jpg
    camloss train --recipe original    the recipe of the article that this project started from
    camloss train --resume             continue after Ctrl-C or a crash
    camloss train --loss caam-distillation --teacher runs/light_cnn-alpha-10-seed-0/cam --arch tiny_cnn --alpha 3
                                       cross-entropy alone and CAAM-CAM distillation

The pair appears in its folder in one step, when both models are done; until then the previous one stays. A single model
(--variants) is for experiments; it is no pair and cannot be published.
"""

import argparse
import copy
import dataclasses
import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camloss import CamlossError, cli, explain
from camloss.checkpoint import WEIGHTS, is_folder, load_training, read_header, save_checkpoint, write_atomically
from camloss.data.dataset import Dataset
from camloss.data.datasets import load_data
from camloss.epoch_snapshots import save_snapshots
from camloss.losses import BASELINE, LOSSES, CAMLoss
from camloss.metrics import evaluate
from camloss.models import MapClassifier, build_model, on_pixels
from camloss.pair import SIDE_BY_SIDE, alone_in, is_pair, pair_config, pair_files, put_pair, write_pair_config
from camloss.training.config import DTYPES, RECIPES, TrainConfig, default_output_dir, recipe_for
from camloss.training.distributed import ALONE, Processes, processes
from camloss.training.hardware import pick_device, pick_precision
from camloss.training.loop import initial_model, train
from camloss.training.state import TrainingState, run_id
from camloss.training.teacher import load_teacher
from camloss.wrap import Wrapped, in_eval_mode

FEWEST_POSITIONS = 4  # a side of the maps
FOR_CARDS = ("matplotlib", "huggingface_hub")  # packages that training itself does without


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__, "train")
    others = [name for name in LOSSES if name != BASELINE]
    parser.add_argument("--loss", choices=others, help=f"the baseline and this: short for --variants {BASELINE} LOSS")
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="then publish the pair there")
    add_train_flags(parser)
    flags = vars(parser.parse_args(argv))
    push_to, loss = flags.pop("push_to_hub"), flags.pop("loss")
    if loss is not None:
        if "variants" in flags:
            raise CamlossError("--loss and --variants both say what to train; leave one out")
        flags["variants"] = (BASELINE, loss)
    config = chosen_config(flags)
    if push_to is not None:  # now, not after an hour of training
        from camloss.hub.messages import check_repo_id

        check_repo_id(push_to)
        if not makes_pair(config):
            raise CamlossError("a single model cannot be published; leave out --variants or --push-to-hub")

    with processes(config.device) as (together, device):
        config = dataclasses.replace(config, device=device)
        if not together.given(together.first(lambda: is_finished(config))):
            check_trainable(config)  # now, not after a download
            build_model(config.arch, **config.arch_args)
            data = together.first_then_all(lambda: load_data(config.data, config.data_dir, config.size))
            together.refuse_difference(data.fingerprint, "other images")
            measured = train_and_save(config, data, together)
            if together.is_first:
                print_measured(measured, data.reported_on)
        elif together.is_first:
            print(f"{config.output_dir} is trained already: there is nothing to resume")
    if not together.is_first:
        return
    if push_to is not None and not config.dry_run:
        from camloss.hub.push import push_pair

        push_pair(push_to, config.output_dir)
    elif makes_pair(config) and not config.dry_run:
        print_next_commands(config.output_dir, config.data_name)


def add_train_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        help="where the defaults of the other flags are from; those shown are of default, for MNIST (default: pictures "
        "for other data)",
    )
    cli.add_flags(parser, TrainConfig(output_dir=default_output_dir(TrainConfig())))


def chosen_config(flags: dict[str, Any]) -> TrainConfig:
    """The recipe with the flags that were given, by default in a folder of its own."""
    recipe = flags.pop("recipe") or recipe_for(flags.get("data", "mnist"))
    if "teacher" in flags:
        flags["teacher"] = str(teacher_file(flags["teacher"]))
    config = dataclasses.replace(RECIPES[recipe], **flags)
    return (
        config if "output_dir" in flags else dataclasses.replace(config, output_dir=default_output_dir(config, recipe))
    )


def teacher_file(source: str) -> Path:
    """The weight file of the checkpoint that a variant learns from, fetched if it lies on the Hub.

    Raises:
        CamlossError: it is missing or damaged, or a pair of which no model is named.
    """
    folder = Path(source).expanduser()
    if is_folder(source) and is_pair(folder):
        models = " or ".join(f"--teacher {folder / variant}" for variant in pair_files(folder))
        raise CamlossError(f"{source} holds a pair; name one of its models: {models}")
    from camloss.hub.network import weight_file

    path, shown = weight_file(source)
    read_header(path, shown)
    return path


def makes_pair(config: TrainConfig) -> bool:
    """Whether the training makes a pair: more than one variant."""
    return len(config.variants) > 1


def is_finished(config: TrainConfig) -> bool:
    """Whether `--resume` finds nothing interrupted, but all of the training's checkpoints.

    Raises:
        CamlossError: they were trained with other options.
    """
    interrupted = any(TrainingState(config, variant).path.is_file() for variant in config.variants)
    folders = [config.output_dir / variant for variant in config.variants]
    if not config.resume or config.dry_run or interrupted or not all((f / WEIGHTS).is_file() for f in folders):
        return False
    for folder in folders:
        config.refuse_other(load_training(folder).get("config"), f"the finished training in {config.output_dir}")
    return True


def check_trainable(config: TrainConfig) -> None:
    """
    Raises:
        CamlossError: the device cannot be used, the models could not differ, or a single model would take the place of
            one of a pair.
    """
    pick_precision(config.precision, pick_device(config.device))
    if not config.dry_run and not makes_pair(config) and is_pair(config.output_dir):
        raise CamlossError(f"{config.output_dir} holds a pair; name another --output-dir for a single model")
    if makes_pair(config) and (config.alpha == 0 or config.alpha_start_epoch >= config.epochs) and not config.dry_run:
        raise CamlossError(
            f"with alpha {config.alpha} after {config.alpha_start_epoch} of {config.epochs} epochs both models would "
            "be the same; raise --alpha or --epochs, lower --alpha-start-epoch, or train one with --variants ce"
        )
    by_alpha: dict[float, str] = {}
    for variant in (v for v in config.variants if LOSSES[v].make is CAMLoss):
        alpha = LOSSES[variant].criterion(config.alpha).alpha
        if (same := by_alpha.setdefault(alpha, variant)) != variant:
            raise CamlossError(
                f"{same} and {variant} would be the same, CAM-loss at alpha {alpha:g}; leave one out of --variants, "
                "or change --alpha"
            )


def train_and_save(config: TrainConfig, data: Dataset, together: Processes = ALONE) -> dict[str, dict[str, float]]:
    """Train the config's variants and write their checkpoints; returns what each measures on the test set.

    Of several processes the first alone writes, and returns something.

    Raises:
        CamlossError: as `train` and `check_trainable`; also if another training is at work in the folder.
    """
    check_trainable(config)
    check_network(config, data, together)
    teacher = load_teacher(config, data)
    if config.dry_run:  # with alpha at once, to try its gradient too
        short = dataclasses.replace(config, epochs=1, alpha_start_epoch=0)
        return {
            name: measure(train(short, name, data, loss=loss_of(name, teacher), processes=together).model, data)
            for name in config.variants
        }
    with ExitStack() as locked, own_stream(config.device):
        together.first(lambda: locked.enter_context(alone_in(config.output_dir)))
        if together.is_first:
            return _train_and_save(config, data, teacher, together)
        for variant in config.variants:
            train(config, variant, data, loss=loss_of(variant, teacher), processes=together)
        return {}


def check_network(config: TrainConfig, data: Dataset, together: Processes = ALONE) -> None:
    """Make the network once, and warn where its maps have too few positions to locate anything.

    Raises:
        CamlossError: there is no such network, it has no exact CAM, or the images are too small for it.
    """
    network = initial_model(config, None, data)
    height, width = data.size
    try:
        with in_eval_mode(network):
            features = network(torch.zeros(1, data.channels, height, width))[1]
    except RuntimeError as error:
        raise CamlossError(f"{config.arch} cannot take images of {height}x{width}; take a larger --size") from error
    if min(features.shape[-2:]) < FEWEST_POSITIONS and together.is_first:
        rows, columns = features.shape[-2:]
        or_another = ", less stride (timm: --arch-arg output_stride=16), or small_resnet"
        print(
            f"warning: of {height}x{width} pixels {config.arch} makes maps of {rows}x{columns} positions, which locate "
            f"little; take a larger --size{'' if config.arch == 'small_resnet' else or_another}",
            file=sys.stderr,
        )


def own_stream(device: str) -> AbstractContextManager[Any]:
    """Where a GPU can record steps; see `camloss.training.step`."""
    where = pick_device(device)
    return torch.cuda.stream(torch.cuda.Stream(where)) if where.type == "cuda" else nullcontext()


def loss_of(variant: str, teacher: nn.Module | None) -> Callable[[float], CAMLoss]:
    """From the alpha of an epoch to the criterion in it."""
    return lambda alpha: LOSSES[variant].criterion(alpha, teacher)


def _train_and_save(
    config: TrainConfig, data: Dataset, teacher: nn.Module | None, together: Processes
) -> dict[str, dict[str, float]]:
    states = [TrainingState(config, variant) for variant in config.variants]
    if not config.resume:
        for state in states:
            state.discard()  # of an older training, which --resume would take up in the middle of this one
    run = run_id(config)
    staged = config.output_dir / ".staged"
    shutil.rmtree(staged, ignore_errors=True)
    folder = staged if makes_pair(config) else config.output_dir
    without_cards = lacking(*FOR_CARDS)
    if not without_cards:
        from camloss.hub.card_figures import card_pictures
        from camloss.hub.model_card import write_card
    measured: dict[str, dict[str, float]] = {}
    pictures: dict[str, dict[str, bytes]] = {}
    for variant in config.variants:
        trained = train(config, variant, data, run, loss=loss_of(variant, teacher), replay=True, processes=together)
        completed = data.finish(trained.model)
        network = trained.model.to(DTYPES[config.saved_as]).float()  # what is measured is what is written
        measured[variant] = measure(network, data)
        record = {
            "variant": variant,
            "run": run,
            "config": config.record(),
            "history": trained.history,
            "test": measured[variant],
            **({} if data.reported_on == "test set" else {"reported_on": data.reported_on}),
            **completed,
            "environment": trained.environment,
        }
        of_pair = pair_config(config.variants, run) if makes_pair(config) else None
        saved = copy.deepcopy(network).to(DTYPES[config.saved_as])
        directory = save_checkpoint(saved, folder / variant, record, of_pair, **about(network, data, config))
        if trained.snapshots and variant in config.variants[:SIDE_BY_SIDE]:
            save_snapshots(trained.snapshots, directory, run)
        if not without_cards:
            of_digits = config.data == "mnist"
            images, _ = data.test[torch.arange(10) if of_digits else torch.linspace(0, len(data.test) - 1, 10).long()]
            shown = explain(on_pixels(network, data.mean, data.std), images)
            pictures[variant] = card_pictures(images, shown.cam, shown.caam, trained.history)
            for name, content in pictures[variant].items():
                write_atomically(directory / name, content)
    if makes_pair(config):
        write_pair_config(staged, config.variants, run)
        if pictures:
            write_card(staged, config.output_dir.name, pictures)
        put_pair(staged, config.output_dir)
    if without_cards:
        from camloss.hub.model_card import CARD, PICTURES

        print(f"no model cards without {' and '.join(without_cards)}: pip install 'camloss[demo]'")
        for name in (CARD, *(f"{variant}/{name}" for variant in measured for name in PICTURES)):
            (config.output_dir / name).unlink(missing_ok=True)  # of older weights
    for state in states:
        state.discard()  # only now: until both are done, --resume needs the first one too
    return measured


def lacking(*packages: str) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name) is None]


def measure(network: MapClassifier | Wrapped, data: Dataset) -> dict[str, float]:
    return evaluate(on_pixels(network, data.mean, data.std), data.test.batches())


def about(network: MapClassifier | Wrapped, data: Dataset, config: TrainConfig) -> dict[str, Any]:
    """What the checkpoint of a network says of the images that it takes."""
    standardised = {} if getattr(network, "takes_pixels", False) else {"mean": data.mean, "std": data.std}
    pictures = {} if config.data == "mnist" else {"classes": data.class_names, "image_size": data.size}
    return {**pictures, **standardised}


def print_measured(measured: dict[str, dict[str, float]], reported_on: str) -> None:
    metrics = next(iter(measured.values()))
    print(cli.table([reported_on, *measured], [[m, *(f"{measured[v][m]:.4f}" for v in measured)] for m in metrics]))


def print_next_commands(folder: Path, data: str) -> None:
    quoted = f'"{folder}"' if os.name == "nt" else shlex.quote(str(folder))
    print(f"\nSee this pair:   camloss demo --pair {quoted}")
    print(f"Publish it:      camloss push USER/camloss-{data.rpartition('/')[2]} --checkpoints {quoted}")
