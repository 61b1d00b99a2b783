"""What is a pair and what is none, and how one pair takes the place of another."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from untrained import RECORD, write_pair

from camloss import CamlossError, build_model, load_checkpoint, save_checkpoint
from camloss.checkpoint import WEIGHTS, load_training, pack, unpack
from camloss.losses import LOSSES, CAMLoss, Loss
from camloss.pair import (
    ARRIVED,
    BusyError,
    Pair,
    alone_in,
    described,
    pair_config,
    put_pair,
    settle,
    settle_alone,
    write_pair_config,
)

NAMES = ("ce", "cam")
OF_PAIR = pair_config(NAMES, RECORD["run"])


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return write_pair(tmp_path / "pair")


def rewrite(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Save the same weights with another training record."""
    training = load_training(directory)
    change(training)
    save_checkpoint(load_checkpoint(directory), directory, training, OF_PAIR)


def weights(folder: Path) -> dict[str, bytes]:
    return {variant: (folder / variant / WEIGHTS).read_bytes() for variant in NAMES}


def test_a_pair_is_loaded_by_name_in_order(pair: Path) -> None:
    loaded = Pair.load(pair)
    assert list(loaded.models) == ["ce", "cam"]
    assert loaded.run == RECORD["run"]
    assert loaded.num_classes == 10
    assert torch.equal(loaded["cam"].head.weight, load_checkpoint(pair / "cam").head.weight)
    assert not loaded["ce"].training


def test_a_new_loss_makes_no_existing_pair_unreadable(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "new", Loss("New", "a new loss", CAMLoss))
    assert Pair.load(pair).variants == NAMES
    monkeypatch.delitem(LOSSES, "cam")  # nor does one that is gone
    assert Pair.load(pair).variants == NAMES
    assert described("cam").title == "cam"


def test_a_pair_names_its_own_variants_the_baseline_first(tmp_path: Path) -> None:
    folder = write_pair(tmp_path, variants=("base", "cam", "half"))
    assert Pair.load(folder).variants == ("base", "cam", "half")
    assert load_checkpoint(folder, "half").head.weight.equal(Pair.load(folder)["half"].head.weight)
    write_pair_config(folder, ("cam", "base"), RECORD["run"])  # not what the weight files say
    with pytest.raises(CamlossError, match=r"is no pair: cam is not of the pair in config\.json"):
        Pair.load(folder)


def test_a_subfolder_that_is_not_listed_is_ignored(pair: Path) -> None:
    (pair / "notes").mkdir()
    write_pair(pair / "another", seed=3)
    assert Pair.load(pair).variants == NAMES


@pytest.mark.parametrize("setting", ["alpha", "alpha_start_epoch"])
def test_variants_may_differ_in_the_loss(pair: Path, setting: str) -> None:
    rewrite(pair / "ce", lambda training: training["config"].update({setting: 0}))
    assert Pair.load(pair).run == RECORD["run"]


def set_config(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda training: training["config"].update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_config(seed=7), r"differ in seed \(ce 0, cam 7\)"),
        (set_config(epochs=9), r"differ in epochs \(ce 2, cam 9\)"),
        (set_config(label_smoothing=0.1), r"differ in label_smoothing \(ce None, cam 0.1\)"),
        (lambda training: training["environment"].update(precision="bfloat16"), "differ in precision in use"),
        (lambda training: training.update(run="another"), r"differ in the training that made them"),
        (set_config(**{"a\nb": "c\nd" + "e" * 9_000}), "differ in a b .*, cam c de"),
        (lambda training: training.pop("run"), r"differ in the training that made them \(ce .*, cam None\)"),
        (lambda training: training.update(variant="ce"), "in the place of cam lies a ce"),
        (lambda training: training.clear(), "in the place of cam lies a checkpoint without a record"),
    ],
)
def test_a_record_that_differs_in_more_than_the_loss_is_refused(
    pair: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    rewrite(pair / "cam", change)
    with pytest.raises(CamlossError, match=f"{pair} is no pair: .*{reason}.*`camloss join-pair`$") as refused:
        Pair.load(pair)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(pair))


def test_another_arch_beside_it_is_refused(pair: Path) -> None:
    save_checkpoint(build_model("plain_cnn"), pair / "cam", load_training(pair / "cam"), OF_PAIR)
    with pytest.raises(CamlossError, match=r"differ in arch \(ce sketch_cnn, cam plain_cnn\)"):
        Pair.load(pair)


def test_another_number_of_classes_is_refused(pair: Path) -> None:
    save_checkpoint(build_model("sketch_cnn", 11), pair / "cam", load_training(pair / "cam"), OF_PAIR)
    with pytest.raises(CamlossError, match=r"differ in num_classes \(ce 10, cam 11\)"):
        Pair.load(pair)


def test_another_pooling_is_refused(pair: Path) -> None:
    save_checkpoint(build_model("sketch_cnn", pooling="max"), pair / "cam", load_training(pair / "cam"))
    with pytest.raises(CamlossError, match=r"differ in pooling \(ce avg, cam max\)"):
        Pair.load(pair)


def test_the_same_weights_twice_are_refused(pair: Path) -> None:
    save_checkpoint(load_checkpoint(pair / "ce"), pair / "cam", load_training(pair / "cam"), OF_PAIR)
    with pytest.raises(CamlossError, match="ce and cam hold the same weights"):
        Pair.load(pair)


def test_weights_that_are_no_finite_numbers_are_refused(pair: Path) -> None:
    tensors, header = unpack(pair / "cam" / WEIGHTS)
    tensors["head.weight"][3, 5] = float("nan")
    (pair / "cam" / WEIGHTS).write_bytes(pack(tensors, **header))
    with pytest.raises(CamlossError, match=r"head\.weight holds NaN or infinite values"):
        Pair.load(pair)


@pytest.mark.parametrize("variant", NAMES)
def test_half_a_pair_is_refused(pair: Path, variant: str) -> None:
    shutil.rmtree(pair / variant)
    with pytest.raises(CamlossError, match=f"no checkpoint in .*{variant}: {WEIGHTS} is missing"):
        Pair.load(pair)


# One pair in place of another


def test_a_pair_takes_the_place_of_another_and_leaves_the_rest(pair: Path, tmp_path: Path) -> None:
    (pair / "notes.txt").write_text("{}", encoding="utf-8")
    staged = write_pair(pair / ".staged", seed=5)
    new = weights(staged)
    put_pair(staged, pair)
    assert weights(pair) == new
    assert sorted(path.name for path in pair.iterdir()) == ["cam", "ce", "config.json", "notes.txt"]
    put_pair(write_pair(tmp_path / "first", seed=6), tmp_path / "new" / "folder")
    assert Pair.load(tmp_path / "new" / "folder").run == RECORD["run"]


class KilledError(BaseException):
    """Stands for kill -9: nothing after it runs."""


def test_a_kill_at_any_moment_leaves_the_old_pair_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_dir, new_dir = write_pair(tmp_path / "old"), write_pair(tmp_path / "new", seed=5)
    old, new = weights(old_dir), weights(new_dir)
    cam_of = {state["cam"]: Pair.load(folder)["cam"].head.weight for state, folder in ((old, old_dir), (new, new_dir))}
    outcomes = []
    for steps in range(20):
        folder = tmp_path / f"killed-{steps}"
        shutil.copytree(old_dir, folder)
        staged = shutil.copytree(new_dir, folder / ".staged")
        left = [steps]

        def limited(call: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                if left[0] == 0:
                    raise KilledError
                left[0] -= 1
                return call(*arguments, **options)

            return step

        with monkeypatch.context() as patch:
            for name in ("rename", "replace", "rmdir", "unlink"):
                patch.setattr(os, name, limited(getattr(os, name)))
            try:
                put_pair(staged, folder)
            except KilledError:
                pass
            else:
                break
        found = Pair.load(folder)["cam"].head.weight
        is_new = torch.equal(found, cam_of[new["cam"]])
        assert is_new or torch.equal(found, cam_of[old["cam"]])
        outcomes.append(is_new)
        settle(folder)
        assert weights(folder) == (new if is_new else old)
        assert not (folder / ARRIVED).exists()
    else:
        pytest.fail("the pair is never put in place")
    assert outcomes[0] is False
    assert outcomes[1:] == [True] * (len(outcomes) - 1)  # from the first rename on
    assert len(outcomes) > 4


def test_nobody_settles_beside_who_is_at_work(pair: Path) -> None:
    settle_alone(pair)
    assert sorted(path.name for path in pair.iterdir()) == [
        "cam",
        "ce",
        "config.json",
    ]  # nothing to do, so no lock either
    new = weights(write_pair(pair / ARRIVED, seed=5))
    with alone_in(pair), pytest.raises(BusyError, match="another training is at work"):
        settle_alone(pair)
    assert weights(pair / ARRIVED) == new
    settle_alone(pair)
    assert weights(pair) == new


def test_what_is_no_pair_takes_nobodys_place(pair: Path, tmp_path: Path) -> None:
    before = weights(pair)
    staged = write_pair(tmp_path / "staged", seed=5)
    rewrite(staged / "cam", lambda training: training.update(run="another"))
    with pytest.raises(CamlossError, match="is no pair"):
        put_pair(staged, pair)
    assert weights(pair) == before


def test_the_shipped_pair_is_one() -> None:
    folder = Path(__file__).resolve().parent.parent / "checkpoints"
    assert len(Pair.load(folder).run) == 16
    for variant in NAMES:
        assert json.loads((folder / variant / "training.json").read_text(encoding="utf-8")) == load_training(
            folder / variant
        )


def test_a_home_folder_is_a_pair_and_a_file_is_none(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pair.parent))
    assert Pair.load(f"~/{pair.name}").run == RECORD["run"]
    alone = pair.parent / "alone.safetensors"
    alone.touch()
    with pytest.raises(CamlossError, match=r"is a file; name the folder of a pair, or take load_checkpoint$"):
        Pair.load(alone)
    with pytest.raises(CamlossError, match="is no address of a repository; expected https://hugging"):
        Pair.load("https://huggingface.co/user")


def test_shown_are_the_first_two(tmp_path: Path) -> None:
    pair = Pair.load(write_pair(tmp_path, variants=("ce", "cam", "alpha-3")))
    assert pair.variants == ("ce", "cam", "alpha-3")
    assert pair.shown.variants == ("ce", "cam")
    assert pair.shown["cam"] is pair["cam"]
    assert pair.shown.run == pair.run
