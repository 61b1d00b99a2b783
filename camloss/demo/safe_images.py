"""From base64 text that a stranger sent to pixels, without trusting its container.

A picture file may hold much beside its pixels, and libraries read it all. So the file is taken apart here and only what
the pixels need is handed to the decoder: no comments, no colour profiles, no EXIF; of EXIF one number is read, which
says what side is up. What is left costs what its pixels cost, and those are counted first.
"""

import base64
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from camloss.errors import CamlossError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_TEXT = 4_000_000  # characters of base64
MAX_PIXELS = 4_000_000
MAX_SIDE = 16_000  # pixels
MAX_PARTS = 4_000  # chunks or segments of a file; the smallest that encoders write hold 1 to 8 kB of pixels
MAX_SCANS = 64  # of a progressive JPEG; encoders write about 10
MAX_LOSSLESS = 512 * 512  # pixels of a WebP without loss, which may ask for 5 kB of tables for every 16 of them
MAX_ENTRIES = 256  # of EXIF's first directory, of which one is the orientation

LINK_LETTERS = bytes.maketrans(b"-_", b"+/")
BLANKS = b" \t\r\n"

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
WEBP_PIXELS = (b"VP8X", b"ALPH", b"VP8 ", b"VP8L")
FRAMES = (0xC0, 0xC1, 0xC2)  # of a JPEG with Huffman codes, baseline or progressive
ODD_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)  # arithmetic codes take 30 times as long
EXIF_START = b"Exif\0\0"
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG or WebP file, taken apart but not decoded."""

    kind: str
    content: bytes
    """The file again, with the pixels alone."""
    width: int
    height: int
    orientation: int
    """1 to 8, as in EXIF; 1 is upright."""
    most: int = MAX_PIXELS
    """How many pixels a file of its kind may have."""

    def decode(self) -> "Image":
        """The pixels, the right side up.

        Raises:
            CamlossError: the file is damaged.
        """
        from PIL import Image  # 0.1 s to import

        try:
            image: Image.Image = Image.open(io.BytesIO(self.content), formats=(self.kind,))
            if image.size != (self.width, self.height):
                raise ValueError("it says two sizes")
            image.load()
            if image.mode == "P":  # now, for its palette may be damaged too, or missing
                image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        except Exception as error:  # Pillow raises whatever it stumbles over
            raise CamlossError(f"the picture is damaged ({str(error)[:100]}); send a whole {self.kind} file") from error
        turn = TURNS.get(self.orientation)
        return image if turn is None else image.transpose(Image.Transpose[turn])


TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def plain_base64(text: str) -> bytes:
    """Base64 as RFC 4648 writes it first, of what mail (line breaks), links (- and _) and tokens (no =) make of it.

    Raises:
        ValueError: it holds what no base64 does, such as letters beyond ASCII.
    """
    letters = text.encode("ascii").translate(LINK_LETTERS, BLANKS).rstrip(b"=")
    return letters + b"=" * (-len(letters) % 4)


def open_picture(text: object) -> Picture:
    """Check a picture that came as base64 text, with or without a `data:` prefix; nothing is decoded yet.

    Raises:
        CamlossError: it is not text, too long, not base64, not a PNG, JPEG or WebP image, or has too many pixels.
    """
    if not isinstance(text, str):
        raise CamlossError(f"the picture is {type(text).__name__}; send the image file as base64 text")
    if len(text) > MAX_TEXT:
        raise CamlossError(f"the picture is {len(text):,} characters long; send at most {MAX_TEXT:,}")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        file = base64.b64decode(plain_base64(text), validate=True)
    except ValueError as error:
        raise CamlossError(f"the picture is not base64 ({error}); send the image file as base64 text") from error
    found = next(((kind, read) for kind, (start, read) in READERS.items() if start.match(file)), None)
    if found is None:
        raise CamlossError(f"the picture is none of {', '.join(FORMATS)}; send one of these")
    kind, read = found
    try:
        picture = read(file)
    except (struct.error, IndexError, ValueError) as error:
        reason = str(error) if isinstance(error, OddFileError) else "it ends too early"
        raise CamlossError(f"the picture is damaged ({reason}); send a whole {kind} file") from error
    size = f"{picture.width} x {picture.height} pixels"
    if min(picture.width, picture.height) < 1:
        raise CamlossError(f"the picture has {size}; send one with at least one pixel")
    if picture.width * picture.height > picture.most or max(picture.width, picture.height) > MAX_SIDE:
        instead = "" if picture.most == MAX_PIXELS else ", or send a PNG instead of a WebP without loss"
        most = f"{picture.most:,} in all and {MAX_SIDE:,} on each side"
        raise CamlossError(f"the picture has {size}; scale it to at most {most}{instead}")
    return picture


class OddFileError(ValueError):
    """A container built as no encoder builds it."""


def _png(file: bytes) -> Picture:
    width, height = struct.unpack_from(">II", file, 16)
    kept, turned = [PNG_START], 1
    for kind, content, whole in _png_chunks(file):
        if kind in PNG_PIXELS:
            kept.append(whole)
        elif kind == b"eXIf":
            turned = orientation(content)
    return Picture("PNG", b"".join(kept), width, height, turned)


def _png_chunks(file: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(kind, content, the whole chunk with its length and checksum)."""
    at = len(PNG_START)
    for _ in _bounded():
        length, kind = struct.unpack_from(">I4s", file, at)
        end = at + 12 + length
        if end > len(file):
            raise IndexError
        yield kind, file[at + 8 : end - 4], file[at:end]
        if kind == b"IEND":
            return
        at = end


def _jpeg(file: bytes) -> Picture:
    kept, size, turned = [b"\xff\xd8"], (0, 0), 1
    at = 2
    for _ in _bounded():
        marker, start = _jpeg_marker(file, at)
        (length,) = struct.unpack_from(">H", file, start)
        content = file[start + 2 : start + length]
        if marker == 0xDA:  # start of scan: from here on pixels, and other scans
            break
        at = start + length
        if marker == 0xE1:
            turned = orientation(content.removeprefix(EXIF_START)) if content.startswith(EXIF_START) else turned
        elif marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, 1)
            size = (width, height)
        elif marker in ODD_FRAMES:
            raise OddFileError("it is coded in a way that browsers cannot read")
        if marker in (0xE0, 0xEE, 0xDB, 0xC4, 0xDD) or marker in FRAMES:
            kept.append(b"\xff" + bytes([marker]) + file[start:at])
    pixels = file[start:]
    if pixels.count(b"\xff\xda") >= MAX_SCANS:
        raise OddFileError(f"it has more than {MAX_SCANS} scans")
    return Picture("JPEG", b"".join([*kept, b"\xff\xda", pixels]), *size, turned)


def _jpeg_marker(file: bytes, at: int) -> tuple[int, int]:
    """The next marker, and where its length stands; any number of 0xFF may fill the space before it."""
    found = re.compile(rb"\xff+([^\xff\x00])", re.DOTALL).match(file, at)
    if found is None:
        raise OddFileError("a segment does not begin where the one before it ends")
    return found[1][0], found.end()


def _webp(file: bytes) -> Picture:
    kept: list[bytes] = []
    size, turned, at, lossless = (0, 0), 1, 12, False
    end = min(len(file), 8 + struct.unpack_from("<I", file, 4)[0])
    for _ in _bounded():
        if at >= end:
            break
        kind, length = struct.unpack_from("<4sI", file, at)
        content = file[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if kind == b"EXIF":
            turned = orientation(content.removeprefix(EXIF_START))
        elif kind in (b"ANIM", b"ANMF"):
            raise OddFileError("it holds several frames")
        elif kind in WEBP_PIXELS:
            size = size if kind == b"ALPH" or size != (0, 0) else _webp_size(kind, content)
            lossless |= kind == b"VP8L" or (kind == b"ALPH" and content[:1] != b"" and content[0] & 3 != 0)
            kept.append(kind + struct.pack("<I", length) + content + b"\0" * (length % 2))
    body = b"WEBP" + b"".join(kept)
    file = b"RIFF" + struct.pack("<I", len(body)) + body
    return Picture("WEBP", file, *size, turned, MAX_LOSSLESS if lossless else MAX_PIXELS)


def _webp_size(kind: bytes, content: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") for at in (4, 7))
        return width + 1, height + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", content, 6)
    return width & 0x3FFF, height & 0x3FFF


READERS = {
    "PNG": (re.compile(re.escape(PNG_START)), _png),
    "JPEG": (re.compile(rb"\xff\xd8\xff"), _jpeg),
    "WEBP": (re.compile(rb"RIFF....WEBP", re.DOTALL), _webp),
}
FORMATS = tuple(READERS)


def orientation(exif: bytes) -> int:
    """Which side of a photo is up: 1 to 8 from EXIF's first directory; 1 where it does not say so.

    Exif 2.32 (CIPA DC-008), 4.6.2 and 4.6.4; nothing else of it is read, and it may hold whatever it likes.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for entry in range(min(count, MAX_ENTRIES)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, at + 2 + 12 * entry)
            if tag == ORIENTATION:
                return value if value in TURNS else 1
    except struct.error:  # cut short, or it points beyond its end
        pass
    return 1


def _bounded() -> Iterator[int]:
    yield from range(MAX_PARTS)
    raise OddFileError(f"it has more than {MAX_PARTS:,} parts")
