"""Malicious images and requests: small files that cost much to read, each of a size that a shared machine survives.

The tests send them; the page must refuse each or answer it cheaply.
"""

import base64
import io
import json
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

PNG_START = b"\x89PNG\r\n\x1a\n"


def text_of(file: bytes) -> str:
    """A file as the page and the API send it."""
    return base64.b64encode(file).decode()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, colour: int = 0, depth: int = 8, interlaced: bool = False) -> bytes:
    """A grey (colour 0), RGB (2), palette (3) or RGBA (6) PNG of zeros, with extra chunks before its pixels."""
    bits = {0: 1, 2: 3, 3: 1, 6: 4}[colour] * depth
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    pixels = zlib.compress(b"\0" * ((width * bits + 7) // 8 + 1) * height * (1 + interlaced), 9)
    return PNG_START + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def exif(tags: int, size: int) -> bytes:
    """A first directory whose tags all point at the same bytes: a reader that copies each takes tags x size."""
    entries = b"".join(struct.pack("<HHII", 0x8000 + tag, 1, size, 0) for tag in range(tags))
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", tags) + entries + b"\0\0\0\0").ljust(size, b"\0")


def saved(kind: str, size: tuple[int, int] = (64, 64), mode: str = "L", **options: Any) -> bytes:
    """A soft disc in that format."""
    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(file, kind, **options)
    return file.getvalue()


def noise(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    """What compresses worst."""
    import numpy
    from PIL import Image

    file = io.BytesIO()
    values = numpy.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=numpy.uint8)
    Image.fromarray(values).save(file, kind, **options)
    return file.getvalue()


def grain(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    """Black pixels on glass, each by chance."""
    import numpy
    from PIL import Image

    image = Image.new("RGBA", size)
    covers = numpy.random.default_rng(0).integers(0, 2, size[::-1], dtype=numpy.uint8) * 255
    image.putalpha(Image.fromarray(covers))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(file: bytes) -> bytes:
    """The same PNG, mirrored and on its side as its EXIF says."""
    sideways = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHH", 0x0112, 3, 1, 5, 0) + b"\0\0\0\0"
    return file[:33] + chunk(b"eXIf", sideways) + file[33:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(file: bytes, *segments: bytes) -> bytes:
    """Segments right after a JPEG's start."""
    return file[:2] + b"".join(segments) + file[2:]


def many_scans(scans: int, side: int) -> bytes:
    """A progressive JPEG in which a scan of next to no bytes comes again and again."""
    blocks = (side // 8) ** 2
    header = struct.pack(">BHHB3B", 8, side, side, 1, 1, 0x11, 0)
    one_code = bytes([1] + [0] * 15)  # of 1 bit
    first = segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0x01])) + b"\0" * (blocks // 8 + 1)
    again = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x00])) + b"\0" * (2 + blocks // 2**14)  # each run: 2^14 blocks
    tables = segment(0xC4, b"\x00" + one_code + b"\x00") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    quantisation = segment(0xDB, bytes([0] + [1] * 64))
    return b"\xff\xd8" + quantisation + segment(0xC2, header) + tables + first + again * scans + b"\xff\xd9"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_riff(file: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """More chunks at a WebP's end."""
    body = file[8:] + riff(*chunks)[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


class Bits:
    """Bits as a WebP without loss has them: the lowest of a byte first."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def number(self, value: int, count: int) -> None:
        self.bits += [value >> place & 1 for place in range(count)]

    def code(self, value: int) -> None:
        """A symbol of eight bits, whose codes come with the highest bit first."""
        self.bits += [value >> place & 1 for place in reversed(range(8))]

    def bytes(self) -> bytes:
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(sum(bit << place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


def many_codes(side: int) -> bytes:
    """A WebP without loss in which every 4x4 pixels have Huffman codes of their own: 5 kB each in the decoder."""
    file = Bits()
    for value, count in ((0x2F, 8), (side - 1, 14), (side - 1, 14), (0, 1), (0, 3)):
        file.number(value, count)
    for value, count in ((0, 1), (0, 1), (1, 1), (0, 3), (0, 1)):  # no transform or cache; codes for every 4x4 pixels
        file.number(value, count)

    def only_zeros() -> None:
        for value in (1, 0, 0, 0):
            file.number(value, 1)

    for alphabet in (280, 256):  # the picture of the codes' numbers: green and red, of eight bits each
        file.number(0, 1)
        file.number(8, 4)
        for idx in range(12):
            file.number(idx in (2, 11), 3)  # of the lengths of codes, 0 and 8 are used
        file.number(0, 1)
        for symbol in range(alphabet):
            file.number(symbol < 256, 1)
    for _ in range(3):
        only_zeros()
    blocks = side // 4
    for y in range(blocks):
        for x in range(blocks):
            file.code(x % 256)
            file.code(y % 256)
    for _ in range(5 * (257 * (blocks - 1) + 1)):
        only_zeros()
    return riff((b"VP8L", file.bytes() + b"\0" * 16))


def arithmetic(scans: int, side: int) -> bytes:
    """A progressive JPEG with arithmetic codes, which decode without end from next to no bytes."""
    header = struct.pack(">BHHB3B", 8, side, side, 1, 1, 0x11, 0)
    first = segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0x00])) + b"\0\0"
    again = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x00])) + b"\x8f\x1c\x9e"
    quantisation = segment(0xDB, bytes([0] + [1] * 64))
    return b"\xff\xd8" + quantisation + segment(0xCA, header) + first + again * scans + b"\xff\xd9"


def dots(width: int, height: int, step: int) -> bytes:
    """Single dark pixels on glass, far apart."""
    from PIL import Image

    image = Image.new("RGBA", (width, height))
    for x in range(0, width, step):
        for y in range(0, height, step):
            image.putpixel((x, y), (0, 0, 0, 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def maze(side: int) -> bytes:
    """Thin walls that fill an opaque picture: square rings, each open on one side, in tiles of 32 pixels."""
    from PIL import Image

    def is_wall(x: int, y: int) -> bool:
        ring = min(x, y, 31 - x, 31 - y)
        is_gap = y == 16 and (x < 16) == (ring % 8 == 0)
        return ring % 4 == 0 and not is_gap

    image = Image.new("L", (side, side), 255)
    for x in range(side):
        for y in range(side):
            if is_wall(x % 32, y % 32):
                image.putpixel((x, y), 0)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def spiral(points: int) -> list[dict[str, Any]]:
    """One thin stroke of four turns."""
    turns = [8 * math.pi * i / points for i in range(points)]
    places = [(500 + 19 * turn * math.cos(turn), 500 + 19 * turn * math.sin(turn)) for turn in turns]
    return [{"width": 1, "points": [value for place in places for value in place]}]


def dotted(strokes: int) -> list[dict[str, Any]]:
    """As many strokes of one point each, in rows."""
    return [{"width": 1, "points": [20 * (i % 45), 20 * (i // 45)]} for i in range(strokes)]


PICTURES: dict[str, Callable[[], bytes]] = {
    "PNG, EXIF tags that share their bytes": lambda: png(64, 64, chunk(b"eXIf", exif(300, 200_000))),
    "JPEG, EXIF tags that share their bytes": lambda: with_segments(
        saved("JPEG"), segment(0xE1, b"Exif\0\0" + exif(300, 60_000))
    ),
    "WebP, EXIF tags that share their bytes": lambda: with_riff(saved("WEBP"), (b"EXIF", exif(300, 200_000))),
    "EXIF cut short": lambda: png(64, 64, chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff")),
    "EXIF that is none": lambda: png(64, 64, chunk(b"eXIf", b"not EXIF")),
    "ribbon, wide": lambda: png(100_000, 1),
    "ribbon, wide but allowed": lambda: png(16_000, 1),
    "ribbon, tall": lambda: png(1, 16_000),
    "20,000 scans": lambda: many_scans(20_000, 64),
    "60 scans of 4 megapixels": lambda: many_scans(60, 2000),
    "arithmetic codes": lambda: arithmetic(60, 2000),
    "65,536 Huffman codes": lambda: many_codes(1024),
    "16,384 Huffman codes": lambda: many_codes(512),
    "scattered dots": lambda: dots(480, 200, 40),
    "256x256, maze": lambda: maze(256),
    "scattered columns": lambda: dots(640, 3, 20),
    "240,000 chunks": lambda: png(64, 64, chunk(b"IDAT", b"") * 240_000),
    "500,000 comments": lambda: with_segments(saved("JPEG"), segment(0xFE, b"") * 500_000),
    "2 MB of fill": lambda: with_segments(saved("JPEG"), b"\xff" * 2_000_000),
    "text that swells": lambda: png(64, 64, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 1_000_000, 9))] * 60),
    "profile that swells": lambda: png(64, 64, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 50_000_000, 9))),
    "4 megapixels, RGBA": lambda: png(2000, 2000, colour=6),
    "4 megapixels, PNG of a disc, turned": lambda: turned(saved("PNG", (2000, 2000), "RGBA")),
    "4 megapixels, grey and glass, turned": lambda: turned(saved("PNG", (2000, 2000), "LA")),
    "4 megapixels, WebP without loss": lambda: saved("WEBP", (2000, 2000), "RGBA", lossless=True),
    "4 megapixels, WebP, glass without loss": lambda: grain("WEBP", (2000, 2000)),
    "512x512, WebP, grain on glass": lambda: grain("WEBP", (512, 512), lossless=True),
    "4 megapixels, 16 bits, interlaced": lambda: png(2000, 2000, colour=6, depth=16, interlaced=True),
    "4 megapixels, JPEG noise": lambda: noise("JPEG", (2000, 2000), quality=40, progressive=True),
    "4 megapixels, WebP noise": lambda: noise("WEBP", (2000, 2000), quality=50, method=0),
    "the longest PNG": lambda: noise("PNG", (1000, 960)),
    "WebP of two sizes": lambda: riff((b"VP8X", b"\0" * 10), (b"VP8 ", saved("WEBP")[20:])),
    "canvas of 16 million pixels": lambda: riff((b"VP8X", b"\0\0\0\0" + b"\xff\x0f\0" * 2), (b"VP8 ", b"")),
}

# Questions of the size of a drawing that take several times as long.
COSTLY_DRAWINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "a spiral of 1,990 points": lambda: {"strokes": spiral(1_990)},
    "2,000 strokes of one point": lambda: {"strokes": dotted(2_000)},
    "a maze of 256x256 pixels": lambda: {"picture": text_of(maze(256))},
}

# Those that cost most and are still answered as drawings.
LARGEST_DRAWINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "a spiral of 999 points": lambda: {"strokes": spiral(999)},
    "500 strokes of one point": lambda: {"strokes": dotted(500)},
    "a maze of 128x128 pixels": lambda: {"picture": text_of(maze(128))},
}


def question(component: int, values: str = "{}", function: str = "answer") -> bytes:
    """The body of a question to the page, whose values are given as text."""
    return f'{{"component_id":{component},"fn_name":"{function}","session_hash":"a","data":{values}}}'.encode()


def numbers(digits: int, count: int) -> str:
    """Strokes whose points are that many long numbers."""
    return f'{{"strokes":[{{"width":1,"points":[{",".join(["9" * digits] * count)}]}}]}}'


FETCH = {"path": "http://127.0.0.1:9/big", "meta": {"_type": "gradio.FileData"}}

# Bodies that ask for much before anything is made of them; each takes the number of the component that is asked.
BODIES: dict[str, Callable[[int], bytes]] = {
    "900 numbers of 4,300 digits": lambda component: question(component, numbers(4_300, 900)),
    "38,000 numbers of 100 digits": lambda component: question(component, numbers(100, 38_000)),
    "39,000 numbers of 40 digits": lambda component: question(component, numbers(40, 39_000)),
    "a name of 3,990,000 characters": lambda component: question(component, function="z" * 3_990_000),
    "50 addresses to fetch": lambda component: question(component, json.dumps({"picture": [FETCH] * 50})),
    "2 million escapes": lambda component: question(component, '{"picture":"' + "\\/" * 1_990_000 + '"}'),
}
