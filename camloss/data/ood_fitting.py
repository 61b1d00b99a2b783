"""Fit a model's OOD score on digits, and measure it on drawings that are none."""

from collections.abc import Mapping

import torch
from torch import Tensor

from camloss.digits.ood_drawings import EASY, FAMILIES, FITTED, KINDS, REPORTED, draw_ood_drawings
from camloss.digits.preprocess import prepare_sketch
from camloss.digits.rasterize import PEN
from camloss.models import MapClassifier
from camloss.ood import OODScore, evidence
from camloss.pair import SIDE_BY_SIDE
from camloss.split import Split

FLAGGED = 0.0025  # false-positive rate on preprocessed validation digits, of each network: of a pair it is below 0.5 %
PER_FAMILY = 400  # drawings that are measured
MOST_FITTED, SEED_TO_FIT = 600, 1  # drawings of a family that are fitted on; those that are measured have seed 0
PAGE, RAW = "the page", "MNIST, test set, as it is"


def preprocess_split(split: Split, pen: float = PEN) -> Split:
    """The same digits, each preprocessed as the demo does it, or with another pen."""
    blank = torch.zeros(1, 1, 28, 28)
    read = [prepare_sketch(image[0].numpy(), pen) for image in split.images]
    images = torch.cat([blank if sketch is None else sketch.pixels for sketch in read])
    return Split((images * 255).round().to(torch.uint8), split.labels)


def non_digits(digits: Split) -> Tensor:
    """Drawings to fit on, as many of each of the `FITTED` families: at most 600, at most one to eight digits."""
    count = max(2, min(MOST_FITTED, len(digits) // 8))
    return torch.cat([draw_ood_drawings(family, count, SEED_TO_FIT, digits) for family in FITTED])


def fit_ood_score(model: MapClassifier, validation: Split, read: Split, others: Tensor) -> None:
    """Fit the OOD score of a trained model on the validation digits, raw and preprocessed, and on non-digits.

    Args:
        model: on the CPU, in eval mode.
        validation: MNIST's validation split.
        read: `preprocess_split(validation)`.
        others: `non_digits(validation)`.
    """
    both = validation.joined(read)
    known = torch.arange(len(both)) >= len(validation)
    inside = torch.cat([_evidence(model, images) for images, _ in both.batches(1_000)])
    outside = torch.cat([_evidence(model, images) for images in others.split(1_000)])
    model.ood_score = OODScore.fit(inside, outside, known, model.head.out_features, FLAGGED)


@torch.no_grad()
def _evidence(model: MapClassifier, images: Tensor) -> Tensor:
    logits, _, middle = model.forward_features(images)
    return evidence(logits.float(), middle.float())


def pair_ood_scores(models: Mapping[str, MapClassifier], images: Tensor) -> dict[str, Tensor]:
    """The OOD scores of each model, and of the demo, which flags what either of the first two flags."""
    found = {name: ood_scores(model, images) for name, model in models.items()}
    return {**found, PAGE: torch.stack(list(found.values())[:SIDE_BY_SIDE]).amax(0)}


@torch.no_grad()
def ood_scores(model: MapClassifier, images: Tensor) -> Tensor:
    """(N, 1, 28, 28) in [0, 1] -> (N,)."""
    assert model.ood_score is not None
    answers = [model.forward_features(batch) for batch in images.split(1_000)]
    return torch.cat([model.ood_score(logits, middle) for logits, _, middle in answers])


def auroc(ood: Tensor, digits: Tensor) -> float:
    """The chance that a non-digit scores higher than a digit; ties count half (Mann and Whitney, 1947).

    Args:
        ood, digits: (N,) and (M,) OOD scores.
    """
    order = torch.cat([ood, digits]).double()
    _, inverse, counts = order.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]  # the mean rank of each value, from 1
    wins = ranks[: len(ood)].sum() - len(ood) * (len(ood) + 1) / 2
    return float(wins / (len(ood) * len(digits)))


def measure_ood_score(
    models: Mapping[str, MapClassifier], known: Mapping[str, Split], digits: Split
) -> dict[str, dict[str, dict[str, float]]]:
    """False-positive rates on digits, and detection rates and AUROCs on non-digits, of a pair's OOD scores.

    Args:
        models: with an OOD score, by name.
        known: preprocessed digits by name; AUROC is against all of them together.
        digits: raw: what fragments and pairs of digits are made of.

    Returns:
        By name of a model, or `PAGE`, and by family, or name of digits: "flagged", the share at 0.5 or more, and for
        families "auroc"; also the means of the `REPORTED` families but the `EASY` ones, as "reported, mean", and
        likewise of the `FITTED` ones.
    """
    shown = {**known, RAW: digits}
    of_digits = {name: pair_ood_scores(models, split.images.float() / 255) for name, split in shown.items()}
    of_families = {
        family: pair_ood_scores(models, draw_ood_drawings(family, PER_FAMILY, seed=0, digits=digits))
        for family in FAMILIES
    }
    measured = {}
    for who in (*models, PAGE):
        rows = {name: {"flagged": share(found[who])} for name, found in of_digits.items()}
        everything = torch.cat([of_digits[name][who] for name in known])
        for family, found in of_families.items():
            rows[family] = {"flagged": share(found[who]), "auroc": auroc(found[who], everything)}
        for name, families in (("fitted on, mean", FITTED), ("reported, mean", REPORTED)):
            counted = [rows[family] for family in families if family not in EASY]
            rows[name] = {key: sum(row[key] for row in counted) / len(counted) for key in ("flagged", "auroc")}
        measured[who] = rows
    return measured


@torch.no_grad()
def detection_by_kind(models: Mapping[str, MapClassifier], count: int) -> list[tuple[str, float, int]]:
    """Letters and shapes, `count` drawings each, by detection rate: (what, the share that is flagged, the digit
    that the first model mostly predicts)."""
    rows = []
    for kind in KINDS:
        images = draw_ood_drawings(kind, count, seed=0)
        first = next(iter(models.values()))
        digit = first(images)[0].argmax(1).bincount().argmax()
        rows.append((kind, share(pair_ood_scores(models, images)[PAGE]), int(digit)))
    return sorted(rows, key=lambda row: row[1])


def share(found: Tensor) -> float:
    """The share of OOD scores at the threshold or above."""
    return float((found >= 0.5).float().mean())
