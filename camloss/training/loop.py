"""One training loop for every variant of a pair, which differ in the loss only.

Everything random in an epoch comes from generators seeded with (seed, epoch), so that all variants see the same images
in the same order, and a run that was interrupted continues exactly where its last whole epoch ended.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.data.dataset import Dataset
from camloss.data.streamed import StreamedSplit
from camloss.epoch_snapshots import Snapshot, snapshot_of
from camloss.errors import CamlossError
from camloss.losses import LOSSES, CAMLoss
from camloss.metrics import correct
from camloss.models import MapClassifier, Pooling, build_model, on_pixels, pool_by
from camloss.split import Split
from camloss.training.config import TrainConfig
from camloss.training.distributed import ALONE, Processes, wrapped_for
from camloss.training.hardware import environment, pick_device, pick_precision
from camloss.training.optim import make_optimizer
from camloss.training.state import TrainingState
from camloss.training.step import Extra, Mix, Replayed, Step, Vary, set_rate
from camloss.wrap import Network, Wrapped


class DivergedError(CamlossError):
    """The loss is no longer a number."""

    exit_code = 1


def train(  # noqa: PLR0915, one loop is read from top to bottom
    config: TrainConfig,
    variant: str,
    data: Dataset,
    run: str = "",
    *,
    log: Callable[[str], None] = tqdm.write,
    loss: Callable[[float], CAMLoss] | None = None,
    alpha_at: Callable[[int], float] | None = None,
    pooling: Pooling | Callable[[Tensor], Tensor] | None = None,
    vary: Vary | None = None,
    mix: Mix | None = None,
    extra: Extra | None = None,
    average: float = 0.0,
    replay: bool = False,
    processes: Processes = ALONE,
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
        alpha_at: from the number of an epoch, from 0, to its alpha; by default the config's.
        pooling: in place of the network's own; or a function (N, C, H, W) -> (N, C).
        vary: changes the images of a batch, when they have been augmented.
        mix: mixes images and labels of a batch after that.
        extra: a term of the loss from the alpha start epoch on; from the network, the images and their labels.
        average: share of the averaged weights that each step keeps; the average takes the place of the weights at the
            end. At 0 it is the config's.
        replay: on a GPU, record the step of Muon once and replay it, to the same weights but for rounding.
        processes: that train together, see `camloss.training.distributed`.

    Raises:
        DivergedError: the loss became NaN or infinite.
        CamlossError: the device or precision is not to be had, or the interrupted run had another config.
    """
    loss, alpha_at = loss or LOSSES[variant].criterion, alpha_at or config.alpha_at
    device = pick_device(config.device)
    precision = pick_precision(config.precision, device)
    train_split = training_images(config, data).to(device)
    validation = data.validation.to(device)
    network = initial_model(config, pooling, data).to(device).to(memory_format=torch.channels_last)
    if config.sync_bn:
        network = with_shared_statistics(network, device)
    model = on_pixels(network, data.mean, data.std).to(device)
    optimizer = make_optimizer(model, config)
    average = average or config.average
    averaged = copy.deepcopy(network) if average else None
    scaler = torch.amp.GradScaler(device.type) if precision == "float16" else None

    state = TrainingState(config, variant, run)
    found = processes.given(processes.first(state.read) if config.resume else None)
    history, snapshots = state.restore(found, network, optimizer, averaged, scaler)
    if not history and not config.dry_run:
        # An output folder that cannot be written shows now, not after an epoch.
        processes.first(lambda: state.save(network, optimizer, history, snapshots, averaged=averaged, scaler=scaler))
    compiled = torch.compile(model) if config.compile else model
    forward = wrapped_for(processes, compiled, device)  # type: ignore[arg-type]
    steps_per_epoch = 2 if config.dry_run else math.ceil(len(train_split) / config.batch_size)
    replay = replay and can_replay(device, config.optimizer, precision, processes)
    replay = replay and not isinstance(train_split, StreamedSplit)
    if replay:
        for group in optimizer.param_groups:
            group["lr"] = torch.zeros((), device=device)
    image_generator = torch.Generator(device=device)
    augmentation = data.augmentation.scaled(config.augment) if config.augment > 0 else None
    draws = torch.zeros(len(train_split), data.augmentation.draws, device=device)

    step: Step | Replayed | None = None
    kind: tuple[float, Extra | None] | None = None
    for epoch in range(len(history), config.epochs):
        forward.train()
        alpha, extra_now = alpha_at(epoch), extra if epoch >= config.alpha_start_epoch else None
        criterion = loss(alpha)
        if step is None or kind != (alpha, extra_now):
            kind = (alpha, extra_now)
            step = Step(
                network=model,
                forward=forward,
                optimizer=optimizer,
                criterion=criterion,
                images=train_split,
                augmentation=augmentation,
                draws=draws,
                vary=vary,
                extra=extra_now,
                generator=image_generator,
                precision=precision,
                averaged=averaged,
                average=average,
                mix=mix,
                processes=processes,
                accumulate=config.accumulate,
                clip=config.clip,
                scaler=scaler,
            )
            step = Replayed(step, config.batch_size) if replay else step
        order_generator, of_epoch = epoch_generators(config.seed, epoch, device)
        image_generator.manual_seed(of_epoch.initial_seed())
        order = torch.randperm(len(train_split), generator=order_generator).to(device)  # (N,), in every process
        draws.copy_(torch.rand(draws.shape, generator=order_generator))
        started = time.perf_counter()
        batches = order.split(config.batch_size)[:steps_per_epoch]
        if isinstance(step, Step):
            train_split.read_ahead([step.read(batch) for batch in batches])
        rates = [
            config.learning_rate_at((epoch + (at + 0.5) / steps_per_epoch) / config.epochs)
            for at in range(len(batches))
        ]
        with own_randomness(int(torch.randint(2**62, (), generator=order_generator)) + processes.rank, device):
            ce, cam = one_epoch(
                *(step, optimizer, list(zip(batches, rates, strict=True)), variant, epoch),
                accumulate=config.accumulate,
                processes=processes,
            )
        seconds = time.perf_counter() - started
        processes.average_buffers(network)
        entry = {
            "epoch": epoch + 1,
            "alpha": criterion.alpha,
            "ce": ce,
            "cam": cam,
            "validation_accuracy": accuracy(model, validation, processes),
            "seconds": seconds,
        }
        history.append(entry)
        if epoch + 1 in data.snapshot_epochs(config.epochs, config.alpha_start_epoch):
            snapshots[epoch + 1] = snapshot_of(network)
        if not config.dry_run:
            processes.first(
                lambda: state.save(network, optimizer, history, snapshots, averaged=averaged, scaler=scaler)
            )
        if processes.is_first:
            log(
                f"{variant} epoch {epoch + 1:2d}/{config.epochs}  L_ce {ce:.4f}  L_cam {cam:.4f}  "
                f"validation accuracy {entry['validation_accuracy']:.2%}  {seconds:.0f} s"
            )
    network = network if averaged is None else averaged
    return TrainedModel(network.eval().cpu(), history, snapshots, {**environment(device), "precision": precision})


def can_replay(device: torch.device, optimizer: str, precision: str, processes: Processes) -> bool:
    """Whether a step can be recorded: nothing in it waits for the device, as the loss scale of float16 would."""
    return device.type == "cuda" and optimizer == "muon" and precision != "float16" and not processes.started


def training_images(config: TrainConfig, data: Dataset) -> Split:
    """The training split, with the images that the data set adds to it."""
    extra = data.extra_training_images(config.synthetic, config.seed)
    return data.train if extra is None else data.train.joined(extra)


def initial_model(
    config: TrainConfig, pooling: Pooling | Callable[[Tensor], Tensor] | None = None, data: Dataset | None = None
) -> MapClassifier | Wrapped:
    """The network before its first step: the same for one seed, whatever it is to learn from; by default for digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        named = pooling if isinstance(pooling, str) else None
        num_classes, in_chans = (len(data.class_names), data.channels) if data else (10, 1)
        network = build_model(config.arch, num_classes, named, in_chans, **config.arch_args)
    if callable(pooling):
        pool_by(network, pooling)
    return network


def with_shared_statistics(network: MapClassifier | Wrapped, device: torch.device) -> MapClassifier | Wrapped:
    """The same network, whose batch norm takes its statistics over all processes.

    Raises:
        CamlossError: torch does that on GPUs alone.
    """
    if device.type != "cuda":
        raise CamlossError(f"--sync-bn needs GPUs, not {device.type}; leave it out")
    shared: MapClassifier | Wrapped = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return shared


def epoch_generators(seed: int, epoch: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
    """Generators for the order of the images and for their augmentation, the same for every variant."""
    order_seed, image_seed = torch.randint(2**62, (2,), generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
    return (
        torch.Generator().manual_seed(int(order_seed)),
        torch.Generator(device=device).manual_seed(int(image_seed)),
    )


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global generators, from which dropout draws, begin at this seed, and are afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def one_epoch(
    step: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    batches: list[tuple[Tensor, float]],
    variant: str,
    epoch: int,
    *,
    accumulate: int = 1,
    processes: Processes = ALONE,
) -> tuple[float, float]:
    """Take the steps of an epoch, each with a batch and its learning rate: the means of L_ce and L_cam.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    started = time.perf_counter()
    sums = torch.zeros(3, device=batches[0][0].device)
    hidden = None if processes.is_first else True  # None: where there is no terminal
    bar = tqdm(batches, f"{variant} {epoch + 1}", leave=False, dynamic_ncols=True, disable=hidden)
    for number, (batch, rate) in enumerate(bar):
        set_rate(optimizer, rate)
        try:
            parts = step(batch)
        except torch.OutOfMemoryError:
            fits = 0 if processes.started else largest_that_fits(step, batch)  # the others would wait for this one
            raise CamlossError(out_of_memory(len(batch), fits, accumulate)) from None
        sums += parts
        if number % 20 == 0:
            total, ce, cam = processes.sum(parts.clone()).tolist()
            speed = (number + 1) * len(batch) / (time.perf_counter() - started)
            bar.set_postfix_str(f"L_ce {ce:.4f}, L_cam {cam:.4f}, {speed:.0f} images/s", refresh=False)
            refuse_divergence(total, variant, epoch)
    total, ce, cam = (processes.sum(sums) / len(batches)).tolist()
    refuse_divergence(total, variant, epoch)
    return ce, cam


def largest_that_fits(step: Callable[[Tensor], Tensor], batch: Tensor) -> int:
    """How many images of a batch the device has memory for, halving them until it does; 0 for none."""
    count = len(batch) // 2
    while count:
        torch.cuda.empty_cache()
        try:
            step(batch[:count])
        except torch.OutOfMemoryError:
            count //= 2
        else:
            return count
    return 0


def out_of_memory(batch_size: int, fits: int, accumulate: int = 1) -> str:
    """What to do where a batch does not fit that is computed in `accumulate` parts."""
    if not fits:
        return f"the device has too little memory for {batch_size} images a step; take a lower --batch-size or --size"
    parts = accumulate * math.ceil(batch_size / fits)
    return (
        f"the device has too little memory for {batch_size} images a step; {fits} fit: take --batch-size {fits}, or "
        f"--accumulate {parts} for the same batches"
    )


def refuse_divergence(value: float, variant: str, epoch: int) -> None:
    if not math.isfinite(value):
        raise DivergedError(
            f"the loss of {variant} became {value} in epoch {epoch + 1}; "
            "no checkpoint was written; try a lower --learning-rate or --alpha"
        )


@torch.no_grad()
def accuracy(model: Network, split: Split, processes: Processes = ALONE) -> float:
    """The share of a split that the model gets right, in eval mode; each process answers for a part of it."""
    model.eval()
    own = torch.arange(processes.rank, len(split), processes.count)
    right = [correct(model(images)[0], labels).sum() for images, labels in split.batches(order=own)]
    total = torch.stack(right).sum() if right else torch.zeros((), dtype=torch.int64, device=split.labels.device)
    return float(processes.sum(total)) / len(split)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in eval mode on the CPU, one entry an epoch, snapshots by epoch, and where it was trained."""

    model: MapClassifier | Wrapped
    history: list[dict[str, float]]
    snapshots: dict[int, Snapshot]
    environment: dict[str, str]
