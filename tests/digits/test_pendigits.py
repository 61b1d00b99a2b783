import gzip
import random
from pathlib import Path

import pytest
from _meter import Meter

from camloss.data.mnist import default_data_dir
from camloss.digits import pendigits
from camloss.digits.pendigits import PenDigit, random_canvas, read_unipen, render_strokes
from camloss.errors import CamlossError

UNIPEN = """\
.INCLUDE        dene.doc
.SEGMENT DIGIT    0 ? "4"
.COMMENT 4 12  224
.PEN_DOWN
 10 100
 20  50
.PEN_UP
.DT 100
.PEN_DOWN
 30  90
 30  10
.PEN_UP
.SEGMENT DIGIT    1 ? "1"
.PEN_DOWN
 5  7
.PEN_UP
"""

SEVEN = PenDigit(7, (((0.0, 0.0), (60.0, 0.0), (20.0, 100.0)), ((15.0, 50.0), (55.0, 50.0))))


def test_reads_digits_with_y_down(tmp_path: Path) -> None:
    (tmp_path / "digits.txt").write_text(UNIPEN, encoding="utf-8")
    (tmp_path / "digits.gz").write_bytes(gzip.compress(UNIPEN.encode()))
    expected = [
        PenDigit(4, (((10, -100), (20, -50)), ((30, -90), (30, -10))), writer=12),
        PenDigit(1, (((5, -7),),)),
    ]
    assert read_unipen(tmp_path / "digits.txt") == expected
    assert read_unipen(tmp_path / "digits.gz") == expected


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (gzip.compress(UNIPEN.encode())[:-30], "digits.gz"),  # cut off
        (b"not gzip", "digits.gz"),
        (gzip.compress(UNIPEN.replace("20  50", "20  x").encode()), "line 6"),
        (gzip.compress(UNIPEN.replace("20  50", "20").encode()), "line 6"),
        (gzip.compress(UNIPEN.replace('"1"', '"11"').encode()), "line 13"),
        (gzip.compress(UNIPEN.replace(".COMMENT 4", ".COMMENT 5").encode()), "line 3"),
        (gzip.compress(b".PEN_DOWN\n 1 2\n"), "line 1"),
        (gzip.compress(b'.SEGMENT DIGIT 0 ? "4"\n'), "without strokes"),
        (gzip.compress(b""), "no digit"),
        (gzip.compress("é".encode()), "digits.gz"),
        (gzip.compress(UNIPEN.replace("20  50", "20 nan").encode()), "line 6"),
        (gzip.compress(UNIPEN.replace("20  50", "-inf 50").encode()), "line 6"),
        (gzip.compress(UNIPEN.replace("20  50", "20 1e308").encode()), "line 6"),
        (gzip.compress(UNIPEN.replace(" 12 ", f" {2**63} ").encode()), "line 3"),
        (gzip.compress(UNIPEN.replace("20  50", "9" * 5000).encode()), "too large"),
    ],
    ids=range(15),
)
def test_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "digits.gz"
    path.write_bytes(content)
    with pytest.raises(CamlossError, match=named) as caught:
        read_unipen(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", [b"\n", b" ", b'.SEGMENT DIGIT 0 ? "4"\n.PEN_DOWN\n1 1\n'], ids=["lines", "line", "digits"]
)
def test_a_file_that_unpacks_to_300_mb_takes_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    path = tmp_path / "digits.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(text * (1_000_000 // len(text)))
    assert path.stat().st_size < 3_000_000
    monkeypatch.setattr(pendigits, "LARGEST", 1_000_000)  # ten times that is ten times as slow

    def read() -> None:
        with pytest.raises(CamlossError, match=r"is too large: at most 1,000,000 bytes .* split the file"):
            read_unipen(path)

    assert Meter().measure(read).megabytes < 100


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match=r"nowhere\.gz"):
        read_unipen(tmp_path / "nowhere.gz")


def test_line_has_round_caps_and_the_brush_width() -> None:
    canvas = render_strokes((((20.0, 30.0), (80.0, 30.0)),), (100, 60), brush=10, colour=(1, 2, 3))
    assert canvas.mode == "RGBA"
    assert canvas.size == (100, 60)
    assert canvas.getpixel((50, 30)) == (1, 2, 3, 255)
    assert canvas.getpixel((0, 0)) == (1, 2, 3, 0)
    alpha = canvas.getchannel("A")
    assert alpha.getbbox() == (15, 25, 85, 35)
    column = alpha.crop((50, 0, 51, 60)).tobytes()
    assert sum(column) / 255 == pytest.approx(10, abs=0.3)
    corner, middle = alpha.getpixel((15, 26)), alpha.getpixel((16, 30))
    assert (corner, middle) == (0, 255)  # round, not square
    area = sum(alpha.tobytes()) / 255
    assert area == pytest.approx(60 * 10 + 3.14159 * 25, rel=0.02)


def test_a_point_is_a_dot() -> None:
    alpha = render_strokes((((50.0, 40.0),),), (100, 80), brush=20).getchannel("A")
    assert sum(alpha.tobytes()) / 255 == pytest.approx(3.14159 * 100, rel=0.03)
    assert alpha.getbbox() == (40, 30, 60, 50)


def test_edges_are_smooth() -> None:
    alpha = render_strokes((((20.0, 20.0), (80.0, 50.0)),), (100, 80), brush=9).getchannel("A")
    assert len(set(alpha.tobytes())) > 8


def test_random_canvas_repeats_with_its_seed() -> None:
    assert random_canvas(SEVEN, random.Random(3)).tobytes() == random_canvas(SEVEN, random.Random(3)).tobytes()
    assert random_canvas(SEVEN, random.Random(3)).tobytes() != random_canvas(SEVEN, random.Random(4)).tobytes()


def test_random_canvas_covers_its_ranges_and_cuts_nothing() -> None:
    generator = random.Random(0)
    boxes = [random_canvas(SEVEN, generator).getchannel("A").getbbox() or (0, 0, 0, 0) for _ in range(300)]
    longest = [(max(box[2] - box[0], box[3] - box[1])) / 280 for box in boxes]
    assert 0.24 < min(longest) < 0.28
    assert 0.87 < max(longest) < 0.91
    assert min(box[0] for box in boxes) < 10
    assert max(box[2] for box in boxes) > 270
    for left, top, right, bottom in boxes:  # proportions kept (brush included), so nothing was cut off
        assert 0.58 < (right - left) / (bottom - top) < 0.70


def test_lone_dot_can_be_placed() -> None:
    assert random_canvas(PenDigit(1, (((5.0, 7.0),),)), random.Random(0)).getchannel("A").getbbox() is not None


PENDIGITS = default_data_dir() / "pendigits" / "pendigits-orig.tra.gz"


@pytest.mark.real_data
def test_real_file() -> None:
    digits = read_unipen(PENDIGITS)
    assert len(digits) == 7494
    assert {digit.label for digit in digits} == set(range(10))
    assert {digit.writer for digit in digits} == set(range(1, 31))
