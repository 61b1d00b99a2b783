"""Pictures that a stranger might craft: small files that ask for much, each of a size that this machine survives.

fuzz.py and the tests send them; every one must be refused or cheap.
"""

import base64
import io
import struct
import zlib
from collections.abc import Callable

PNG_START = b"\x89PNG\r\n\x1a\n"


def text_of(file: bytes) -> str:
    """As the page and the API send a picture."""
    return base64.b64encode(file).decode()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int, height: int, *extra: bytes, colour: int = 0, depth: int = 8, interlaced: bool = False, level: int = 9
) -> bytes:
    """A grey (colour 0), RGB (2), palette (3) or RGBA (6) PNG of zeros, with extra chunks before its pixels."""
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    rows = 2 * height if interlaced else height
    pixels = zlib.compress(b"\0" * ((width * bits + 7) // 8 + 1) * rows, level)
    return PNG_START + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def exif(tags: int, size: int) -> bytes:
    """A first directory whose tags all point at the same bytes: a reader that copies each takes tags x size."""
    entries = b"".join(struct.pack("<HHII", 0x8000 + tag, 1, size, 0) for tag in range(tags))
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", tags) + entries + b"\0\0\0\0").ljust(size, b"\0")


def jpeg(size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).save(file, "JPEG", **options)
    return file.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(file: bytes, *segments: bytes) -> bytes:
    """Segments right after a JPEG's start."""
    return file[:2] + b"".join(segments) + file[2:]


def many_scans(scans: int, side: int = 256) -> bytes:
    """A progressive JPEG in which one scan, of next to no bytes, comes again and again."""
    header = struct.pack(">BHHB3B", 8, side, side, 1, 1, 0x11, 0)
    table = bytes([0] * 15 + [1, 0xE0])  # the one code, of 16 bits
    table = bytes([1] + [0] * 15 + [0xE0])  # the one code, of 1 bit: a run of 2^14 empty blocks
    dc = bytes([0, 1] + [0] * 15 + [0])
    ac = bytes([0x10]) + table
    first = segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0x01])) + b"\0" * (side // 8 * (side // 8) // 8 + 1)
    scan = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x00])) + b"\0" * 2
    refined = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x10])) + b"\0" * 2
    del refined
    return (
        b"\xff\xd8"
        + segment(0xDB, bytes([0] + [1] * 64))
        + segment(0xC2, header)
        + segment(0xC4, dc)
        + segment(0xC4, ac)
        + first
        + scan * scans
        + b"\xff\xd9"
    )


def webp(size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGBA").save(file, "WEBP", **options)
    return file.getvalue()


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def dots(width: int, height: int, step: int) -> bytes:
    """Single dark columns or dots, far apart."""
    from PIL import Image

    image = Image.new("RGBA", (width, height))
    for x in range(0, width, step):
        for y in range(0, height, step):
            image.putpixel((x, y), (0, 0, 0, 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
