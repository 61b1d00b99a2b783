"""Which runs there are, where their records lie, and how a matched control's strength is found."""

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from camloss.errors import CamlossError
from camloss.models import build_model
from camloss.split import Split
from camloss.study.methods import MATCHED_TO, METHODS
from camloss.study.runs import (
    SMALLEST_AREA,
    TOLERANCE,
    TRIES,
    Records,
    Study,
    is_near,
    mean_area,
    method_of,
    next_strength,
)
from camloss.terms import any_caam
from camloss.training.config import TrainConfig


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(TrainConfig(output_dir=tmp_path), 10_000, Records(tmp_path / "records.jsonl"))


def test_one_seed_of_every_method_comes_first_and_what_claims_rest_on_next(study: Study) -> None:
    runs = study.runs()
    assert runs[:3] == ["ce-seed-0", "alpha-3-seed-0", "alpha-0.1-seed-0"]
    assert {method_of(run) for run in runs[: len(METHODS)]} == set(METHODS)
    early = [name for name, method in METHODS.items() if method.early]
    assert runs[len(METHODS) :][: len(early)] == [f"{name}-seed-1" for name in early]
    assert len(runs) == len(set(runs)) == sum(method.seeds for method in METHODS.values())


def test_five_seeds_of_what_claims_rest_on_and_three_of_the_others() -> None:
    for name, method in METHODS.items():
        assert method.seeds == (5 if name == "ce" or method.kind == "alpha sweep" or method.matched else 3), name


def test_a_list_of_methods_and_seeds(study: Study) -> None:
    assert study.runs(["alpha-3", "ce"], [0, 7]) == [
        f"{method}-seed-{seed}" for seed in (0, 7) for method in ("ce", "alpha-3")
    ]


def test_the_key_follows_what_all_runs_share(study: Study) -> None:
    own = dataclasses.replace(study.config, alpha=0.1, seed=5, output_dir=Path("elsewhere"))
    assert dataclasses.replace(study, config=own).key == study.key
    longer = dataclasses.replace(study.config, epochs=11)
    assert dataclasses.replace(study, config=longer).key != study.key
    assert dataclasses.replace(study, validation_size=5_000).key != study.key


def test_method_of() -> None:
    assert [method_of(name) for name in ("alpha-3-seed-0", "small-cam-search/0.5")] == ["alpha-3", "small-cam"]
    with pytest.raises(CamlossError, match="expected METHOD-seed-N"):
        method_of("ce")


def test_records_are_sorted_lines_and_a_record_replaces_that_of_its_name(tmp_path: Path) -> None:
    records = Records(tmp_path / "study" / "short.jsonl")
    assert records.read() == {}
    for method, seed, value in (("ce", 1, 0.5), ("alpha-3", 0, 0.1), ("ce", 1, 0.25)):
        records.write({"method": method, "seed": seed, "value": value})
    records.write({"method": "small-cam", "strength": 2.0})
    lines = records.path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ['{"method":"alpha-3","seed":0,"value":0.1}', '{"method":"ce","seed":1,"value":0.25}']
    assert list(records.read()) == ["alpha-3-seed-0", "ce-seed-1", "small-cam-search"]
    assert records.read() == {name: json.loads(line) for name, line in zip(records.read(), lines, strict=True)}


def test_workers_that_write_at_once_lose_no_record(tmp_path: Path) -> None:
    records = Records(tmp_path / "short.jsonl")

    def write(worker: int) -> None:
        for seed in range(10):
            records.write({"method": f"worker-{worker}", "seed": seed})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(records.read()) == 40


NO_RECORDS = (
    *("{", "[]", "{}", "1", '{"method":"ce"}', '{"method":1,"seed":0}', '{"method":"ce","seed":"0"}', "[" * 100_000),
    *('{"method":"ce","strength":-1}', '{"method":"ce","seed":0,"test":{"accuracy":NaN}}'),
    *('{"method":"ce","seed":0,"test":{"accuracy":"0.9"}}', '{"method":"ce","seed":0,"history":[{"alpha":1e400}]}'),
    *(
        '{"method":"ce","seed":0,"config":{"alpha":1' + "0" * 400 + "}}",
        '{"method":"ce","seed":0,"measured":{"strokes":{}}}',
    ),
    '{"method":"ce","seed":0,"note":"' + "a" * 1_000_000 + '"}',
)


@pytest.mark.parametrize("line", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_a_line_that_is_no_record_is_one_clear_error(tmp_path: Path, line: str) -> None:
    path = tmp_path / "short.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(CamlossError, match=r"holds a line that is no record \(.*\); restore the file"):
        Records(path).read()


def test_the_first_strengths() -> None:
    assert next_strength({}, 0.1, 1.0) == 1.0
    assert next_strength({1.0: 0.3}, 0.1, 1.0) == 4.0  # too large still
    assert next_strength({1.0: 0.05}, 0.1, 1.0) == 0.25
    assert next_strength({1.0: 0.4, 4.0: 0.1}, 0.2, 1.0) == 2.0  # half method on both scales


def test_a_penalty_that_has_killed_all_features_is_too_strong() -> None:
    """Its maps are flat, of area 0, which has no logarithm."""
    model = build_model("tiny_cnn").eval()
    nn.init.zeros_(model.features[-2].weight)  # type: ignore[index]
    split = Split(torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8), torch.arange(4))
    area = mean_area(model, any_caam, split)
    assert area == SMALLEST_AREA
    assert not is_near(area, 0.1)
    assert 1.0 < next_strength({1.0: 0.2, 4.0: area}, 0.1, 1.0) < 4.0


@pytest.mark.parametrize("law", [lambda s: 0.2 / s, lambda s: 0.2 * s**-0.5, lambda s: 0.4 / (1 + s**2)])
@pytest.mark.parametrize("target", [0.02, 0.05, 0.15])
def test_a_strength_is_found_in_few_tries(law: Callable[[float], float], target: float) -> None:
    tries: dict[float, float] = {}
    while not any(is_near(area, target) for area in tries.values()):
        strength = next_strength(tries, target, 1.0)
        tries[strength] = law(strength)
        assert len(tries) <= TRIES
    assert any(1 / (1 + TOLERANCE) <= area / target <= 1 + TOLERANCE for area in tries.values())


def test_what_is_matched_is_there() -> None:
    assert METHODS[MATCHED_TO].kind == "alpha sweep"
