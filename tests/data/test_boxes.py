"""Boxes of a CSV file, in pixels of the picture as a network is shown it."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from camloss.data.boxes import NO_BOX, boxes_of, read_boxes
from camloss.errors import CamlossError

HEADER = "path,class,x_min,y_min,x_max,y_max,source\n"


def test_a_box_follows_its_picture_into_the_shown_part(tmp_path: Path) -> None:
    sizes = {"square": (64, 64), "wide": (128, 64), "none": (64, 64), "outside": (128, 64)}
    for name, size in sizes.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    boxes = {"square.png": (0, 10, 63, 20), "wide.png": (30, 0, 95, 63), "outside.png": (0, 0, 20, 20)}
    paths = [tmp_path / f"{name}.png" for name in sizes]
    found = boxes_of(paths, tmp_path, boxes, (32, 32))
    # "wide" loses 32 columns on both sides, and all are halved
    assert found.tolist() == [[0, 5, 31, 9], [0, 0, 31, 31], list(NO_BOX), list(NO_BOX)]
    assert found.dtype == torch.int64


def test_a_turned_picture_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 64)).save(tmp_path / "turned.jpg", exif=exif)  # shown as 64 wide, 32 high
    found = boxes_of([tmp_path / "turned.jpg"], tmp_path, {"turned.jpg": (16, 0, 47, 31)}, (32, 32))
    assert found.tolist() == [[0, 0, 31, 31]]


def test_the_first_box_of_a_picture_counts_and_further_columns_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "boxes.csv"
    file.write_text(HEADER + "a.jpg,cat,1,2,3,4,x\na.jpg,cat,5,6,7,8,y\n", encoding="utf-8")
    assert read_boxes(file) == {"a.jpg": (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class,x_min\n", "has no column y_min"),
        (HEADER + "a.jpg,cat,5,0,1,2,x\n", r"line 2: .* is no box"),
        (HEADER + "a.jpg,cat,one,0,1,2,x\n", r"line 2: .* is no box"),
        (HEADER + "a.jpg,cat,1\n", r"line 2: .* is no box"),
        (HEADER + f"a.jpg,cat,0,0,1{'0' * 400},2,x\n", r"line 2: .* is no box"),
        (HEADER + f"a.jpg,cat,0,0,1{'0' * 5_000},2,x\n", r"line 2: .* is no box"),
        (HEADER + f"a.jpg,{'a' * 200_000},0,0,1,2,x\n", "cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "boxes.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CamlossError, match=message) as error:
        read_boxes(file)
    assert "\n" not in str(error.value)
