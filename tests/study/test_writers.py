import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from camloss import CamlossError, build_model
from camloss.data.mnist import default_data_dir
from camloss.digits.pendigits import PenDigit
from camloss.digits.rasterize import PEN, REACH
from camloss.study.writers import WRITERS, WrittenDigits, from_raster, from_strokes, read_digits

UNIPEN = """\
.SEGMENT DIGIT 0 ? "1"
.COMMENT 1 3 17
.PEN_DOWN
 250 400
 250 100
.PEN_UP
.SEGMENT DIGIT 1 ? "7"
.COMMENT 7 3 18
.PEN_DOWN
 150 400
 350 400
 220 100
.PEN_UP
.SEGMENT DIGIT 2 ? "1"
.COMMENT 1 16 1
.PEN_DOWN
 250 400
 250 100
.PEN_UP
.SEGMENT DIGIT 3 ? "0"
.COMMENT an unknown writer
.PEN_DOWN
 250 400
 350 250
 250 100
 150 250
 250 400
.PEN_UP
"""


@pytest.fixture
def digits(tmp_path: Path) -> list[PenDigit]:
    path = tmp_path / "digits.tra.gz"
    path.write_bytes(gzip.compress(UNIPEN.encode()))
    return read_digits(path)


@pytest.mark.parametrize("make", [from_strokes, from_raster])
def test_images_are_as_a_model_expects_them(
    make: Callable[[list[PenDigit]], WrittenDigits], digits: list[PenDigit]
) -> None:
    found = make(digits)
    assert found.split.images.shape == (3, 1, 28, 28)
    assert found.split.images.dtype == torch.uint8
    assert found.split.labels.tolist() == [1, 7, 1]
    assert found.writers.tolist() == [3, 3, 16]  # the digit of an unknown writer is left out
    one, seven, _ = found.split.images[:, 0] > 127
    assert one.any(1).sum() == pytest.approx(REACH + PEN, abs=1)  # rows: the path and its pen
    assert one.any(0).sum() <= 4  # columns: a bare stem
    widths = seven.sum(1)[seven.any(1)]  # of the inked rows
    assert widths[:3].max() > 10 > widths[3:].max()  # y runs down: the bar is on top


def test_raster_images_are_the_same_for_the_same_seed(digits: list[PenDigit]) -> None:
    first, again, other = (from_raster(digits, seed).split.images for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_accuracy_by_writer_and_of_the_worst_class(digits: list[PenDigit]) -> None:
    model = build_model("sketch_cnn").eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.eye(10)[1])  # predicts a 1 for everything
    assert from_strokes(digits).accuracy(model) == ({"3": 0.5, "16": 1.0}, 0.0)


def test_a_file_without_writers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.tra"
    path.write_text("\n".join(line for line in UNIPEN.splitlines() if ".COMMENT" not in line), encoding="utf-8")
    with pytest.raises(CamlossError, match="names no writers; fetch the file again"):
        read_digits(path)


@pytest.mark.parametrize(("name", "writers", "count"), [("development", 30, 7494), ("report", 7, 1748)])
def test_the_real_files_hold_their_writers(name: str, writers: int, count: int) -> None:
    path = default_data_dir() / WRITERS[name]
    if not path.is_file():
        pytest.skip("needs the pen strokes in $CAMLOSS_DATA_DIR")
    digits = read_digits(path)
    assert (len({digit.writer for digit in digits}), len(digits)) == (writers, count)
