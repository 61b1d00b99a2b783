import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from evaluate import by_pen
from tiny_mnist import digits, write_tiny_mnist

from camloss import CamlossError, build_model
from camloss.data.mnist import default_data_dir, load_mnist
from camloss.data.ood_fitting import as_the_page_reads
from camloss.data.peaks import SMALL, centre_prior, locate, peaks, pixels
from camloss.digits.pendigits import DESIGN_WRITERS, REPORT_WRITERS, read_unipen
from camloss.digits.rasterize import PEN, REACH
from camloss.metrics import area_above_half, deletion_insertion
from camloss.split import Split
from camloss.study.evaluation import (
    CONTROLS,
    HANDS,
    PEN_FILE,
    digits_read,
    draw_pen_digits,
    ink_pixel,
    load_pen_digits,
    measure,
    write_pen_digits,
)

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
.COMMENT an unknown hand
.PEN_DOWN
 250 400
 350 250
 250 100
 150 250
 250 400
.PEN_UP
"""


@pytest.fixture
def pen_file(tmp_path: Path) -> Path:
    path = tmp_path / PEN_FILE.with_suffix("")
    path.parent.mkdir()
    path.write_text(UNIPEN, encoding="utf-8")
    return path


@pytest.mark.parametrize("read", [write_pen_digits, draw_pen_digits])
def test_pen_digits_are_as_a_model_expects_them(read: Callable[[Path, range], Split], pen_file: Path) -> None:
    split = read(pen_file, DESIGN_WRITERS)
    assert split.images.shape == (2, 1, 28, 28)
    assert split.images.dtype == torch.uint8
    assert split.labels.tolist() == [1, 7]
    one, seven = split.images[:, 0] > 127
    assert one.any(1).sum() == pytest.approx(REACH + PEN, abs=1)  # rows: the path and its pen
    assert one.any(0).sum() <= 4  # columns: a bare stem
    widths = seven.sum(1)[seven.any(1)]  # of the inked rows
    assert widths[:3].max() > 10 > widths[3:].max()  # y runs down: the bar is on top


def test_pen_digits_are_the_same_for_the_same_seed(pen_file: Path) -> None:
    first, second = (draw_pen_digits(pen_file, DESIGN_WRITERS, seed=3).images for _ in range(2))
    assert torch.equal(first, second)


def test_a_writer_belongs_to_the_design_or_to_the_report_never_to_both(pen_file: Path) -> None:
    assert not set(DESIGN_WRITERS) & set(REPORT_WRITERS)
    assert set(HANDS) == {"design", "report"}
    assert draw_pen_digits(pen_file, HANDS["design"]).labels.tolist() == [1, 7]
    assert draw_pen_digits(pen_file, HANDS["report"]).labels.tolist() == [1]


@pytest.mark.real_data
def test_the_hands_share_the_real_file_out_between_them() -> None:
    digits = read_unipen(default_data_dir() / PEN_FILE)
    counts = {name: sum(digit.writer in writers for digit in digits) for name, writers in HANDS.items()}
    assert counts == {"design": 3749, "report": 3745}
    assert sum(counts.values()) == len(digits)


def test_writers_that_are_not_in_the_file_are_refused(pen_file: Path) -> None:
    with pytest.raises(CamlossError, match="no digit by the writers"):
        draw_pen_digits(pen_file, range(4, 6))


def test_pen_digits_are_read_from_the_path_and_from_a_picture(pen_file: Path) -> None:
    data_dir = pen_file.parents[1]
    (data_dir / PEN_FILE).write_bytes(gzip.compress(pen_file.read_bytes()))
    found = load_pen_digits(data_dir)
    assert list(found) == [name + kind for kind in ("", "_picture", "_hairline") for name in ("design", "report")]
    assert torch.equal(found["report"].images, write_pen_digits(pen_file, REPORT_WRITERS).images)
    assert torch.equal(found["report_picture"].images, draw_pen_digits(pen_file, REPORT_WRITERS).images)
    ink, hairline = (found[name].images.double().sum((1, 2, 3)) for name in ("design", "design_hairline"))
    assert (0.1 * ink < hairline).all()
    assert (hairline < 0.5 * ink).all()


def test_pens_are_compared_on_digits_that_may_choose(pen_file: Path) -> None:
    data_dir = write_tiny_mnist(pen_file.parents[1])
    (data_dir / PEN_FILE).write_bytes(gzip.compress(pen_file.read_bytes()))
    torch.manual_seed(0)
    model = build_model("plain_cnn").eval()
    header, _, *rows = by_pen({"ce": model}, [2.6, PEN], data_dir).splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")][:4] == ["pen", "network", "path", "worst digit"]
    for row, pen in zip(rows, (2.6, PEN), strict=True):
        width, network, *shares = (cell.strip() for cell in row.strip("|").split("|"))
        assert (width, network) == (f"{pen}", "ce")
        read = [make(pen_file, DESIGN_WRITERS, pen=pen) for make in (write_pen_digits, draw_pen_digits)]
        read.append(as_the_page_reads(load_mnist(data_dir).validation, pen))
        assert shares == [f"{share:.2%}" for split in read for share in digits_read(model, split)]


def test_without_the_file_there_are_no_pen_digits(tmp_path: Path) -> None:
    assert load_pen_digits(tmp_path) == {}


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="cannot read pen strokes from"):
        draw_pen_digits(tmp_path / "none.tra", DESIGN_WRITERS)


@pytest.fixture
def zero_and_four() -> Split:
    """A closed 0, and a 4 whose stem crosses its bar at row 16, column 16."""
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 6:22, 8:20] = 255
    images[0, 0, 9:19, 11:17] = 0
    images[1, 0, 15:18, 6:22] = images[1, 0, 5:24, 15:18] = 255
    return Split(images, torch.tensor([0, 4]))


def hot_at(*places: tuple[int, int]) -> torch.Tensor:
    maps = torch.zeros(len(places), 28, 28)
    for number, (y, x) in enumerate(places):
        maps[number, y, x] = 1
    return maps


def test_locate_by_hand(zero_and_four: Split) -> None:
    assert locate(hot_at((14, 14), (16, 16)), zero_and_four) == {
        "area_above_half": pytest.approx(1 / 784),
        "ink_energy": 0.5,
        "pointing_game": 0.5,
        "peak_near_junction": 1.0,
        "peak_in_hole": 1.0,
    }
    near, far = (13, 16), (12, 16)  # three and four pixels above where the strokes meet
    assert locate(hot_at((7, 14), near), zero_and_four)["peak_near_junction"] == 1.0
    assert locate(hot_at((7, 14), far), zero_and_four)["peak_near_junction"] == 0.0
    assert locate(hot_at((7, 14), far), zero_and_four)["peak_in_hole"] == 0.0


def test_only_what_is_there_is_asked_for(zero_and_four: Split) -> None:
    six = Split(zero_and_four.images, torch.tensor([6, 4]))
    assert "peak_in_hole" not in locate(hot_at((14, 14), (16, 16)), six)
    stroke = Split(six.images[:1], six.labels[:1])
    assert "peak_near_junction" not in locate(hot_at((14, 14)), stroke)


def test_the_controls_know_the_ink_and_nothing_else(zero_and_four: Split) -> None:
    images = next(zero_and_four.batches(2))[0]
    maps = centre_prior(images)
    assert area_above_half(maps).tolist() == pytest.approx([SMALL] * 2, abs=0.005)
    mass = images[1, 0] / images[1].sum()
    middle = [round(float(mass.sum(axis) @ torch.arange(28.0))) for axis in (1, 0)]
    assert list(divmod(int(maps[1].argmax()), 28)) == middle
    pixels = ink_pixel(images)
    assert pixels.sum((1, 2)).tolist() == [1, 1]
    assert (pixels * images[:, 0]).sum((1, 2)).tolist() == [1, 1]
    blank = torch.zeros(1, 1, 28, 28)
    assert all(control(blank).isfinite().all() for control in CONTROLS.values())


def test_measure_names_everything(pen_file: Path) -> None:
    images, labels = digits(20, seed=0)
    test = Split(images.unsqueeze(1), labels)
    model = build_model("sketch_cnn").eval()
    without = measure(model, test, {})
    assert {"accuracy", "cam_distance", "area_above_half", "ink_energy", "ink_energy_small"} <= set(without)
    assert {"accuracy_in_noise", "accuracy_among_clutter"} <= set(without)
    images, labels = next(test.batches(20))
    deletion, insertion = deletion_insertion(model, images, centre_prior(images), labels)
    assert (without["deletion_centre_prior"], without["insertion_centre_prior"]) == (
        deletion.mean().item(),
        insertion.mean().item(),
    )
    assert (without["deletion"], without["insertion"]) != (
        without["deletion_centre_prior"],
        without["insertion_centre_prior"],
    )

    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.eye(10)[1])  # reads a 1 in everything
    pen_digits = {name: draw_pen_digits(pen_file, writers) for name, writers in HANDS.items()}
    numbers = measure(model, test, pen_digits)
    assert {name: value for name, value in numbers.items() if name not in without} == {
        "pen_accuracy_design": 0.5,
        "pen_worst_digit_design": 0.0,
        "pen_accuracy_report": 1.0,
        "pen_worst_digit_report": 1.0,
    }


def test_peaks_are_what_measure_says_and_the_control_does() -> None:
    torch.manual_seed(0)
    images, labels = digits(20, seed=1)
    model, test = build_model("sketch_cnn").eval(), Split(images[:, None], labels)
    found = peaks(model, test)
    assert set(found) == {"network", "centre_prior amid the ink"}
    everything = {
        "network": measure(model, test, {}),
        "centre_prior amid the ink": locate(centre_prior(pixels(test)), test),
    }
    for name, numbers in found.items():
        assert set(numbers) == {"peak_near_junction", "peak_in_hole"}
        assert numbers == {key: everything[name][key] for key in numbers}
