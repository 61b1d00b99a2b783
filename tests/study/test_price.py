import dataclasses
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_mnist import write_tiny_mnist
from untrained import write_pair

from camloss import CamlossError
from camloss.commands import price as command
from camloss.data.dataset import Dataset
from camloss.models import build_model
from camloss.pair import Pair
from camloss.split import Split
from camloss.study import price_runs
from camloss.study.price import CANDIDATES, PriceResults, finalists, plan, winner
from camloss.study.price_measures import ROBUSTNESS, make_material, measure
from camloss.study.price_methods import PRICE_METHODS, method_of
from camloss.study.price_report import price_tables
from camloss.study.price_runs import Images, Workers, run_study
from camloss.study.runs import Records
from camloss.study.writers import REPORT_WRITERS, WrittenDigits
from camloss.training.config import TrainConfig


def record(
    method: str, seed: int, *, writers: tuple[float, ...] = (0.98, 0.97, 0.99), **changed: float
) -> dict[str, Any]:
    by_writer = {str(number): value for number, value in enumerate(writers)}
    numbers: dict[str, Any] = {
        "accuracy": 0.995,
        "calibration": 0.002,
        "two_digits_separation": 0.95,
        "robustness": 0.5,
    }
    numbers |= dict.fromkeys(ROBUSTNESS, 0.5) | {"clutter_calibration": 0.1, "strokes_worst_digit": 0.95}
    return {
        "method": method,
        "seed": seed,
        "measured": {**numbers, "strokes": by_writer, "raster": by_writer, **changed},
    }


def results(**methods: list[dict[str, Any]]) -> PriceResults:
    """Five seeds of each method, as the changes from cross-entropy by seed say; `_` stands for `-`."""
    baseline = [record("ce", seed) for seed in range(5)]
    others = [
        record(name.replace("_", "-"), seed, **change)
        for name, seeds in methods.items()
        for seed, change in enumerate(seeds)
    ]
    return PriceResults([*baseline, *others])


def test_a_margin_is_kept_by_the_whole_interval_or_where_seeds_vary_more_by_the_mean() -> None:
    found = results(
        alpha_1=[{"accuracy": 0.9945 + 1e-5 * seed} for seed in range(5)],  # loses 0.05 pp, narrowly
        alpha_3=[{"accuracy": 0.9930 + 1e-5 * seed} for seed in range(5)],  # 0.2 pp
        alpha_10=[{"accuracy": value} for value in (0.999, 0.991, 0.996, 0.994, 0.994)],  # 0.02 pp, widely
        canvas=[{"accuracy": 0.9941 + 2e-4 * seed} for seed in range(5)],  # 0.05 pp, the interval over the margin
    )
    verdicts = {name: found.loss(name, "accuracy").verdict for name in ("alpha-1", "alpha-3", "alpha-10", "canvas")}
    assert verdicts == {"alpha-1": "kept", "alpha-3": "missed", "alpha-10": "kept by the mean", "canvas": "kept"}
    assert found.loss("alpha-3", "accuracy").mean == pytest.approx(0.00198)
    assert found.loss("canvas", "accuracy").high == pytest.approx(0.0005 + 2.7764 * 2e-4 * (2.5 / 5) ** 0.5, abs=1e-6)


def test_more_calibration_error_is_a_loss() -> None:
    found = results(alpha_1=[{"calibration": 0.006 + 1e-5 * seed} for seed in range(5)])
    loss = found.loss("alpha-1", "calibration")
    assert loss.verdict == "missed"
    assert loss.mean == pytest.approx(0.00402)
    assert loss.high > loss.mean


def test_writers_are_what_the_interval_of_writers_is_over() -> None:
    found = results(alpha_1=[{"writers": (0.97, 0.96, 0.98)}] * 5, alpha_3=[{"writers": (0.98, 0.97, 0.9)}] * 5)
    assert found.loss("alpha-1", "strokes").mean == pytest.approx(0.01)
    assert found.loss("alpha-1", "strokes").high == pytest.approx(0.01)
    assert found.loss("alpha-3", "strokes").high == pytest.approx(0.03 + 4.3027 * 0.09 / 3, rel=1e-3)
    assert found.worst_writer("alpha-3") == pytest.approx(0.9)


def test_the_most_robust_that_keeps_every_margin_wins() -> None:
    even = [{"robustness": 0.8}] * 5
    found = results(alpha_1=[{}] * 5, alpha_3=even, canvas=[{"robustness": 0.9, "two_digits_separation": 0.9}] * 5)
    assert winner(found) == "alpha-3"
    found = results(alpha_1=[{}] * 5, canvas=[{"robustness": 0.9}] * 5, max_pooling=[{"robustness": 0.99}] * 5)
    assert winner(found) == "canvas"


def test_without_one_the_alpha_wins_that_misses_the_fewest() -> None:
    found = results(
        alpha_1=[{"two_digits_separation": 0.9, "accuracy": 0.99}] * 5,
        alpha_3=[{"two_digits_separation": 0.9}] * 5,
        alpha_10=[{"strokes_worst_digit": 0.93, "robustness": 0.7}] * 5,
        canvas=[{"two_digits_separation": 0.9, "robustness": 0.99}] * 5,
    )
    assert winner(found) == "alpha-10"


def test_before_there_are_five_seeds_of_an_alpha_nobody_wins() -> None:
    with pytest.raises(CamlossError, match="no alpha has 5 seeds yet; make their runs with camloss price --train"):
        winner(results(alpha_1=[{}] * 4))


def test_finalists_are_six_cheap_candidates_with_the_fewest_misses() -> None:
    first = [record(method, 0, robustness=0.5 + number / 100) for number, method in enumerate(PRICE_METHODS)]
    first = [r for r in first if r["method"] != "gem"] + [record("gem", 0, accuracy=0.99, robustness=0.99)]
    assert finalists(PriceResults(first)) == [name for name in reversed(CANDIDATES) if name != "gem"][:6]


def test_the_plan_waits_for_what_it_depends_on() -> None:
    def numbered(jobs: list[tuple[str, int]]) -> list[dict[str, Any]]:
        return [record(m, s, robustness=0.5 + list(PRICE_METHODS).index(m) / 100) for m, s in jobs]

    start = plan(PriceResults([]), set())
    assert start[: len(PRICE_METHODS)] == [(method, 0) for method in PRICE_METHODS]
    assert {seed for method, seed in start if method in CANDIDATES} == {0}
    first = numbered(start[: len(PRICE_METHODS) - 1])
    final = plan(PriceResults(first), {(list(PRICE_METHODS)[-1], 0)})
    second = [job for job in final if job[1] == 1 and job[0] in CANDIDATES]
    assert len(second) == 6
    best = second[0][0]
    assert [seed for method, seed in final if method == best] == list(range(5))
    assert [seed for method, seed in final if method == second[2][0]] == [0, 1]
    whole = plan(PriceResults([*first, *numbered([("ce", 1), *second])]), {(list(PRICE_METHODS)[-1], 0)})
    assert [seed for method, seed in whole if method == best] == list(range(10))
    assert [seed for method, seed in whole if method == second[5][0]] == list(range(5))
    assert len(whole) == len(set(whole))


NONE = PriceResults([])


@pytest.fixture
def images(data: Dataset) -> Images:
    extra = {f"extra-{seed}": Split(data.train.images[:10], data.train.labels[:10]) for seed in range(5)}
    written = WrittenDigits(data.test, torch.arange(len(data.test)) // 50)
    splits = {"train": data.train, "validation": data.validation, **extra}
    return Images(splits, {"strokes": written, "raster": written})


def test_prepared_images_come_back(images: Images, tmp_path: Path) -> None:
    images.save(tmp_path / "prepared.npz")
    found = Images.load(tmp_path / "prepared.npz")
    assert found.splits.keys() == images.splits.keys()
    assert torch.equal(found.data.train.images, images.splits["train"].images)
    extra = found.data.extra_training_images(300, 3)
    assert extra is not None
    assert torch.equal(extra.labels, images.splits["extra-3"].labels)
    assert torch.equal(found.writers["raster"].writers, images.writers["raster"].writers)
    assert len(found.data.test) == 0


def test_weights_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ({"ce-seed-0.head.bias": torch.full((10,), value)} for value in (1.0, 2.0))
    price_runs.save_weights(tmp_path, old)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        price_runs.save_weights(tmp_path, new)
    assert torch.equal(price_runs.load_saved(tmp_path)["ce-seed-0.head.bias"], torch.ones(10))


@pytest.mark.parametrize("what", ["too large", "no labels", "no zip", "other shapes"])
def test_prepared_images_that_are_damaged_are_one_line(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = tmp_path / "prepared.npz"
    images.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    if what == "too large":
        monkeypatch.setattr(price_runs, "LARGEST", 1_000_000)
        np.savez_compressed(path, zeros=np.zeros(2_000_000, np.uint8))
        assert path.stat().st_size < 10_000
    elif what == "no zip":
        path.write_bytes(b"PK\3\4" + bytes(99))
    else:
        arrays.pop("strokes.labels") if what == "no labels" else arrays.update({"train.images": np.zeros((3, 5))})
        np.savez(path, **arrays)
    with pytest.raises(CamlossError, match=r"prepared.npz is damaged \(.*\); remove it, to make it again$"):
        Images.load(path)


def test_measures_of_a_network(images: Images, data: Dataset) -> None:
    material = make_material(data.test, 40, images.writers)
    numbers = measure(build_model("light_cnn"), material, torch.device("cpu"))
    assert set(numbers["strokes"]) == {"0", "1"}
    assert numbers["robustness"] == pytest.approx(sum(numbers[name] for name in ROBUSTNESS) / 5)
    assert numbers["accuracy"] == pytest.approx(sum(numbers["strokes"].values()) / 2, abs=1e-4)
    assert 0 <= numbers["two_digits_separation"] <= 1
    given = measure(build_model("light_cnn"), material, torch.device("cpu"), temperature=1.0)
    assert given["calibration"] == given["calibration_raw"]


def write_report_writers(data_dir: Path) -> None:
    written = '.SEGMENT DIGIT {0} ? "{0}"\n.COMMENT {0} {1} {0}\n.PEN_DOWN\n 0 0\n 90 {2}\n.PEN_UP'
    lines = [written.format(digit, 1 + digit % 2, 40 * digit) for digit in range(10)]
    path = data_dir / REPORT_WRITERS
    path.parent.mkdir()
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def test_runs_are_made_printed_and_measured_once_on_test_data(
    images: Images,
    config: TrainConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = dataclasses.replace(config, epochs=1, device="cpu")
    records, weights = Records(tmp_path / "price.jsonl"), tmp_path / "weights"
    workers = Workers(
        2, config, images.data, make_material(images.splits["validation"], 20, images.writers), replay=False
    )
    try:
        run_study(workers, records, weights, 1e9, lambda job: job[0] in ("ce", "alpha-1") and job[1] < 5)
    finally:
        workers.close()
    found = records.read()
    assert set(found) == {f"{method}-seed-{seed}" for method in ("ce", "alpha-1") for seed in range(5)}
    saved = price_runs.load_weights_of(weights)
    assert set(saved) == set(found)
    assert saved["ce-seed-0"].keys() == build_model("light_cnn").state_dict().keys()
    capsys.readouterr()

    write_tiny_mnist(tmp_path)
    write_report_writers(tmp_path)
    flags = ["--records", str(records.path), "--output-dir", str(weights), "--data-dir", str(tmp_path)]
    with pytest.raises(CamlossError, match="empty lacks the weights of 10 runs, ce-seed-0 first"):
        command.main(["--test", *flags, "--output-dir", str(tmp_path / "empty")])
    command.main(["--test", *flags])
    assert "## Margins and goals on the test data" in capsys.readouterr().out
    tested = Records(tmp_path / "price-test.jsonl")
    once = tested.read()
    assert set(once) == set(found)
    assert once["ce-seed-0"]["measured"]["temperature"] == found["ce-seed-0"]["measured"]["temperature"]
    assert set(once["ce-seed-0"]["measured"]["strokes"]) == {"1", "2"}
    marked = {**once["ce-seed-0"], "is": "kept"}
    tested.write(marked)
    command.main(["--test", *flags])
    assert tested.read()["ce-seed-0"] == marked


def test_a_worker_that_was_killed_is_not_waited_for(
    images: Images,
    config: TrainConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(price_runs, "POLL", 0.1)
    config = dataclasses.replace(config, device="cpu")
    material = make_material(images.splits["validation"], 20, images.writers)
    workers = Workers(1, config, images.data, material, replay=False)
    try:
        (process,) = workers.processes
        process.kill()
        process.join()
        run_study(workers, Records(tmp_path / "price.jsonl"), tmp_path / "weights", 1e9)
    finally:
        workers.close()
    assert "a worker ended (exit code -9): start again" in capsys.readouterr().out


def test_the_models_of_a_pair_are_measured_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny_mnist(tmp_path)
    write_report_writers(tmp_path)
    pair = write_pair(tmp_path / "pair")
    for seed, measured in results(alpha_1=[{}] * 5).runs["ce"].items():
        Records(tmp_path / "price.jsonl").write({"method": "ce", "seed": seed, "measured": measured})
    command.main(["--records", str(tmp_path / "price.jsonl"), "--pair", str(pair), "--data-dir", str(tmp_path)])
    assert "## The models of the demo on the test data" in capsys.readouterr().out
    found = Records(tmp_path / "price-pair.jsonl").read()
    assert set(found) == {"ce-seed-0", "alpha-1-seed-0"}
    assert all(record["measured"]["temperature"] == 1 for record in found.values())
    assert [record["variant"] for record in found.values()] == ["ce", "cam"]
    assert {record["run"] for record in found.values()} == {Pair.load(pair).run}


@pytest.mark.parametrize(
    ("variant", "alpha", "method"),
    [
        ("ce", 0.0, "ce"),
        ("cam", 10.0, "alpha-10"),
        ("alpha-3", 3.0, "alpha-3"),
        ("virtual-canvas", 3.0, "virtual-clutter-alpha-3"),
        ("alpha-0_3", 0.3, "alpha-0.3"),
    ],
)
def test_the_method_of_a_variant(variant: str, alpha: float, method: str) -> None:
    assert method_of(variant, alpha) == method


def test_the_tables_need_no_test_records() -> None:
    kept = results(alpha_1=[{}] * 5)
    text = price_tables(kept, NONE, NONE)
    assert "**CAM-loss at alpha 1** keeps every margin" in text
    assert "It reaches 1 of 8 goals; not: clutter, canvas of 56x56" in text
    good = dict.fromkeys(ROBUSTNESS, 0.985) | {"clutter_calibration": 0.01, "writers": (0.99, 0.99)}
    rivals = {"max_pooling": [{"clutter_8": 0.99}] * 5}
    assert "reaches 8 of 8 goals." in price_tables(results(alpha_1=[good] * 5), NONE, NONE)
    assert "7 of 8 goals; not: clutter." in price_tables(results(alpha_1=[good] * 5, **rivals), NONE, NONE)
    assert "test data" not in text
    bad = results(alpha_1=[{"two_digits_separation": 0.9, "strokes_worst_digit": 0.9}] * 5)
    assert "Of the winner's margins, 2 missed: two digits apart, worst digit." in price_tables(kept, bad, NONE)
    assert "Of the winner's margins, none missed." in price_tables(kept, kept, NONE)
    assert "no records yet" in price_tables(NONE, NONE, NONE)
