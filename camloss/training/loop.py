"""One training loop for every variant of a pair, which differ in the loss only.

Everything random in an epoch comes from generators seeded with (seed, epoch), so that all variants see the same images
in the same order, and a run that was interrupted continues exactly where its last whole epoch ended.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.data.dataset import Dataset
from camloss.epoch_snapshots import Snapshot, snapshot_of
from camloss.errors import CamlossError
from camloss.losses import LOSSES, CAMLoss
from camloss.metrics import correct
from camloss.models import MapClassifier, Pooling, build_classifier
from camloss.split import Split
from camloss.training.config import TrainConfig
from camloss.training.hardware import environment, pick_device, pick_precision
from camloss.training.optim import make_optimizer
from camloss.training.state import TrainingState


class DivergedError(CamlossError):
    """The loss is no longer a number."""

    exit_code = 1


def train(
    config: TrainConfig,
    variant: str,
    data: Dataset,
    run: str = "",
    *,
    log: Callable[[str], None] = tqdm.write,
    loss: Callable[[float], CAMLoss] | None = None,
    pooling: Pooling | None = None,
    vary: Callable[[Tensor, torch.Generator], Tensor] | None = None,
) -> "TrainedModel":
    """Train one variant of a pair, or a method of the study.

    After each epoch its whole state goes to `output_dir/.resume/VARIANT.safetensors`; with `config.resume`, training
    goes on from there.

    Args:
        config: the run.
        variant: one of `LOSSES`, or the name of a method.
        data: the data set; its test split is not touched.
        run: the id of this training, which the variants of a pair share; see `camloss.training.state.run_id`.
        log: receives one line an epoch.
        loss: from the alpha of an epoch to the criterion in it; by default the variant's.
        pooling: in place of the network's own.
        vary: changes the images of a batch, when they have been augmented.

    Raises:
        DivergedError: the loss became NaN or infinite.
        CamlossError: the device or precision is not to be had, or the interrupted run had another config.
    """
    loss = loss or LOSSES[variant].make
    device = pick_device(config.device)
    precision = pick_precision(config.precision, device)
    train_split = training_images(config, data).to(device)
    validation = data.validation.to(device)
    model = initial_model(config, pooling).to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config)
    augmentation = data.augmentation.scaled(config.augment)

    state = TrainingState(config, variant, run)
    history, snapshots = state.load(model, optimizer) if config.resume else ([], {})
    if not history and not config.dry_run:
        # An output folder that cannot be written shows now, not after an epoch.
        state.save(model, optimizer, history, snapshots)
    steps_per_epoch = 2 if config.dry_run else math.ceil(len(train_split) / config.batch_size)
    total_steps = steps_per_epoch * config.epochs

    for epoch in range(len(history), config.epochs):
        criterion = loss(config.alpha_at(epoch))
        order_generator, image_generator = epoch_generators(config.seed, epoch, device)
        order = torch.randperm(len(train_split), generator=order_generator)  # (N,)
        sums = torch.zeros(2, device=device)
        started = time.perf_counter()
        model.train()
        batches = train_split.batches(config.batch_size, order[: steps_per_epoch * config.batch_size])
        title = f"{variant} {epoch + 1}/{config.epochs}"
        bar = tqdm(batches, title, steps_per_epoch, leave=False, dynamic_ncols=True, disable=None)
        for step, (images, targets) in enumerate(bar):  # (B, 1, 28, 28), (B,)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate_at((epoch * steps_per_epoch + step) / total_steps)
            x = augmentation(images, image_generator) if config.augment > 0 else images
            x = vary(x, image_generator) if vary else x
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                logits, features = model(x)  # (B, 10), (B, C, H, W)
            shown = (x,) if criterion.takes_images else ()
            terms = criterion(logits, features, model.head.weight, targets, *shown)
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()

            sums += torch.stack([terms.ce, terms.cam]).detach()
            if step % 20 == 0:
                rate = (step + 1) * config.batch_size / (time.perf_counter() - started)
                bar.set_postfix_str(f"L_ce {terms.ce:.4f}, L_cam {terms.cam:.4f}, {rate:.0f} images/s", refresh=False)
                refuse_divergence(terms.total, variant, epoch)
        refuse_divergence(sums.sum(), variant, epoch)
        seconds = time.perf_counter() - started
        ce, cam = (sums / steps_per_epoch).tolist()
        entry = {
            "epoch": epoch + 1,
            "alpha": criterion.alpha,
            "ce": ce,
            "cam": cam,
            "validation_accuracy": accuracy(model, validation),
            "seconds": seconds,
        }
        history.append(entry)
        if epoch + 1 in data.snapshot_epochs(config.epochs, config.alpha_start_epoch):
            snapshots[epoch + 1] = snapshot_of(model)
        if not config.dry_run:
            state.save(model, optimizer, history, snapshots)
        log(
            f"{variant} epoch {epoch + 1:2d}/{config.epochs}  L_ce {ce:.4f}  L_cam {cam:.4f}  "
            f"validation accuracy {entry['validation_accuracy']:.2%}  {seconds:.0f} s"
        )
    return TrainedModel(model.eval().cpu(), history, snapshots, {**environment(device), "precision": precision})


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in eval mode on the CPU, one entry an epoch, snapshots by epoch, and where it was trained."""

    model: MapClassifier
    history: list[dict[str, float]]
    snapshots: dict[int, Snapshot]
    environment: dict[str, str]


def training_images(config: TrainConfig, data: Dataset) -> Split:
    """The training split, with the images that the data set adds to it."""
    extra = data.extra_training_images(config.synthetic, config.seed)
    return data.train if extra is None else data.train.joined(extra)


def initial_model(config: TrainConfig, pooling: Pooling | None = None) -> MapClassifier:
    """The network before its first step: the same for one seed, whatever it is to learn from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        kwargs = {"pretrained": True} if config.pretrained else {}
        return build_classifier(config.arch, pooling=pooling, **kwargs)


def epoch_generators(seed: int, epoch: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
    """Generators for the order of the images and for their augmentation, the same for every variant."""
    order_seed, image_seed = torch.randint(2**62, (2,), generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
    return (
        torch.Generator().manual_seed(int(order_seed)),
        torch.Generator(device=device).manual_seed(int(image_seed)),
    )


@torch.no_grad()
def accuracy(model: MapClassifier, split: Split) -> float:
    """The share of a split that the model gets right, in eval mode."""
    model.eval()
    right = [correct(model(images)[0], labels).sum() for images, labels in split.batches(1_000)]
    return float(torch.stack(right).sum()) / len(split)


def refuse_divergence(loss: Tensor, variant: str, epoch: int) -> None:
    value = loss.item()
    if not math.isfinite(value):
        raise DivergedError(
            f"the loss of {variant} became {value} in epoch {epoch + 1}; "
            "no checkpoint was written; try a lower --learning-rate or --alpha"
        )
