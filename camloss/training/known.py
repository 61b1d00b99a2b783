"""Fitting a model's doubt on digits that it should know, and measuring it on drawings that are none."""

import torch
from torch import Tensor

from camloss.digits.mnist import Split
from camloss.digits.models import MapClassifier
from camloss.digits.nondigits import CHOOSING, EASY, FAMILIES, REPORTED, draw_nondigits
from camloss.digits.sketch import preprocess_sketch
from camloss.doubt import Doubt

DOUBTED = (
    0.008  # of the validation digits as the page reads them; design writers' digits then are doubted 1.5 % or less
)
PER_FAMILY = 400


def as_the_page_reads(split: Split) -> Split:
    """The same digits, each written anew with the page's pen."""
    blank = torch.zeros(1, 1, 28, 28)
    read = [preprocess_sketch(image[0].numpy()) for image in split.images]
    images = torch.cat([blank if pixels is None else pixels for pixels in read])
    return Split((images * 255).round().to(torch.uint8), split.labels)


def fit_doubt(model: MapClassifier, validation: Split, read: Split) -> None:
    """Give a trained model its doubt, fitted on the validation digits as they are and as the page reads them.

    Args:
        model: on the CPU, in eval mode.
        validation: MNIST's validation split.
        read: `as_the_page_reads(validation)`.
    """
    both = validation.joined(read)
    known = torch.arange(len(both)) >= len(validation)
    model.doubt = Doubt.fit(*_answers(model, both), both.labels, known, DOUBTED)


@torch.no_grad()
def _answers(model: MapClassifier, split: Split) -> tuple[Tensor, Tensor]:
    answers = [model.look(images) for images, _ in split.batches(1_000)]
    middle = [features.float().mean((-2, -1)) for _, _, features in answers]
    return torch.cat([logits for logits, _, _ in answers]), torch.cat(middle)


@torch.no_grad()
def doubts(model: MapClassifier, images: Tensor) -> Tensor:
    """(N, 1, 28, 28) in [0, 1] -> (N,)."""
    assert model.doubt is not None
    answers = [model.look(batch) for batch in images.split(1_000)]
    return torch.cat([model.doubt(logits, middle) for logits, _, middle in answers])


def auroc(strange: Tensor, known: Tensor) -> float:
    """The chance that a strange image is doubted more than a known one; ties count half (Mann and Whitney, 1947).

    Args:
        strange, known: (N,) and (M,) doubts.
    """
    order = torch.cat([strange, known]).double()
    _, inverse, counts = order.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]  # the mean rank of each value, from 1
    wins = ranks[: len(strange)].sum() - len(strange) * (len(strange) + 1) / 2
    return float(wins / (len(strange) * len(known)))


def measure_doubt(model: MapClassifier, known: dict[str, Split], digits: Split) -> dict[str, dict[str, float]]:
    """What the doubt of a model is worth, by what it was shown.

    Args:
        model: with its doubt.
        known: digits by name; AUROC is against all of them together.
        digits: what pieces and pairs of digits are made of.

    Returns:
        By family, or name of digits: "doubted", the share at 0.5 or more, and for families "auroc"; also the means of
        the `REPORTED` families but the `EASY` ones, as "reported, mean", and likewise of the `CHOOSING` ones.
    """
    of_known = {name: doubts(model, split.images.float() / 255) for name, split in known.items()}
    rows = {name: {"doubted": _share(found)} for name, found in of_known.items()}
    everything = torch.cat(list(of_known.values()))
    for family in FAMILIES:
        found = doubts(model, draw_nondigits(family, PER_FAMILY, seed=0, digits=digits))
        rows[family] = {"doubted": _share(found), "auroc": auroc(found, everything)}
    for name, families in (("chosen on, mean", CHOOSING), ("reported, mean", REPORTED)):
        counted = [rows[family] for family in families if family not in EASY]
        rows[name] = {key: sum(row[key] for row in counted) / len(counted) for key in ("doubted", "auroc")}
    return rows


def _share(found: Tensor) -> float:
    return float((found >= 0.5).float().mean())
