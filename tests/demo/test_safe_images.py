"""Pictures from strangers: what is read of a container, and what crafted ones cost."""

import io
import json
import struct
import subprocess
import sys
import tracemalloc

import malicious_images
import pytest
from malicious_images import chunk, exif, png, riff, saved, segment, text_of, with_riff, with_segments
from page_server import ROOT
from PIL import Image, ImageOps

from camloss import CamlossError, preprocess_sketch
from camloss.demo.safe_images import MAX_SCANS, open_picture, orientation


def turned(value: int, order: str) -> bytes:
    """EXIF that says which side is up, and before that something else."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entries = struct.pack(f"{order}HHII", 0x010F, 2, 4, 0) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    return mark + struct.pack(f"{order}IH", 8, 2) + entries + b"\0\0\0\0"


def with_exif(kind: str, content: bytes) -> bytes:
    size = (40, 20)
    if kind == "PNG":
        file = saved(kind, size)
        return file[:33] + chunk(b"eXIf", content) + file[33:]
    if kind == "JPEG":
        return with_segments(saved(kind, size), segment(0xE1, b"Exif\0\0" + content))
    flags = riff((b"VP8X", bytes([8, 0, 0, 0]) + (39).to_bytes(3, "little") + (19).to_bytes(3, "little")))
    return with_riff(flags, (b"VP8L", saved(kind, size, lossless=True)[20:]), (b"EXIF", content))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_photo_is_turned_as_pillow_turns_it(kind: str, order: str) -> None:
    for value in range(10):
        file = with_exif(kind, turned(value, order))
        truth = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
        image = open_picture(text_of(file)).decode()
        assert image.size == truth.size
        assert image.tobytes() == truth.tobytes(), value


@pytest.mark.parametrize("cut", range(0, 34, 3))
def test_damaged_exif_is_upright(cut: int) -> None:
    assert orientation(turned(6, "<")[:cut]) in (1, 6)
    assert orientation(b"II*\0\xff\xff\xff\xff\xff\xff") == 1


def test_nothing_beside_the_pixels_reaches_the_decoder() -> None:
    extras = [chunk(kind, b"secret") for kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"xxXx")]
    assert b"secret" not in open_picture(text_of(png(8, 8, *extras))).content
    segments = [segment(marker, b"secret") for marker in (0xE1, 0xE2, 0xED, 0xEF, 0xFE)]
    assert b"secret" not in open_picture(text_of(with_segments(saved("JPEG"), *segments))).content
    chunks = [(kind, b"secret") for kind in (b"EXIF", b"XMP ", b"ICCP", b"JUNK")]
    assert b"secret" not in open_picture(text_of(with_riff(saved("WEBP"), *chunks))).content


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_is_never_copied_tag_by_tag(kind: str) -> None:
    """300 tags that share 20 to 60 kB: 6 to 18 MB, where each is copied."""
    text = text_of(with_exif(kind, exif(300, 60_000)))
    open_picture(text).decode()  # imports
    tracemalloc.start()
    open_picture(text).decode()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_palette_that_is_missing_is_refused() -> None:
    with pytest.raises(CamlossError, match="the picture is damaged"):
        open_picture(text_of(png(4, 4, colour=3))).decode()
    whole = open_picture(text_of(png(4, 4, chunk(b"PLTE", b"abc"), colour=3))).decode()
    assert whole.mode == "RGB"
    assert whole.getpixel((0, 0)) == tuple(b"abc")


def test_scans_are_counted() -> None:
    assert open_picture(text_of(malicious_images.many_scans(MAX_SCANS - 2, 64))).decode().size == (64, 64)
    with pytest.raises(CamlossError, match="more than 64 scans"):
        open_picture(text_of(malicious_images.many_scans(MAX_SCANS, 64)))


@pytest.mark.parametrize("file", [malicious_images.dots(480, 200, 40), malicious_images.dots(640, 3, 20)])
def test_scattered_dots_are_read_as_something(file: bytes) -> None:
    sketch = preprocess_sketch(open_picture(text_of(file)).decode())
    assert sketch is not None
    assert sketch.isfinite().all()


def test_crafted_pictures_are_refused_or_take_little_memory() -> None:
    """Each of them through all that the page does, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts' / 'dev'}", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert set(measured) == set(malicious_images.PICTURES)
    for name, (megabytes, complaint) in measured.items():
        assert megabytes < 150, name
        assert REFUSED.get(name, "") in (complaint or ""), name
        assert (name in REFUSED) == (complaint is not None), (name, complaint)
        assert complaint is None or "\n" not in complaint, name
        assert complaint is None or len(complaint) < 250, name


REFUSED = {  # and in which words; all others are read, cheaply
    "ribbon, wide": "16,000 on each side",
    "20,000 scans": "more than 64 scans",
    "240,000 chunks": "more than 4,000 parts",
    "500,000 comments": "more than 4,000 parts",
    "arithmetic codes": "browsers cannot read",
    "65,536 Huffman codes": "at most 262,144 in all",
    "4 megapixels, WebP without loss": "at most 262,144 in all",
    "4 megapixels, WebP, glass without loss": "at most 262,144 in all",
    "WebP of two sizes": "damaged",
    "canvas of 16 million pixels": "at most 4,000,000 in all",
}
MEASURE = """
import json, resource
import malicious_images
from camloss import CamlossError
from camloss.demo.inference import answer
from camloss.demo.pairs import load_for_page
from pathlib import Path

texts = {name: malicious_images.text_of(make()) for name, make in malicious_images.PICTURES.items()}
pair = load_for_page(Path("checkpoints"))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
answer(pair, malicious_images.text_of(malicious_images.dots(64, 64, 9)))
measured, idle = {}, peak()
for name, text in texts.items():
    complaint = None
    try:
        answer(pair, text)
    except CamlossError as error:
        complaint = str(error)
    measured[name] = (peak() - idle, complaint)
print(json.dumps(measured))
"""
