"""One training loop for both twins: cross-entropy alone (`ce`) and CAM-loss (`cam`); they differ in alpha only.

Everything random in an epoch comes from generators seeded with (seed, epoch), so that the twins see the same images in
the same order, and a run that was interrupted continues exactly where its last whole epoch ended.
"""

import dataclasses
import json
import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from camloss.checkpoint import pack, unpack, write_atomically
from camloss.data import Augmentation, MNISTData, Split, default_data_dir
from camloss.errors import CamlossError
from camloss.losses import CAMLoss
from camloss.models import ARCHS, MapClassifier, build_model
from camloss.styles import draw_styles

VARIANTS = ("ce", "cam")
PATHS_AND_MODES = ("data_dir", "output_dir", "device", "resume", "dry_run")  # nothing that the weights depend on


class DivergedError(CamlossError):
    """The loss is no longer a number."""

    exit_code = 1


def option(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """A dataclass field that `camloss.cli.add_flags` can turn into a flag; a callable makes its default."""
    metadata = {"help": help, "choices": choices}
    return (
        field(default_factory=default, metadata=metadata)
        if callable(default)
        else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on. The flags of `scripts/train.py` and `training.json` are made from these fields.

    Raises:
        CamlossError: a value is out of range.
    """

    arch: str = option("sketch_cnn", "network to train", tuple(ARCHS))
    variants: tuple[str, ...] = option(VARIANTS, "twins to train", VARIANTS)
    epochs: int = option(10, "passes over the training images")
    batch_size: int = option(128, "images a step")
    optimizer: str = option("adamw", "AdamW, or Adam as in the original article", ("adamw", "adam"))
    schedule: str = option("one-cycle", "learning rate over the run", ("one-cycle", "constant"))
    learning_rate: float = option(1e-2, "the highest learning rate of the run")
    weight_decay: float = option(0.05, "decoupled weight decay; Adam takes none")
    alpha: float = option(3.0, "weight of L_cam in the cam twin")
    warmup_epochs: int = option(1, "epochs of plain cross-entropy before alpha takes effect")
    augment: bool = option(True, "vary size, slant, rotation, place and stroke width of the training images")
    styles: int = option(500, "drawn digits to add for each style that MNIST hardly has, such as a 7 with a bar")
    pretrained: bool = option(False, "start from ImageNet weights (resnet18 only)")
    seed: int = option(0, "of the initial weights, the data order and the augmentation")
    precision: str = option(
        "auto", "bfloat16 convolutions where the device has them, or not", ("auto", "float32", "bfloat16")
    )
    device: str = option("auto", "cpu, cuda, mps, ...; auto takes a GPU where there is one")
    data_dir: Path = option(default_data_dir, "folder that holds mnist/; MNIST is downloaded there if it has none")
    output_dir: Path = option(lambda: Path("checkpoints"), "folder for the checkpoints")
    resume: bool = option(False, "continue an interrupted run to the same weights as an uninterrupted one")
    dry_run: bool = option(False, "train two steps of each twin, write nothing")

    def __post_init__(self) -> None:
        CAMLoss(self.alpha)
        for name, choices in (("arch", tuple(ARCHS)), ("optimizer", ("adamw", "adam"))):
            if getattr(self, name) not in choices:
                raise CamlossError(f"unknown {name} {getattr(self, name)!r}; expected one of {', '.join(choices)}")
        if not self.variants or not set(self.variants) <= set(VARIANTS):
            raise CamlossError(f"variants are {' '.join(self.variants) or 'none'}; expected ce, cam or both")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise CamlossError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise CamlossError(f"learning_rate is {self.learning_rate}; expected a number above 0, such as 0.005")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise CamlossError(f"weight_decay is {self.weight_decay}; expected a number of at least 0")
        for name in ("warmup_epochs", "styles"):
            if getattr(self, name) < 0:
                raise CamlossError(f"{name} is {getattr(self, name)}; expected at least 0")

    def alpha_at(self, variant: str, epoch: int) -> float:
        """Alpha of a twin in an epoch (counted from 0): the only thing in which the twins differ."""
        return self.alpha if variant == "cam" and epoch >= self.warmup_epochs else 0.0

    def learning_rate_at(self, progress: float) -> float:
        """The learning rate when a share of the run in [0, 1) is done: up over the first fifth, then down to 0."""
        if self.schedule == "constant":
            return self.learning_rate
        rise = 0.2
        return self.learning_rate * (progress / rise if progress < rise else (1 - progress) / (1 - rise))

    def record(self) -> dict[str, Any]:
        """The fields that the weights depend on, as JSON."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in (*PATHS_AND_MODES, "variants")}


RECIPES: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    # The article that this project goes back to. alpha follows its schedule: 0 for ten epochs, then 3.
    "original": TrainConfig(
        arch="plain_cnn",
        epochs=20,
        batch_size=64,
        optimizer="adam",
        schedule="constant",
        learning_rate=1e-4,
        weight_decay=0.0,
        alpha=3.0,
        warmup_epochs=10,
        augment=False,
        styles=0,
        precision="float32",
    ),
}


def train(config: TrainConfig, variant: str, data: MNISTData, log: Callable[[str], None] = tqdm.write) -> "TrainedTwin":
    """Train one twin.

    After each epoch its whole state goes to `output_dir/.resume/VARIANT.safetensors`; with `config.resume`, training
    goes on from there.

    Args:
        config: the run.
        variant: "ce" or "cam".
        data: MNIST; its test split is not touched.
        log: receives one line an epoch.

    Raises:
        DivergedError: the loss became NaN or infinite.
        CamlossError: the device or precision is not to be had, or the interrupted run had another config.
    """
    device = pick_device(config.device)
    precision = pick_precision(config.precision, device)
    train_split = data.train.joined(draw_styles(config.styles, config.seed)).to(device)
    validation = data.validation.to(device)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        kwargs = {"pretrained": True} if config.pretrained else {}
        model = build_model(config.arch, **kwargs)
    model = model.to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config)
    augmentation = Augmentation()

    state = TrainingState(config, variant)
    history = state.load(model, optimizer) if config.resume else []
    if not history and not config.dry_run:
        state.save(model, optimizer, history)  # an output folder that cannot be written shows now, not after an epoch
    steps_per_epoch = math.ceil(len(train_split) / config.batch_size)
    if config.dry_run:
        steps_per_epoch = 2
    total_steps = steps_per_epoch * config.epochs

    for epoch in range(len(history), 1 if config.dry_run else config.epochs):
        criterion = CAMLoss(config.alpha_at(variant, epoch))
        order_generator, image_generator = epoch_generators(config.seed, epoch, device)
        order = torch.randperm(len(train_split), generator=order_generator)  # (N,)
        sums = torch.zeros(2, device=device)
        started = time.perf_counter()
        model.train()
        batches = train_split.batches(config.batch_size, order[: steps_per_epoch * config.batch_size])
        bar = tqdm(batches, f"{variant} {epoch + 1}/{config.epochs}", steps_per_epoch, leave=False, dynamic_ncols=True)
        for step, (images, targets) in enumerate(bar):  # (B, 1, 28, 28), (B,)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate_at((epoch * steps_per_epoch + step) / total_steps)
            x = augmentation(images, image_generator) if config.augment else images
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                logits, features = model(x)  # (B, 10), (B, C, H, W)
            terms = criterion(logits, features, model.head.weight, targets)
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
        if not config.dry_run:
            state.save(model, optimizer, history)
        log(
            f"{variant} epoch {epoch + 1:2d}/{config.epochs}  L_ce {ce:.4f}  L_cam {cam:.4f}  "
            f"validation accuracy {entry['validation_accuracy']:.2%}  {seconds:.0f} s"
        )
    return TrainedTwin(model.eval().cpu(), history, {**environment(device), "precision": precision})


@dataclass(frozen=True)
class TrainedTwin:
    """A trained model in eval mode on the CPU, one entry an epoch, and where it was trained."""

    model: MapClassifier
    history: list[dict[str, float]]
    environment: dict[str, str]


def make_optimizer(model: MapClassifier, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    return torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )


def epoch_generators(seed: int, epoch: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
    """Generators for the order of the images and for their augmentation, the same for both twins."""
    order_seed, image_seed = torch.randint(2**62, (2,), generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
    return (
        torch.Generator().manual_seed(int(order_seed)),
        torch.Generator(device=device).manual_seed(int(image_seed)),
    )


@torch.no_grad()
def accuracy(model: MapClassifier, split: Split) -> float:
    """The share of a split that the model gets right, in eval mode."""
    model.eval()
    right = [(model(images)[0].argmax(1) == labels).sum() for images, labels in split.batches(1_000)]
    return float(torch.stack(right).sum()) / len(split)


def refuse_divergence(loss: Tensor, variant: str, epoch: int) -> None:
    value = loss.item()
    if not math.isfinite(value):
        raise DivergedError(
            f"the loss of the {variant} twin became {value} in epoch {epoch + 1}; "
            "no checkpoint was written; try a lower --learning-rate or --alpha"
        )


def pick_device(name: str) -> torch.device:
    """Raises CamlossError where torch does not know the device or cannot use it."""
    if name == "auto":
        name = str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise CamlossError(f"device {name!r} cannot be used ({reason}); try --device cpu") from error
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """ "auto" becomes "bfloat16" on devices with bfloat16 arithmetic of their own, else "float32"."""
    if name != "auto":
        return name
    if device.type == "cpu":
        abilities: Mapping[str, Any] = torch.cpu.get_capabilities()
        return "bfloat16" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else "float32"
    return (
        "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    )


def environment(device: torch.device) -> dict[str, str]:
    """Where a measurement was taken, for training records and tables."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{torch.get_num_threads()} threads of {cpu_name()}"
    return {"device": name, "torch": torch.__version__, "python": platform.python_version()}


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class TrainingState:
    """The state of one twin between two epochs, in one file that is replaced in one step."""

    def __init__(self, config: TrainConfig, variant: str) -> None:
        self.config = config.record()
        self.path = config.output_dir / ".resume" / f"{variant}.safetensors"

    def save(self, model: MapClassifier, optimizer: torch.optim.Optimizer, history: list[dict[str, float]]) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for idx, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{idx}.{slot}": tensor for slot, tensor in slots.items()}
        write_atomically(self.path, pack(tensors, config=self.config, history={"epochs": history}))

    def load(self, model: MapClassifier, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Put the saved state into model and optimizer; returns the history so far, empty where nothing was saved."""
        if not self.path.exists():
            return []
        tensors, facts = unpack(self.path)
        if facts["config"] != json.loads(json.dumps(self.config)):
            changed = [name for name, value in self.config.items() if facts["config"].get(name) != value]
            raise CamlossError(
                f"the interrupted run in {self.path.parent} had other values of {', '.join(changed)}; "
                "repeat its flags, or run without --resume to start over"
            )
        slots: dict[int, dict[str, Tensor]] = {}
        for idx, parameter in enumerate(model.parameters()):
            for name, tensor in tensors.items():
                if name.startswith(f"optimizer.{idx}."):
                    # fused AdamW walks parameter and slots side by side in memory, so their strides must agree
                    laid_out = torch.empty_like(parameter).copy_(tensor) if tensor.dim() else tensor
                    slots.setdefault(idx, {})[name.rpartition(".")[2]] = laid_out
        model.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
        return list(facts["history"]["epochs"])

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
