"""Which epochs of a training are kept, and the file that holds them."""

from pathlib import Path

import pytest
import torch

from camloss import CamlossError, build_model
from camloss.checkpoint import pack, unpack
from camloss.epoch_snapshots import (
    EPOCHS,
    MOST,
    by_epoch,
    flattened,
    load_snapshots,
    read_snapshots,
    save_snapshots,
    snapshot_epochs,
    snapshot_of,
)


@pytest.mark.parametrize(
    ("epochs", "alpha_start_epoch", "kept"),
    [
        (10, 1, [1, 2, 3, 4, 6, 10]),
        (10, 0, [1, 2, 3, 4, 6, 10]),
        (40, 10, [10, 13, 17, 23, 30, 40]),
        (6, 1, [1, 2, 3, 4, 5, 6]),
        (3, 1, [1, 2, 3]),
        (3, 2, [2, 3]),
        (1, 0, [1]),
        (3, 5, [3]),  # only cross-entropy
    ],
)
def test_the_alpha_start_epoch_the_last_and_growing_steps_between(
    epochs: int, alpha_start_epoch: int, kept: list[int]
) -> None:
    assert snapshot_epochs(epochs, alpha_start_epoch) == kept


def test_never_more_than_six_and_always_the_ends() -> None:
    for epochs in range(1, 200):
        for alpha_start_epoch in range(1, epochs + 1):
            kept = snapshot_epochs(epochs, alpha_start_epoch)
            assert len(kept) <= MOST == 6
            assert kept == sorted(set(kept))
            assert (kept[0], kept[-1]) == (alpha_start_epoch, epochs)


def test_a_snapshot_is_a_copy_in_float16() -> None:
    model = build_model("sketch_cnn")
    before = model.head.weight.detach().clone()
    snapshot = snapshot_of(model)
    with torch.no_grad():
        model.head.weight.add_(1)
    assert torch.equal(snapshot["head.weight"], before.half())
    assert snapshot.keys() == model.state_dict().keys()
    assert {str(value.dtype) for value in snapshot.values()} == {"torch.float16", "torch.int64"}


def test_what_is_saved_is_read_by_its_training_and_by_no_other(tmp_path: Path) -> None:
    models = {epoch: build_model("sketch_cnn").eval() for epoch in (10, 2)}
    save_snapshots({epoch: snapshot_of(model) for epoch, model in models.items()}, tmp_path, "run")
    _, header = unpack(tmp_path / EPOCHS)
    assert header == {"run": {"id": "run"}, "snapshots": {"epochs": [2, 10]}}
    assert read_snapshots(tmp_path, "another") == {}
    networks = load_snapshots(tmp_path, "run", build_model("sketch_cnn"))
    assert list(networks) == [2, 10]
    for epoch, network in networks.items():
        assert not network.training
        for name, value in network.state_dict().items():
            original = models[epoch].state_dict()[name]
            assert torch.equal(value, original.half().float() if original.is_floating_point() else original)


def test_a_checkpoint_is_whole_without(tmp_path: Path) -> None:
    assert load_snapshots(tmp_path, "run", build_model("sketch_cnn")) == {}


def test_flattened_and_back() -> None:
    snapshots = {2: {"head.bias": torch.ones(1)}, 10: {"head.bias": torch.zeros(1)}}
    assert list(flattened(snapshots)) == ["2.head.bias", "10.head.bias"]
    assert by_epoch(dict(reversed(flattened(snapshots).items()))) == snapshots


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not safetensors", "is damaged"),
        *(
            (pack({f"{epoch}.head.bias": torch.zeros(10)}, run={"id": "run"}), r"'.* is no weight after an epoch")
            for epoch in ("last", "-1", "0", "1_0", " 1", "1e1", "\u0663", "9" * 5_000, "")
        ),
        (pack({"head": torch.zeros(10)}, run={"id": "run"}), "'head' is no weight after an epoch"),
        (pack({"1.head.bias": torch.zeros(10).half()}, run={"id": "run"}), "epoch 1, does not fit arch 'sketch_cnn'"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / EPOCHS).write_bytes(content)
    with pytest.raises(CamlossError, match=reason) as refused:
        load_snapshots(tmp_path, "run", build_model("sketch_cnn"))
    assert "\n" not in str(refused.value)
