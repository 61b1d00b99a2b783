"""Everything a training run depends on, and the recipes."""

import ast
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from camloss.data.datasets import kind_of
from camloss.data.mnist import default_data_dir
from camloss.errors import CamlossError
from camloss.losses import LOSSES, PAIR, CAMLoss
from camloss.models import ARCHS, LIBRARIES
from camloss.pair import sha256_of

OPTIMIZERS = ("muon", "adamw", "adam", "sgd")
PATHS_AND_MODES = ("data_dir", "output_dir", "device", "resume", "dry_run")  # nothing that the weights depend on
DTYPES = {"float32": torch.float32, "float16": torch.float16}


MAX_SEED = 2**32


def option(default: Any, help: str, choices: tuple[str, ...] | None = None, *, added: bool = False) -> Any:
    """A dataclass field that `camloss.cli.add_flags` can turn into a flag; a callable makes its default.

    One that was `added` after records were published stands in a record only where it is not at its default.
    """
    metadata = {"help": help, "choices": choices, "added": added}
    return (
        field(default_factory=default, metadata=metadata)
        if callable(default)
        else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on. The flags of `camloss train` and `training.json` are made from these fields.

    Raises:
        CamlossError: a value is out of range.
    """

    arch: str = option("light_cnn", f"network to train: {', '.join(ARCHS)}, timm/NAME or torchvision/NAME")
    arch_arg: tuple[str, ...] = option((), "options of the network, such as output_stride=16", added=True)
    data: str = option("mnist", "mnist, cifar10, hf:USER/DATASET, or a folder with train/CLASS/*.jpg, val/CLASS/*.jpg")
    size: int = option(0, "height and width in pixels that pictures are brought to; 0: the data set's own", added=True)
    data_source: str = option("", "for the model card: where the pictures are from, and their licence", added=True)
    variants: tuple[str, ...] = option(PAIR, "losses to train with, one model each", tuple(LOSSES))
    teacher: str = option(
        "", "checkpoint that a distillation learns from: folder, file, or address on the Hub", added=True
    )
    epochs: int = option(10, "passes over the training images")
    batch_size: int = option(128, "images a step, of all processes together")
    optimizer: str = option("muon", "Muon, AdamW, Adam as in the article, or SGD with Nesterov's momentum", OPTIMIZERS)
    schedule: str = option("one-cycle", "learning rate over the run", ("one-cycle", "constant"))
    learning_rate: float = option(1e-2, "the highest learning rate of the run")
    weight_decay: float = option(0.05, "weight decay, decoupled but in SGD; Adam takes none")
    alpha: float = option(10.0, "weight of what a variant adds to cross-entropy, unless it has its own, as alpha-3 has")
    alpha_start_epoch: int = option(1, "epochs of plain cross-entropy before alpha takes effect")
    augment: float = option(
        0.6,
        "how far images vary: digits in size, slant, rotation, position and stroke width, pictures in position, with "
        "flips; 0: none",
    )
    synthetic: int = option(300, "synthetic digits to add of each writing style, such as a 7 with a bar")
    pretrained: bool = option(False, "start from ImageNet weights, where the network has some")
    seed: int = option(0, "of the initial weights, the data order and the augmentation")
    precision: str = option(
        "auto", "of convolutions; auto: bfloat16 where it is faster", ("auto", "float32", "bfloat16", "float16")
    )
    accumulate: int = option(1, "micro-batches that a batch is split into, to fit the memory", added=True)
    clip: float = option(0.0, "largest norm of the gradients; 0: no clipping", added=True)
    average: float = option(0.0, "decay of the moving average of the weights, which is then saved; 0: none", added=True)
    sync_bn: bool = option(False, "under torchrun, take the statistics of batch norm over all processes", added=True)
    compile: bool = option(False, "torch.compile the network: for long runs", added=True)
    saved_as: str = option("float32", "dtype of the weights that are written", tuple(DTYPES), added=True)
    device: str = option("auto", "cpu, cuda, mps, ...; auto takes a GPU where there is one")
    data_dir: Path = option(default_data_dir, "folder that holds mnist/; MNIST is downloaded there if it has none")
    output_dir: Path = option(lambda: Path("runs"), "folder for what is trained; by default named after the options")
    resume: bool = option(False, "continue an interrupted run to the same weights as an uninterrupted one")
    dry_run: bool = option(False, "train two steps of each variant, write nothing")

    def __post_init__(self) -> None:
        CAMLoss(self.alpha)
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        if not self.variants:
            raise CamlossError(f"there are no variants to train; expected some of {', '.join(LOSSES)}")
        for one in dataclasses.fields(self):
            values, choices = getattr(self, one.name), one.metadata["choices"]
            for value in values if isinstance(values, tuple) else (values,):
                if choices and value not in choices:
                    raise CamlossError(
                        f"unknown {one.name.removesuffix('s')} {value!r}; expected one of {', '.join(choices)}"
                    )
        if self.arch not in ARCHS and self.arch.partition("/")[0] not in LIBRARIES:
            raise CamlossError(
                f"unknown arch {self.arch!r}; expected one of {', '.join(ARCHS)}, or timm/NAME or torchvision/NAME"
            )
        self.arch_args  # noqa: B018, a bad one is refused now
        in_order = tuple(variant for variant in LOSSES if variant in self.variants)  # the baseline first
        object.__setattr__(self, "variants", in_order)
        self._check_teacher()

    def _check_numbers(self) -> None:
        if not 0 <= self.seed < MAX_SEED:
            raise CamlossError(f"seed is {self.seed}; expected a whole number from 0 to {MAX_SEED - 1}")
        for name in ("epochs", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise CamlossError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise CamlossError(f"learning_rate is {self.learning_rate}; expected a number above 0, such as 0.005")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise CamlossError(f"weight_decay is {self.weight_decay}; expected a number of at least 0")
        if not 0 <= self.average < 1:
            raise CamlossError(f"average is {self.average}; expected 0 (none) or a share below 1, such as 0.999")
        if not (math.isfinite(self.clip) and self.clip >= 0):
            raise CamlossError(f"clip is {self.clip}; expected a norm above 0, or 0 for none")
        if not 0 <= self.augment <= 1:
            raise CamlossError(f"augment is {self.augment}; expected 0 (no variation) to 1")
        for name in ("alpha_start_epoch", "synthetic", "size"):
            if getattr(self, name) < 0:
                raise CamlossError(f"{name} is {getattr(self, name)}; expected at least 0")

    def _check_teacher(self) -> None:
        with_teacher = [variant for variant in self.variants if LOSSES[variant].has_teacher]
        if with_teacher and not self.teacher:
            raise CamlossError(f"{with_teacher[0]} learns from a teacher; name its checkpoint, --teacher runs/NAME/ce")
        if self.teacher and not with_teacher:
            raise CamlossError("no variant learns from the teacher; leave it out, or take --loss caam-distillation")

    @property
    def arch_args(self) -> dict[str, Any]:
        """The options of the network by name: numbers, lists and names; and that it is pretrained, where it is."""
        found: dict[str, Any] = {"pretrained": True} if self.pretrained else {}
        for word in self.arch_arg:
            name, equals, text = word.partition("=")
            if not (name.isidentifier() and equals):
                raise CamlossError(f"arch_arg is {word!r}; expected NAME=VALUE, such as output_stride=16")
            try:
                found[name] = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                found[name] = text
        return found

    def alpha_at(self, epoch: int) -> float:
        """Alpha in an epoch (counted from 0): the variants differ in nothing else; cross-entropy takes none."""
        return self.alpha if epoch >= self.alpha_start_epoch else 0.0

    def learning_rate_at(self, progress: float) -> float:
        """The learning rate when a share of the run in [0, 1) is done: up over the first fifth, then down to 0."""
        if self.schedule == "constant":
            return self.learning_rate
        rise = 0.2
        return self.learning_rate * (progress / rise if progress < rise else (1 - progress) / (1 - rise))

    def refuse_other(self, record: object, what: str) -> None:
        """Raises CamlossError where `what` was trained with another config than this one."""
        ours, theirs = json.loads(json.dumps(self.record())), record if isinstance(record, Mapping) else {}
        if changed := [name for name, value in ours.items() if name not in theirs or theirs[name] != value]:
            raise CamlossError(
                f"{what} had other values of {', '.join(changed)}; "
                "repeat its flags, or run without --resume to start over"
            )

    def record(self) -> dict[str, Any]:
        """The fields that the weights depend on, as JSON; a folder by its name and a teacher by its weights, wherever
        they lie."""
        values = dataclasses.asdict(self) | {"data": self.data_name}
        if self.teacher:
            values["teacher"] = sha256_of(Path(self.teacher))[:8]
        defaults = {one.name: one.default for one in dataclasses.fields(self) if one.metadata["added"]}
        left_out = {*PATHS_AND_MODES, "variants", *(name for name in defaults if values[name] == defaults[name])}
        return {name: value for name, value in values.items() if name not in left_out}

    @property
    def data_name(self) -> str:
        """What to call the data set."""
        name = Path(self.data).resolve().name if kind_of(self.data) == "folder" else self.data
        return name.removeprefix("hf:")


RECIPES: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    # The first recipe of this project, but with today's synthetic digits: twice the MACs, AdamW, images varied more.
    "first": TrainConfig(arch="sketch_cnn", optimizer="adamw", augment=1.0, alpha=3.0),
    # The article that this project started from. alpha follows its schedule: 0 for ten epochs, then 3.
    "original": TrainConfig(
        arch="plain_cnn",
        epochs=20,
        batch_size=64,
        optimizer="adam",
        schedule="constant",
        learning_rate=1e-4,
        weight_decay=0.0,
        alpha=3.0,
        alpha_start_epoch=10,
        augment=0.0,
        synthetic=0,
        precision="float32",
    ),
    "pictures": TrainConfig(
        arch="small_resnet",
        epochs=15,
        batch_size=64,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=5e-4,
        alpha=3.0,
        alpha_start_epoch=2,
        augment=1.0,
        synthetic=0,
    ),
}


def recipe_for(data: str) -> str:
    """The recipe that a data set is trained with unless another is asked for."""
    return "default" if data == "mnist" else "pictures"


def default_output_dir(config: TrainConfig, recipe: str = "default") -> Path:
    """A folder of its own for every config: `runs/light_cnn-alpha-10-seed-0`.

    Its name holds arch, alpha and seed, the recipe unless it is the default, variants that are not of the usual pair,
    and whatever differs from the recipe.
    """
    of_recipe, of_run = RECIPES[recipe].record(), config.record()
    always, elsewhere = ("alpha", "seed"), ("arch", "data", "data_source")
    changed = [name for name in of_run if name not in (*elsewhere, *always) and of_run[name] != of_recipe.get(name)]
    named = [f"{name.replace('_', '-')}-{_in_a_name(of_run[name])}" for name in (*changed, *always)]
    data = [] if config.data == "mnist" else [config.data_name]
    own_recipe = [] if recipe == recipe_for(config.data) else [recipe]
    others = [variant for variant in config.variants if variant not in PAIR]
    return Path("runs") / "-".join([*map(_in_a_name, [*data, config.arch, *own_recipe]), *others, *named])


def _in_a_name(value: object) -> str:
    words = " ".join(map(str, value)) if isinstance(value, tuple) else str(value).removesuffix(".0")
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in words)
