"""The runs of the second study: many trainings at once, in worker processes that share the images.

Start it on a machine with a GPU and NVIDIA's Multi-Process Service, or on a CPU with one worker a core.
"""

import multiprocessing as mp
import queue
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from camloss.data.dataset import Dataset
from camloss.data.mnist import load_mnist
from camloss.data.synthetic_digits import draw_synthetic_digits
from camloss.models import MapClassifier
from camloss.split import Split
from camloss.study.measures import CLAIMED
from camloss.study.price import BASELINES, SEEDS, PriceResults, plan, winner
from camloss.study.price_measures import Material, make_material, measure
from camloss.study.price_methods import PRICE_METHODS
from camloss.study.runs import Records
from camloss.study.writers import DEV_WRITERS, REPORT_WRITERS, WrittenDigits, from_raster, from_strokes, read_digits
from camloss.training.config import RECIPES, TrainConfig
from camloss.training.loop import DivergedError, initial_model, train

MOST_TRYING = 45.0  # seconds, after which steps are not recorded

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


def prepare(data_dir: Path, config: TrainConfig) -> tuple[Prepared, Mapping[str, WrittenDigits]]:
    """The data of all runs but the test split, and the development writers' digits."""
    data = load_mnist(data_dir)
    extra = {seed: draw_synthetic_digits(config.synthetic, seed) for seed in SEEDS}
    digits = read_digits(data_dir / DEV_WRITERS)
    kept = {name: getattr(data, name) for name in ("train", "validation", "class_names", "mean", "std")}
    nothing = Split(data.test.images[:0], data.test.labels[:0])
    return Prepared(**kept, test=nothing, extra=extra), {"strokes": from_strokes(digits), "raster": from_raster(digits)}


def save_prepared(path: Path, data: Prepared, writers: Mapping[str, WrittenDigits]) -> None:
    """As one compressed file, so that another machine need not make it again."""
    splits = {"train": data.train, "validation": data.validation}
    splits |= {f"extra-{seed}": split for seed, split in data.extra.items()}
    splits |= {f"writers-{name}": written.split for name, written in writers.items()}
    arrays = {f"{name}.images": split.images.numpy() for name, split in splits.items()}
    arrays |= {f"{name}.labels": split.labels.numpy() for name, split in splits.items()}
    arrays |= {f"writers-{name}.who": written.writers.numpy() for name, written in writers.items()}
    arrays |= {name: np.array(getattr(data, name)) for name in ("class_names", "mean", "std")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_prepared(path: Path) -> tuple[Prepared, Mapping[str, WrittenDigits]]:
    with np.load(path) as file:
        found = {name: file[name] for name in file.files}

    def split(name: str) -> Split:
        return Split(*(torch.from_numpy(found[f"{name}.{part}"]) for part in ("images", "labels")))

    class_names, mean, std = (tuple(found[name].tolist()) for name in ("class_names", "mean", "std"))
    extra = {seed: split(f"extra-{seed}") for seed in SEEDS}
    train_split, nothing = split("train"), Split(torch.zeros(0, 1, 28, 28, dtype=torch.uint8), torch.zeros(0).long())
    data = Prepared(train_split, split("validation"), nothing, class_names, mean, std, extra=extra)
    writers = {
        name: WrittenDigits(split(f"writers-{name}"), torch.from_numpy(found[f"writers-{name}.who"]))
        for name in ("strokes", "raster")
    }
    return data, writers


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
    measured = {} if material is None else measure(trained.model, material, torch.device(config.device))
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
    return record, trained.model.cpu()


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
    with torch.cuda.stream(torch.cuda.Stream()) if shared.config.device.startswith("cuda") else nullcontext():
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
    """Make the runs that the protocol asks for, in its order, until none is left or the time is up.

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
        try:
            job, record, saved = workers.results.get(timeout=max(1.0, end + 5 - time.monotonic()))
        except queue.Empty:
            print("the time is up", flush=True)
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
            f"apart {numbers['apart_own']:.1%}",
            flush=True,
        )
    save_weights(weights, kept)


def save_weights(folder: Path, tensors: Mapping[str, Tensor], largest: int = 12 * 2**20) -> None:
    """As safetensors, in files that are not too large."""
    parts: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        if sum(t.nbytes for t in parts[-1].values()) + tensor.nbytes > largest:
            parts.append({})
        parts[-1][name] = tensor.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        safetensors.torch.save_file(part, folder / f"weights-{number}.safetensors")


def test_study(records: Records, test: Records, weights: Path, data_dir: Path, device: str) -> None:
    """Measure the winner, the baselines and the reference on the test images and the report writers, once.

    Args:
        records: of the validation data.
        test: receives the records; what it holds is not measured again.
        weights: folder of the runs' weights.
        data_dir: holds MNIST and the report writers.
        device: where the networks compute.
    """
    results = PriceResults(records.read().values())
    digits = read_digits(data_dir / REPORT_WRITERS)
    data = load_mnist(data_dir).test
    material = make_material(data, CLAIMED, {"strokes": from_strokes(digits), "raster": from_raster(digits)})
    saved = load_weights_of(weights)
    for method in dict.fromkeys((*BASELINES, winner(results))):
        for seed in SEEDS:
            name = f"{method}-seed-{seed}"
            if name in test.read() or name not in records.read():
                continue
            model = initial_model(RECIPES["default"], PRICE_METHODS[method].pooling)
            model.load_state_dict(saved[name])
            temperature = results.runs[method][seed]["temperature"]
            test.write(
                {
                    "method": method,
                    "seed": seed,
                    "measured": measure(model, material, torch.device(device), temperature),
                }
            )


def load_saved(folder: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote: by RUN.NAME."""
    return {
        name: tensor
        for path in sorted(folder.glob("weights-*.safetensors"))
        for name, tensor in safetensors.torch.load(path.read_bytes()).items()
    }


def load_weights_of(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The weights by the name of a run."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_saved(folder).items():
        run, _, key = name.partition(".")
        found.setdefault(run, {})[key] = tensor
    return found
