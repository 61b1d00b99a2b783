"""OODScore fitted on a small data set, kept by a checkpoint, and what is measured of it."""

from pathlib import Path

import pytest
import torch

from camloss import build_model, explain, load_checkpoint, preprocess_sketch, save_checkpoint
from camloss.data.mnist import MNIST
from camloss.data.ood_fitting import (
    FLAGGED,
    PAGE,
    RAW,
    auroc,
    detection_by_kind,
    fit_ood_score,
    measure_ood_score,
    non_digits,
    ood_scores,
    pair_ood_scores,
    preprocess_split,
    share,
)
from camloss.data.synthetic_digits import draw_synthetic_digits
from camloss.digits.ood_drawings import FAMILIES, KINDS, draw_ood_drawings
from camloss.models import MapClassifier
from camloss.pair import Pair
from camloss.split import Split

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def model(data: MNIST) -> MapClassifier:
    torch.manual_seed(0)
    model = build_model("sketch_cnn").eval()
    fit_ood_score(model, data.train, preprocess_split(data.train), non_digits(data.train))
    return model


def test_the_page_reads_digits_with_its_own_pen(data: MNIST) -> None:
    some = Split(data.train.images[:5], data.train.labels[:5])
    read = preprocess_split(some)
    assert read.images.dtype == torch.uint8
    assert torch.equal(read.labels, some.labels)
    written = [preprocess_sketch(image[0].numpy()) for image in some.images]
    for image, pixels in zip(read.images, written, strict=True):
        assert pixels is not None
        assert torch.equal(image, (pixels[0] * 255).round().to(torch.uint8))
    assert not torch.equal(read.images, some.images)
    broad = preprocess_split(some, pen=2.6)
    assert int(broad.images.sum()) > 1.5 * int(read.images.sum())


@pytest.fixture(scope="module")
def drawn() -> Split:
    """Digits of which no two are alike."""
    return draw_synthetic_digits(2, seed=0)


@pytest.fixture(scope="module")
def read(drawn: Split) -> Split:
    return preprocess_split(drawn)


def test_the_threshold_is_set_on_digits_as_the_demo_preprocesses_them(
    drawn: Split, read: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = build_model("sketch_cnn").eval()
    for some in (FLAGGED, 0.1):
        monkeypatch.setattr("camloss.data.ood_fitting.FLAGGED", some)
        fit_ood_score(model, drawn, read, non_digits(drawn))
        found = ood_scores(model, read.images.float() / 255)
        assert float((found >= 0.5).float().mean()) == pytest.approx(some, abs=1.01 / len(read))


def test_few_digits_are_flagged_and_most_non_digits() -> None:
    assert 0 < FLAGGED <= 0.005


def test_the_shipped_pair_flags_non_digits() -> None:
    """Noise, houses and faces; what the examples of digits get is in tests/demo/test_examples.py."""
    shown = Pair.load(ROOT / "checkpoints").shown.digit_models
    for family in ("noise", "house", "face"):
        assert share(pair_ood_scores(shown, draw_ood_drawings(family, 40, seed=0))[PAGE]) >= 0.75, family


def test_a_checkpoint_keeps_the_ood_score(model: MapClassifier, data: MNIST, tmp_path: Path) -> None:
    again = load_checkpoint(save_checkpoint(model, tmp_path / "ce"))
    images = data.test.images[:20].float() / 255
    ood_score = explain(again, images).ood_score
    assert ood_score is not None
    assert torch.equal(ood_score, explain(model, images).ood_score)  # type: ignore[arg-type]
    assert ood_score.shape == (20,)


def test_a_checkpoint_of_before_has_none(tmp_path: Path) -> None:
    fresh = build_model("sketch_cnn").eval()
    assert explain(load_checkpoint(save_checkpoint(fresh, tmp_path / "ce")), torch.rand(1, 1, 28, 28)).ood_score is None


def test_auroc_counts_pairs() -> None:
    known = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert auroc(torch.tensor([0.5, 0.9]), known) == 1.0
    assert auroc(torch.tensor([0.0]), known) == 0.0
    assert auroc(torch.tensor([0.25]), known) == 0.5
    assert auroc(torch.tensor([0.4]), known) == 3.5 / 4  # a tie counts half
    assert auroc(known, known) == 0.5


def test_a_pair_flags_what_either_of_the_networks_side_by_side_flags(drawn: Split, read: Split) -> None:
    models = {}
    for seed, name in enumerate(("ce", "cam", "alpha-3")):
        torch.manual_seed(seed)
        models[name] = build_model("sketch_cnn").eval()
        fit_ood_score(models[name], drawn, read, non_digits(drawn))
    images = read.images.float() / 255
    found = pair_ood_scores(models, images)
    assert set(found) == {"ce", "cam", "alpha-3", PAGE}
    ours, theirs, third = (ood_scores(model, images) for model in models.values())
    assert torch.equal(found[PAGE], torch.maximum(ours, theirs))
    assert not torch.equal(ours, theirs)
    assert (third > found[PAGE]).any()


def test_everything_is_measured(model: MapClassifier, data: MNIST, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camloss.data.ood_fitting.PER_FAMILY", 5)
    measured = measure_ood_score({"ce": model}, {"digits": data.train}, data.test)
    assert set(measured) == {"ce", PAGE}
    assert measured["ce"] == measured[PAGE]  # of one network
    rows = measured["ce"]
    assert set(rows) == {"digits", RAW, *FAMILIES, "fitted on, mean", "reported, mean"}
    assert all(0 <= value <= 1 for row in rows.values() for value in row.values())
    reported = ("first tries", "capital letters", "small letters", "symbols")
    assert rows["reported, mean"]["auroc"] == pytest.approx(sum(rows[name]["auroc"] for name in reported) / 4)


def test_what_passes_unnoticed_comes_first(model: MapClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camloss.data.ood_fitting.KINDS", {kind: KINDS[kind] for kind in ("A", "house", "heart")})
    rows = detection_by_kind({"ce": model}, 4)
    assert {kind for kind, _, _ in rows} == {"A", "house", "heart"}
    assert [share for _, share, _ in rows] == sorted(share for _, share, _ in rows)
