"""Garbage in files: containers of pictures, weight files and JSON, taken apart, changed and put together again.

What stands here is built by structure, so that most of it gets past the first check.
"""

import json
import math
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import malicious_images
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

# ---- pictures

SIDES = (1, 2, 3, 7, 16, 28, 64, 100, 333, 1000, 2000, 4000, 15_999, 16_000, 16_001, 65_535)
MODES = ("L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I", "I;16")
COLOURS = ((0, 8), (2, 8), (3, 8), (6, 8), (6, 16), (2, 16), (0, 16), (0, 1), (3, 4))  # PNG's, with their depths
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
KINDS = {
    "PNG": (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"zTXt", b"iCCP", b"acTL", b"fcTL", b"fdAT", b"gAMA"),
    "WEBP": (b"VP8X", b"ALPH", b"VP8 ", b"VP8L", b"EXIF", b"XMP ", b"ICCP", b"ANIM", b"ANMF"),
    "JPEG": tuple(
        bytes([marker]) for marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC8, 0xC9, 0xCA, 0xCC, 0xD0, 0xD8, 0xD9)
    )
    + tuple(bytes([marker]) for marker in (0xDA, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE)),
}
EXTRAS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "zeros": lambda: bytes(800),
    "ones": lambda: b"\xff" * 64,
    "EXIF beyond its end": lambda: b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    "EXIF that shares its bytes": lambda: malicious_images.exif(200, 60_000),
    "Adobe": lambda: b"Adobe\0d\0\0\0\0\0\x02",
    "JFIF": lambda: b"JFIF\0\1\1\0\0\1\0\1",
    "text that swells": lambda: b"a\0\0" + zlib.compress(bytes(5_000_000), 9),
}


@dataclass(frozen=True)
class Picture:
    """How a picture is made, rather than its bytes: what is printed of it makes it again."""

    base: tuple[Any, ...]
    changes: tuple[tuple[Any, ...], ...]
    wrapped: str = ""

    def file(self) -> bytes:
        file = _base(self.base)
        kind = "PNG" if file[:4] == b"\x89PNG" else "WEBP" if file[:4] == b"RIFF" else "JPEG"
        if not self.changes or file[:3] == b"GIF":
            return file
        parts = PARTS[kind](file)
        for change in self.changes:
            parts = _changed(parts, kind, *change)
        return JOINED[kind](parts)

    def text(self) -> str:
        text = malicious_images.text_of(self.file())
        match self.wrapped:
            case "data":
                return f"data:image/png;base64,{text}"
            case "cut":
                return text[: len(text) // 2]
            case "spoilt":
                return text.replace("A", "é", 1)
        return text


def _base(base: tuple[Any, ...]) -> bytes:
    what, *rest = base
    match what:
        case "png":
            width, height, (colour, depth), interlaced = rest
            return malicious_images.png(width, height, colour=colour, depth=depth, interlaced=interlaced)
        case "saved":
            kind, size, mode, options = rest
            return malicious_images.saved(kind, size, mode, **dict(options))
        case "noise":
            kind, size, options = rest
            return malicious_images.noise(kind, size, **dict(options))
        case "made":
            return malicious_images.PICTURES[rest[0]]()
        case _:
            return MADE[what](*rest)


MADE: dict[str, Callable[..., bytes]] = {
    "dots": malicious_images.dots,
    "scans": malicious_images.many_scans,
    "codes": malicious_images.many_codes,
    "arithmetic": malicious_images.arithmetic,
}


@st.composite
def pictures(draw: Draw) -> Picture:
    changes = draw(st.lists(CHANGE, max_size=4).map(tuple))
    return Picture(draw(BASE), changes, draw(st.sampled_from(("",) * 12 + ("data", "cut", "spoilt"))))


side = st.one_of(st.sampled_from(SIDES), st.integers(1, 300))
small = st.integers(1, 400)
SIZE = st.one_of(
    st.tuples(small, small),
    st.tuples(side, side).filter(
        lambda size: math.prod(size) <= 4_200_000 and max(size) < 16_384  # which is all that WebP can hold
    ),
    st.just((2000, 2000)),
)
JPEG_OPTIONS = st.sampled_from(
    ((), (("progressive", True),), (("quality", 1),), (("quality", 100), ("subsampling", 0)))
)
WEBP_OPTIONS = st.sampled_from(((), (("lossless", True),), (("quality", 1),), (("lossless", True), ("method", 0))))
BASE = st.one_of(
    st.tuples(st.just("png"), side, side, st.sampled_from(COLOURS), st.booleans()).filter(
        lambda base: base[1] * base[2] <= 5_000_000
    ),
    st.tuples(st.just("saved"), st.just("PNG"), SIZE, st.sampled_from(MODES[:6]), st.just(())),
    st.tuples(st.just("saved"), st.just("JPEG"), SIZE, st.sampled_from(("L", "RGB", "CMYK")), JPEG_OPTIONS),
    st.tuples(st.just("saved"), st.just("WEBP"), SIZE, st.sampled_from(("RGB", "RGBA")), WEBP_OPTIONS),
    st.tuples(
        st.just("saved"),
        st.sampled_from(("GIF", "BMP", "TIFF", "ICO")),
        st.tuples(small, small),
        st.just("L"),
        st.just(()),
    ),
    st.tuples(st.just("noise"), st.sampled_from(("PNG", "JPEG", "WEBP")), st.tuples(small, small), st.just(())),
    st.tuples(st.just("dots"), side.filter(lambda x: x < 5000), st.integers(1, 700), st.integers(3, 90)).filter(
        lambda base: base[1] * base[2] < 1_000_000
    ),
    st.tuples(st.just("scans"), st.sampled_from((1, 10, 62, 63, 64, 500)), st.sampled_from((8, 64, 512, 2000))),
    st.tuples(st.just("codes"), st.sampled_from((4, 16, 64, 256, 512, 516))),
    st.tuples(st.just("arithmetic"), st.sampled_from((0, 1, 60)), st.sampled_from((8, 64, 2000))),
    st.tuples(st.just("made"), st.sampled_from(list(malicious_images.PICTURES))),
)
place = st.integers(0, 40)
NUMBER = st.one_of(st.sampled_from(NUMBERS), st.integers(0, 2**32 - 1))
CHANGE = st.one_of(
    st.tuples(st.just("drop"), place),
    st.tuples(st.just("last"), place),
    st.tuples(st.just("again"), place, st.sampled_from((1, 2, 50, 3999, 5000))),
    st.tuples(st.just("cut"), place, st.integers(0, 64)),
    st.tuples(st.just("rename"), place, st.integers(0, 30)),
    st.tuples(st.just("extra"), place, st.integers(0, 30), st.sampled_from(list(EXTRAS))),
    st.tuples(st.just("number"), place, st.integers(0, 24), st.sampled_from((1, 2, 4)), NUMBER),
    st.tuples(st.just("noise"), place, st.integers(0, 2**16), st.integers(1, 64)),
    st.tuples(st.just("length"), place, NUMBER),
    st.tuples(st.just("tail"), place, st.integers(0, 5000)),
)


@dataclass(frozen=True)
class Part:
    """A chunk or segment; `length` is what it claims, or None for the truth."""

    kind: bytes
    content: bytes
    length: int | None = None


def _changed(parts: list[Part], kind: str, what: str, at: int, *how: Any) -> list[Part]:
    if not parts:
        return parts
    at %= len(parts)
    before, part, after = parts[:at], parts[at], parts[at + 1 :]
    content = part.content
    match what, how:
        case "drop", _:
            changed: list[Part] = []
        case "last", _:
            changed, after = [], [*after, part]
        case "again", (times,):
            changed = [part] * (times if len(content) * times < 2_000_000 else 2)
        case "cut", (length,):
            changed = [replace(part, content=content[:length])]
        case "rename", (name,):
            changed = [replace(part, kind=KINDS[kind][name % len(KINDS[kind])])]
        case "extra", (name, extra):
            changed = [Part(KINDS[kind][name % len(KINDS[kind])], EXTRAS[extra]()), part]
        case "number", (offset, size, value):
            number = (value % 256**size).to_bytes(size, "little" if kind == "WEBP" else "big")
            changed = [replace(part, content=content[:offset] + number + content[offset + size :])]
        case "noise", (seed, count):
            changed = [replace(part, content=_spoilt(content, seed, count))]
        case "length", (length,):
            changed = [replace(part, length=length)]
        case _, (length,):
            changed = [replace(part, content=content + b"\xff" * length)]
    return [*before, *changed, *after]


def _spoilt(content: bytes, seed: int, count: int) -> bytes:
    """Some bytes are others."""
    spoilt = bytearray(content)
    for number in range(count if content else 0):
        spoilt[(seed * 2_654_435_761 + number * 40_503) % len(content)] = (seed * 31 + number * 97) % 256
    return bytes(spoilt)


def _png_parts(file: bytes) -> list[Part]:
    parts, at = [], 8
    while at + 12 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        parts.append(Part(kind, file[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def _png_joined(parts: list[Part]) -> bytes:
    def whole(part: Part) -> bytes:
        length = len(part.content) if part.length is None else part.length
        crc = zlib.crc32(part.kind + part.content)
        return struct.pack(">I", length) + part.kind + part.content + struct.pack(">I", crc)

    return malicious_images.PNG_START + b"".join(map(whole, parts))


def _webp_parts(file: bytes) -> list[Part]:
    parts, at = [], 12
    while at + 8 <= len(file):
        kind, length = struct.unpack_from("<4sI", file, at)
        parts.append(Part(kind, file[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return parts


def _webp_joined(parts: list[Part]) -> bytes:
    def whole(part: Part) -> bytes:
        length = len(part.content) if part.length is None else part.length
        return part.kind + struct.pack("<I", length) + part.content + b"\0" * (len(part.content) % 2)

    body = b"WEBP" + b"".join(map(whole, parts))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg_parts(file: bytes) -> list[Part]:
    """Segments; the last one is the first scan, with all that follows it."""
    parts, at = [], 2
    while at + 4 <= len(file):
        marker, length = struct.unpack_from(">xBH", file, at)
        end = len(file) if marker == 0xDA else at + 2 + length
        parts.append(Part(bytes([marker]), file[at + 4 : end], length if marker == 0xDA else None))
        at = end
    return parts


def _jpeg_joined(parts: list[Part]) -> bytes:
    def whole(part: Part) -> bytes:
        length = len(part.content) + 2 if part.length is None else part.length
        return b"\xff" + part.kind[:1] + struct.pack(">H", length % 65536) + part.content

    return b"\xff\xd8" + b"".join(map(whole, parts))


PARTS: dict[str, Callable[[bytes], list[Part]]] = {"PNG": _png_parts, "WEBP": _webp_parts, "JPEG": _jpeg_parts}
JOINED: dict[str, Callable[[list[Part]], bytes]] = {"PNG": _png_joined, "WEBP": _webp_joined, "JPEG": _jpeg_joined}

# ---- JSON

TEXTS = (
    "",
    "\0",
    "\ud800",
    "a\nb",
    "../../etc/passwd",
    "ce",
    "cam",
    "9" * 400,
    "a" * 10_000,
    "0" * 40,
    "0" * 64,
    "NaN",
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(TEXTS),
    st.sampled_from((-1, 0, 1, 9, 10, 10**9, 10**400, 1e308, -0.0)),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def changed_json(value: Any) -> st.SearchStrategy[Any]:
    """The same with one to three of its values replaced or gone."""

    @st.composite
    def changed(draw: Draw) -> Any:
        tree = json.loads(json.dumps(value))
        for _ in range(draw(st.integers(1, 3))):
            tree = _replaced(tree, draw)
        return tree

    return changed()


def _replaced(tree: Any, draw: Draw) -> Any:
    if not (isinstance(tree, dict | list) and tree) or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from(sorted(tree) if isinstance(tree, dict) else range(len(tree))))
    how = draw(st.integers(0, 6))
    if how == 0:
        del tree[key]
    elif how == 1 and isinstance(tree, dict):
        tree[draw(st.sampled_from((key.partition(".")[2], f"-1.{key}", f"{key}x", "é")))] = tree.pop(key)
    else:
        tree[key] = _replaced(tree[key], draw)
    return tree


DEEP = b"[" * 100_000
NUMBERS_IN_JSON = (b"NaN", b"-Infinity", b"1e400", b"1" + b"0" * 400, b"1" + b"0" * 5_000, DEEP, b'"\\ud800"', b"\xff")


def changed_json_text(content: bytes) -> st.SearchStrategy[bytes]:
    """A JSON file like that one: another value somewhere, or in place of one what Python's own reader takes and JSON
    does not know."""
    value = json.loads(content)
    odd = st.tuples(changed_json(value), st.sampled_from(NUMBERS_IN_JSON))
    return changed_json(value).map(lambda found: json.dumps(found).encode()) | odd.map(_with_odd_number)


def _with_odd_number(how: tuple[Any, bytes]) -> bytes:
    text = json.dumps(how[0]).encode()
    number = re.search(rb"-?\d[\d.e+-]*", text)
    return text if number is None else text[: number.start()] + how[1] + text[number.end() :]


def changed_lines(content: bytes) -> st.SearchStrategy[bytes]:
    """JSON Lines like those: one line another, gone or there twice."""
    lines = content.splitlines(keepends=True)

    def with_line(at: int) -> st.SearchStrategy[bytes]:
        other = changed_json_text(lines[at]).map(lambda line: line + b"\n") | st.sampled_from((b"", lines[at] * 2))
        return other.map(lambda line: b"".join([*lines[:at], line, *lines[at + 1 :]]))

    return st.integers(0, len(lines) - 1).flatmap(with_line)


# ---- any file


def spoilt(content: bytes) -> st.SearchStrategy[bytes]:
    """A file like that one: at one to three places bytes are others, new, gone or there twice; or it ends there."""
    place = st.integers(0, len(content)) | st.integers(0, min(64, len(content)))
    change = st.one_of(
        st.tuples(st.just("others"), place, st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("new"), place, st.binary(max_size=8)),
        st.tuples(st.just("gone"), place, st.integers(1, 100)),
        st.tuples(st.just("twice"), place, st.integers(1, 100)),
        st.tuples(st.just("end"), place, st.just(0)),
    )

    def changed(changes: list[tuple[str, int, Any]]) -> bytes:
        found = content
        for what, at, how in changes:
            before, after = found[:at], found[at:]
            match what:
                case "others":
                    after = how + after[len(how) :]
                case "new":
                    after = how + after
                case "gone":
                    after = after[how:]
                case "twice":
                    after = after[:how] + after
                case _:
                    after = b""
            found = before + after
        return found

    return st.lists(change, min_size=1, max_size=3).map(changed)


# ---- weight files


@dataclass(frozen=True)
class Weights:
    """A safetensors file: its header, what is done to its numbers, and what its first 8 bytes say of the header."""

    header: Any
    numbers: bytes
    length: int | None = None
    cut: int | None = None

    def file(self) -> bytes:
        header = json.dumps(self.header).encode()
        length = len(header) if self.length is None else self.length
        return (struct.pack("<Q", length) + header + self.numbers)[: self.cut]

    def __repr__(self) -> str:
        return f"Weights({json.dumps(self.header)[:300]}, length={self.length}, cut={self.cut})"


@cache
def taken_apart(file: bytes) -> tuple[str, bytes]:
    """The header and the numbers of a safetensors file."""
    (length,) = struct.unpack_from("<Q", file)
    return file[8 : 8 + length].decode(), file[8 + length :]


def weights(file: bytes) -> st.SearchStrategy[Weights]:
    """Files like that one: another header, or our own header in it, or other numbers."""
    text, numbers = taken_apart(file)
    header = json.loads(text)
    ours = json.loads(header.get("__metadata__", {}).get("camloss", "{}"))

    def with_ours(changed: Any) -> Any:
        return {**header, "__metadata__": {"camloss": json.dumps(changed)}}

    spoilt = st.tuples(st.integers(0, 2**16), st.integers(0, 200)).map(lambda how: _spoilt(numbers, *how))

    def with_part(key: str) -> st.SearchStrategy[Any]:
        return changed_json(ours[key]).map(lambda changed: with_ours({**ours, key: changed}))

    odd_header = st.one_of(changed_json(header), changed_json(ours).map(with_ours), *map(with_part, ours))
    odd_length = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from((0, 1, 2**63, 10**8)))
    return st.one_of(
        st.builds(Weights, odd_header, st.just(numbers)),
        st.builds(Weights, st.just(header), spoilt | st.just(b"\xff" * len(numbers))),
        st.builds(Weights, st.just(header), st.just(numbers), odd_length),
        st.builds(Weights, odd_header, st.just(numbers), st.none(), st.integers(0, len(file) + 9)),
    )
