"""The runs of the second study: many trainings at once, in worker processes that share the images.

Start it on a machine with a GPU and NVIDIA's Multi-Process Service, or on a CPU with one worker a core.
"""

import multiprocessing as mp
import queue
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from camloss.checkpoint import fill, unpack, write_atomically
from camloss.data.dataset import Dataset
from camloss.data.mnist import load_mnist
from camloss.data.synthetic_digits import draw_synthetic_digits
from camloss.errors import CamlossError, one_line
from camloss.losses import BASELINE
from camloss.models import MNIST_MEAN, MNIST_STD, MapClassifier, map_classifier
from camloss.split import Split
from camloss.study.measures import CLAIMED
from camloss.study.price import ALPHAS, BASELINES, SEEDS, PriceResults, plan, winner
from camloss.study.price_measures import Material, make_material, measure
from camloss.study.price_methods import PRICE_METHODS
from camloss.study.runs import Records
from camloss.study.writers import DEV_WRITERS, REPORT_WRITERS, WrittenDigits, from_raster, from_strokes, read_digits
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import DivergedError, initial_model, train

LARGEST = 2_000_000_000  # bytes of prepared images; the study's take 130 million
MOST_TRYING = 45.0  # seconds, after which steps are not recorded
POLL = 10.0  # seconds between two looks at whether the workers are alive

Job = tuple[str, int]
"""Method and seed."""


@dataclass(frozen=True)
class Prepared(Dataset):
    """MNIST with its synthetic digits drawn in advance."""

    extra: Mapping[int, Split] = field(default_factory=dict)
    """By seed."""

    def extra_training_images(self, count: int, seed: int) -> Split | None:
        found = self.extra.get(seed)
        return found if found is not None else draw_synthetic_digits(count, seed)


@dataclass(frozen=True)
class Images:
    """What is learnt from and measured on, in a form that one file holds."""

    splits: Mapping[str, Split]
    """"train", "validation" and "extra-SEED", the synthetic digits of a seed; or "test"."""
    writers: Mapping[str, WrittenDigits]
    """"strokes" and "raster"."""

    @classmethod
    def for_training(cls, data_dir: Path, synthetic: int) -> "Images":
        data = load_mnist(data_dir)
        extra = {f"extra-{seed}": draw_synthetic_digits(synthetic, seed) for seed in SEEDS}
        return cls({"train": data.train, "validation": data.validation, **extra}, written_by(data_dir / DEV_WRITERS))

    @classmethod
    def for_test(cls, data_dir: Path) -> "Images":
        return cls({"test": load_mnist(data_dir).test}, written_by(data_dir / REPORT_WRITERS))

    @classmethod
    def load(cls, path: Path) -> "Images":
        """What `save` wrote.

        Raises:
            CamlossError: it is damaged, or unpacks to more than `LARGEST` bytes.
        """
        try:
            with np.load(path) as file:
                if (size := sum(entry.file_size for entry in file.zip.infolist())) > LARGEST:
                    raise ValueError(f"it unpacks to {size:,} bytes, at most {LARGEST:,} are read")
                found = {name: torch.from_numpy(file[name]) for name in file.files}
            names = {name.partition(".")[0] for name in found}
            splits = {name: _split(found[f"{name}.images"], found[f"{name}.labels"]) for name in sorted(names)}
            writers = {way: _written(splits.pop(way), found[f"{way}.writers"]) for way in ("strokes", "raster")}
        except Exception as error:  # of numpy, zip and zlib
            raise CamlossError(f"{path} is damaged ({one_line(error)}); remove it, to make it again") from error
        return cls(splits, writers)

    def save(self, path: Path) -> None:
        """Compressed, so that another machine need not make it again."""
        splits = {**self.splits, **{way: written.split for way, written in self.writers.items()}}
        arrays = {f"{name}.images": split.images.numpy() for name, split in splits.items()}
        arrays |= {f"{name}.labels": split.labels.numpy() for name, split in splits.items()}
        arrays |= {f"{way}.writers": written.writers.numpy() for way, written in self.writers.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @property
    def data(self) -> Prepared:
        """What is learnt from; without test images."""
        train = self.splits["train"]
        return Prepared(
            train=train,
            validation=self.splits["validation"],
            test=Split(train.images[:0], train.labels[:0]),
            class_names=tuple("0123456789"),
            mean=(MNIST_MEAN,),
            std=(MNIST_STD,),
            extra={seed: self.splits[f"extra-{seed}"] for seed in SEEDS},
        )


def _split(images: Tensor, labels: Tensor) -> Split:
    """
    Raises:
        ValueError: they are no images of digits, or not as many labels.
    """
    sizes = images.shape == (len(labels), 1, 28, 28) and images.dtype == torch.uint8
    if not sizes or labels.dtype != torch.int64 or not bool(((labels >= 0) & (labels <= 9)).all()):
        raise ValueError(f"{tuple(labels.shape)} labels {labels.dtype} for {tuple(images.shape)} {images.dtype}")
    return Split(images, labels)


def _written(split: Split, writers: Tensor) -> WrittenDigits:
    if writers.shape != split.labels.shape or writers.dtype != torch.int64:
        raise ValueError(f"{tuple(writers.shape)} writers {writers.dtype} of {len(split)} digits")
    return WrittenDigits(split, writers)


def written_by(path: Path) -> dict[str, WrittenDigits]:
    digits = read_digits(path)
    return {"strokes": from_strokes(digits), "raster": from_raster(digits)}


def make_run(
    job: Job, config: TrainConfig, data: Dataset, material: Material | None, replay: bool
) -> tuple[dict[str, Any], MapClassifier]:
    """Train and, with material, measure: the record, and the network."""
    method, seed = job
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = replace(config, seed=seed, alpha=PRICE_METHODS[method].alpha, output_dir=Path(folder))
        trained = train(
            config, method, data, log=lambda _: None, replay=replay, **PRICE_METHODS[method].training(config)
        )
    seconds = time.perf_counter() - started
    measured = {} if material is None else measure(map_classifier(trained.model), material, torch.device(config.device))
    record = {
        "method": method,
        "seed": seed,
        "config": config.record(),
        "environment": trained.environment | {"replay": replay},
        "seconds": round(seconds, 1),
        "ce": [round(epoch["ce"], 5) for epoch in trained.history],
        "validation_accuracy": [round(epoch["validation_accuracy"], 4) for epoch in trained.history],
        "measured": measured,
    }
    return record, map_classifier(trained.model.cpu())


def packed(model: MapClassifier) -> bytes:
    """Its weights as safetensors."""
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})


def replays_alike(config: TrainConfig, data: Dataset) -> bool:
    """Whether recorded steps train here as plain ones do: on a few images, both ways."""
    few = Dataset(
        Split(data.train.images[:6_000], data.train.labels[:6_000]),
        *(data.validation, data.test, data.class_names, data.mean, data.std),
    )
    plain, replayed = (
        make_run(("alpha-1", 0), replace(config, epochs=3, synthetic=0), few, None, replay)[0]
        for replay in (False, True)
    )
    first, last = (abs(plain["ce"][at] / replayed["ce"][at] - 1) for at in (0, -1))
    print(
        f"replayed steps: the loss differs by {first:.2%} at first, {last:.2%} at last; "
        f"{plain['seconds']} and {replayed['seconds']} s",
        flush=True,
    )
    return bool(first < 0.02 and last < 0.1)


class Workers:
    """Processes that make runs side by side; forked, so that they share the images in memory.

    Args:
        count: how many.
        config: of all runs; its device is an explicit one.
        data: what they learn from.
        material: what they are measured on.
        replay: whether to record steps; it is tried first.
    """

    def __init__(self, count: int, config: TrainConfig, data: Dataset, material: Material, replay: bool) -> None:
        context = mp.get_context("fork")
        self.jobs, self.results = context.Queue(), context.Queue()
        shared = _Shared(self.jobs, self.results, context.Value("b", -1 if replay else 0), config, data, material)
        self.processes = [
            context.Process(target=_work, args=(shared, replay and number == 0), daemon=True) for number in range(count)
        ]
        for process in self.processes:
            process.start()

    def first_dead(self) -> int | None:
        """The exit code of a worker that has ended, whose run would be waited for in vain; None where all are alive."""
        return next((process.exitcode for process in self.processes if not process.is_alive()), None)

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()


@dataclass(frozen=True)
class _Shared:
    """What all workers have."""

    jobs: Any
    results: Any
    replays: Any
    """Whether steps are recorded: 1, 0, or -1 while that is tried."""
    config: TrainConfig
    data: Dataset
    material: Material


def _work(shared: _Shared, tries: bool) -> None:
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # what is measured is measured in float32
    device = shared.config.device
    with torch.cuda.stream(torch.cuda.Stream(device)) if device.startswith("cuda") else nullcontext():
        if tries:
            try:
                shared.replays.value = int(replays_alike(shared.config, shared.data))
            except Exception as error:  # whatever a driver says
                print(f"steps cannot be replayed: {error}", flush=True)
                shared.replays.value = 0
        started = time.monotonic()
        while shared.replays.value < 0 and time.monotonic() - started < MOST_TRYING:
            time.sleep(0.05)
        for job in iter(shared.jobs.get, None):
            shared.results.put((job, *_attempts(job, shared)))


def _attempts(job: Job, shared: _Shared) -> tuple[dict[str, Any], bytes]:
    """The record and the weights of a run; where recording its step fails, it is made without."""
    failure = ""
    for replay in (True, False) if shared.replays.value == 1 else (False,):
        try:
            record, model = make_run(job, shared.config, shared.data, shared.material, replay)
            return record, packed(model)
        except Exception as error:  # one run that fails ends no other
            failure = f"{type(error).__name__}: {error}"
            print(f"{job[0]}-seed-{job[1]}, replay {replay}: {failure}", flush=True)
            if isinstance(error, DivergedError):
                break
    return {"method": job[0], "seed": job[1], "failed": failure}, b""


def run_study(
    workers: Workers, records: Records, weights: Path, seconds: float, only: Callable[[Job], bool] = lambda _: True
) -> None:
    """Make the runs that the protocol asks for, in its order, until none is left, the time is up or a worker is killed.

    Args:
        workers: who make them.
        records: receives a record a run; the runs that it holds are not made again.
        weights: folder for the weights, several runs a file; what lies there stays.
        seconds: no run is begun that would last longer than this.
        only: the runs to make.
    """
    end, longest = time.monotonic() + seconds, 0.0
    given: set[Job] = set()
    failed: set[Job] = set()
    begun: set[Job] = set()
    kept = load_saved(weights)
    known = {(record["method"], record["seed"]): record for record in records.read().values()}
    while True:
        asked = [job for job in plan(PriceResults(known.values()), failed) if only(job)]
        left = [job for job in asked if job not in known and job not in given]
        while left and len(begun) < len(workers.processes) and time.monotonic() + longest < end:
            job = left.pop(0)
            given.add(job)
            begun.add(job)
            workers.jobs.put(job)
        if not begun:
            break
        left_to_wait = end + 5 - time.monotonic()
        try:
            job, record, saved = workers.results.get(timeout=min(max(1.0, left_to_wait), POLL))
        except queue.Empty:
            ended = workers.first_dead()
            if ended is None and left_to_wait > POLL:
                continue
            print("the time is up" if ended is None else f"a worker ended (exit code {ended}): start again", flush=True)
            break
        begun.discard(job)
        longest = max(longest, 1.1 * record.get("seconds", 0.0) + 3)
        name = f"{job[0]}-seed-{job[1]}"
        if "failed" in record:
            print(f"{name}: {record['failed']}", flush=True)
            failed.add(job)
            continue
        known[job] = record
        records.write(record)
        kept |= {f"{name}.{key}": value for key, value in safetensors.torch.load(saved).items()}
        if len(known) % 8 == 0:  # in case the machine is taken away
            save_weights(weights, kept)
        numbers = record["measured"]
        print(
            f"{name}: {record['seconds']:.0f} s, clean {numbers['accuracy']:.2%}, robust {numbers['robustness']:.1%}, "
            f"apart {numbers['two_digits_separation']:.1%}",
            flush=True,
        )
    save_weights(weights, kept)


def save_weights(folder: Path, tensors: Mapping[str, Tensor], largest: int = 12 * 2**20) -> None:
    """As safetensors, in files that are not too large; whatever stops it, each is the old one or the new one, whole."""
    parts: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        if sum(t.nbytes for t in parts[-1].values()) + tensor.nbytes > largest:
            parts.append({})
        parts[-1][name] = tensor.contiguous()
    for number, part in enumerate(parts):
        write_atomically(folder / f"weights-{number}.safetensors", safetensors.torch.save(part))


def test_study(images: Images, records: Records, test: Records, weights: Path, *, device: str, workers: int) -> None:
    """Measure the winner, the baselines and the reference on the test images and the report writers, once.

    Args:
        images: those for the test.
        records: of the validation data.
        test: receives the records; what it holds is not measured again.
        weights: folder of the runs' weights.
        device: where the networks compute.
        workers: how many processes measure.

    Raises:
        CamlossError: the weights of a run are not there.
    """
    known = records.read()
    results = PriceResults(known.values())
    material = make_material(images.splits["test"], CLAIMED, images.writers)
    saved, done = load_weights_of(weights), test.read()
    first = list(dict.fromkeys((BASELINE, winner(results), ALPHAS[-1])))  # what README speaks of
    methods = list(dict.fromkeys((*first, *BASELINES)))
    asked = [f"{method}-seed-{seed}" for method in methods for seed in results.only(SEEDS).runs[method]]
    if lacking := [name for name in asked if name not in saved and name not in done]:
        raise CamlossError(
            f"{weights} lacks the weights of {len(lacking)} runs, {lacking[0]} first; name the folder that "
            "camloss price --train wrote, or remove their records and train them again"
        )
    runs = [
        _Tested(known[name], saved[name], material, device)
        for some in (first, methods[len(first) :])
        for seed in SEEDS
        for method in some
        if (name := f"{method}-seed-{seed}") in known and name not in done
    ]
    with ProcessPoolExecutor(workers, mp.get_context("fork")) as pool:
        for record in pool.map(_Tested.record, runs):
            test.write(record)


def of_variants(
    models: Mapping[str, MapClassifier], methods: Mapping[str, str], images: Images, device: torch.device
) -> list[dict[str, Any]]:
    """Measure the models of a pair as the protocol does on the test data; their temperature is in their heads.

    Args:
        models: by variant.
        methods: the name of each variant's method.
        images: those for the test.
        device: where the networks compute.

    Returns:
        A record for each, as seed 0 of its method.
    """
    material = make_material(images.splits["test"], CLAIMED, images.writers)
    return [
        {
            "method": methods[variant],
            "variant": variant,
            "seed": 0,
            "measured": measure(model, material, device, temperature=1.0),
        }
        for variant, model in models.items()
    ]


@dataclass(frozen=True)
class _Tested:
    """A run that is measured on the test data."""

    validated: Mapping[str, Any]
    """Its record of the validation data."""
    weights: Mapping[str, Tensor]
    material: Material
    device: str

    def record(self) -> dict[str, Any]:
        torch.set_num_threads(1)
        torch.backends.cudnn.allow_tf32 = False
        method, seed, arch = self.validated["method"], self.validated["seed"], self.validated["config"]["arch"]
        config = replace(RECIPES["default"], arch=arch)
        model = map_classifier(initial_model(config, PRICE_METHODS[method].pooling))
        fill(model, self.weights, f"the file of {method}-seed-{seed}")
        temperature = self.validated["measured"]["temperature"]
        numbers = measure(model, self.material, torch.device(self.device), temperature)
        return {"method": method, "seed": seed, "measured": numbers}


def load_saved(folder: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote: by RUN.NAME."""
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("weights-*.safetensors")):
        found |= unpack(path)[0]
    return found


def load_weights_of(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The weights by the name of a run."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_saved(folder).items():
        run, _, key = name.partition(".")
        found.setdefault(run, {})[key] = tensor
    return found
