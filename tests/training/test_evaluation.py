from pathlib import Path

import pytest
import torch
from tiny_mnist import digits

from camloss import CamlossError, build_model
from camloss.digits.mnist import Split
from camloss.training.evaluation import draw_pen_digits, measure

UNIPEN = """\
.SEGMENT DIGIT 0 ? "1"
.PEN_DOWN
 250 400
 250 100
.PEN_UP
.SEGMENT DIGIT 1 ? "7"
.PEN_DOWN
 150 400
 350 400
 220 100
.PEN_UP
"""


@pytest.fixture
def pen_file(tmp_path: Path) -> Path:
    (tmp_path / "pen.tra").write_text(UNIPEN)
    return tmp_path / "pen.tra"


def test_pen_digits_are_drawn_as_a_model_expects_them(pen_file: Path) -> None:
    split = draw_pen_digits(pen_file)
    assert split.images.shape == (2, 1, 28, 28)
    assert split.images.dtype == torch.uint8
    assert split.labels.tolist() == [1, 7]
    one, seven = split.images[:, 0] > 127
    assert one.any(1).sum() == pytest.approx(20, abs=1)  # rows: the 20-pixel box
    assert one.any(0).sum() <= 4  # columns: a bare stem
    widths = seven.sum(1)[seven.any(1)]  # of the inked rows
    assert widths[:3].max() > 10 > widths[3:].max()  # y runs down: the bar is on top


def test_pen_digits_are_the_same_for_the_same_seed(pen_file: Path) -> None:
    assert torch.equal(draw_pen_digits(pen_file, seed=3).images, draw_pen_digits(pen_file, seed=3).images)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="cannot read pen strokes from"):
        draw_pen_digits(tmp_path / "none.tra")


def test_measure_names_everything(pen_file: Path) -> None:
    images, labels = digits(20, seed=0)
    test = Split(images.unsqueeze(1), labels)
    model = build_model("sketch_cnn").eval()
    without = measure(model, test, None)
    numbers = measure(model, test, draw_pen_digits(pen_file))
    assert set(numbers) - set(without) == {"pen_accuracy"}
    assert {"accuracy", "ink_energy", "cam_distance", "deletion", "insertion"} <= set(without)
    assert numbers["pen_accuracy"] in (0.0, 0.5, 1.0)
    assert all(numbers[name] == without[name] for name in without)
