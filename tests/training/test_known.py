"""Doubt fitted on a small data set, kept by a checkpoint, and what is measured of it."""

from pathlib import Path

import pytest
import torch
from tiny_mnist import write_tiny_mnist

from camloss import build_model, explain, load_checkpoint, save_checkpoint
from camloss.digits.mnist import MNISTData, Split, load_mnist
from camloss.digits.models import MapClassifier
from camloss.digits.nondigits import FAMILIES
from camloss.training.known import as_the_page_reads, auroc, fit_doubt, measure_doubt


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MNISTData:
    return load_mnist(write_tiny_mnist(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def model(data: MNISTData) -> MapClassifier:
    torch.manual_seed(0)
    model = build_model("sketch_cnn").eval()
    fit_doubt(model, data.train, as_the_page_reads(data.train))
    return model


def test_the_page_reads_digits_with_its_own_pen(data: MNISTData) -> None:
    some = Split(data.train.images[:5], data.train.labels[:5])
    read = as_the_page_reads(some)
    assert read.images.shape == some.images.shape
    assert read.images.dtype == torch.uint8
    assert torch.equal(read.labels, some.labels)


def test_a_checkpoint_keeps_the_doubt(model: MapClassifier, data: MNISTData, tmp_path: Path) -> None:
    again = load_checkpoint(save_checkpoint(model, tmp_path / "ce"))
    images = data.test.images[:20].float() / 255
    doubt = explain(again, images).doubt
    assert doubt is not None
    assert torch.equal(doubt, explain(model, images).doubt)  # type: ignore[arg-type]
    assert doubt.shape == (20,)


def test_a_checkpoint_of_before_has_none(tmp_path: Path) -> None:
    fresh = build_model("sketch_cnn").eval()
    assert explain(load_checkpoint(save_checkpoint(fresh, tmp_path / "ce")), torch.rand(1, 1, 28, 28)).doubt is None


def test_auroc_counts_pairs() -> None:
    known = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert auroc(torch.tensor([0.5, 0.9]), known) == 1.0
    assert auroc(torch.tensor([0.0]), known) == 0.0
    assert auroc(torch.tensor([0.25]), known) == 0.5
    assert auroc(torch.tensor([0.4]), known) == 3.5 / 4  # a tie counts half
    assert auroc(known, known) == 0.5


def test_everything_is_measured(model: MapClassifier, data: MNISTData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camloss.training.known.PER_FAMILY", 5)
    rows = measure_doubt(model, {"digits": data.test}, data.test)
    assert set(rows) == {"digits", *FAMILIES, "chosen on, mean", "reported, mean"}
    assert all(0 <= value <= 1 for row in rows.values() for value in row.values())
    reported = ("small letters", "symbols", "shapes", "zigzags", "two digits")
    assert rows["reported, mean"]["auroc"] == pytest.approx(sum(rows[name]["auroc"] for name in reported) / 5)
