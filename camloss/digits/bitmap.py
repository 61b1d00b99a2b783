"""Black-and-white pictures as whole numbers, one bit per pixel.

A shift moves a whole picture, `&`, `|` and `~` combine two: Python does in a microsecond to all the pixels of a small
picture what tensors do in ten.

    >>> ring = pack(torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]]) > 0)
    >>> ring.count
    8
    >>> ring.inner.count  # each of the eight touches the hole
    0
    >>> ring.unpack().int().tolist()
    [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

import torch
from torch import Tensor
from torch.nn import functional as F

_BITS = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8)


@dataclass(frozen=True)
class Bitmap:
    """A picture of height x width pixels; bit `y * stride + x` is the pixel at (x, y)."""

    bits: int
    height: int
    width: int

    @property
    def stride(self) -> int:
        """Bits from row to row: whole bytes, the last bit always empty, so that no row runs into the next."""
        return self.width // 8 * 8 + 8

    @property
    def count(self) -> int:
        """How many pixels are set."""
        return self.bits.bit_count()

    @property
    def length(self) -> float:
        """Length of the lines in the picture, in pixels, where these are one pixel wide."""
        here, right, below = self.bits, self.bits >> 1, self.bits >> self.stride
        diagonal = below >> 1
        straight = (here & right).bit_count() + (here & below).bit_count()
        falling = here & diagonal & ~right & ~below
        rising = right & below & ~here & ~diagonal
        return straight + math.sqrt(2) * (falling.bit_count() + rising.bit_count())

    @property
    def inner(self) -> "Bitmap":
        """The pixels that touch no empty one; what lies outside the picture is not empty."""
        row = ((1 << self.width) - 1).to_bytes(self.stride // 8, "little")
        empty = int.from_bytes(row * self.height, "little") & ~self.bits
        return replace(self, bits=self.bits & ~_grown(empty, self.stride))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) around the pixels that are set, half open; one at least is."""
        rows = self._rows()
        inked = [y for y, row in enumerate(rows) if row]
        columns = reduce(or_, rows)
        return (columns & -columns).bit_length() - 1, inked[0], columns.bit_length(), inked[-1] + 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of that box."""
        x0, y0, x1, y1 = self.box
        return x1 - x0, y1 - y0

    def inset(self, depth: int) -> int:
        """The bits of all pixels that are further than that from the border."""
        row = (1 << self.width - depth) - (1 << depth) if self.width > 2 * depth else 0
        return self._of_rows([row if depth <= y < self.height - depth else 0 for y in range(self.height)]).bits

    def holds_square(self, side: int) -> bool:
        """Whether all pixels of some square are set."""
        bits = self.bits
        for step in (1, self.stride):
            covered = 1
            while covered < side:
                more = min(covered, side - covered)
                bits &= bits >> more * step
                covered += more
        return bits != 0

    @property
    def holes(self) -> "Bitmap":
        """The empty pixels from which no path of straight steps leads out of the picture."""
        row, border = (1 << self.width) - 1, 1 << self.width + 2
        inside = ((row & ~line) << 1 | 1 | 1 << self.width + 1 for line in self._rows())
        rows = [border - 1, *inside, border - 1]  # what is empty, in a frame that is empty, too
        _take_part(rows, 0, 1, reach=0)
        return self._of_rows([line >> 1 & row for line in rows[1:-1]])

    @property
    def filled(self) -> "Bitmap":
        """With its holes."""
        return replace(self, bits=self.bits | self.holes.bits)

    def part_at(self, pixel: int) -> "Bitmap":
        """The 8-connected part of the picture that has a pixel, which is one of its set bits."""
        rows = self._rows()
        y, x = divmod(pixel.bit_length() - 1, self.stride)
        return self._of_rows(_take_part(rows, y, 1 << x, reach=1))

    def _rows(self) -> list[int]:
        octets, size = self.bits.to_bytes(self.height * self.stride // 8, "little"), self.stride // 8
        return [int.from_bytes(octets[at : at + size], "little") for at in range(0, len(octets), size)]

    def _of_rows(self, rows: list[int]) -> "Bitmap":
        octets = b"".join(row.to_bytes(self.stride // 8, "little") for row in rows)
        return replace(self, bits=int.from_bytes(octets, "little"))

    def parts(self) -> list["Bitmap"]:
        """The 8-connected parts of the picture."""
        found, rest = [], self.bits
        while rest:
            part, grown = 0, rest & -rest
            while part != grown:
                part, grown = grown, _grown(grown, self.stride) & rest
            found.append(replace(self, bits=part))
            rest ^= part
        return found

    def thinning(self) -> list["Bitmap"]:
        """The stages on the way to the skeleton, itself first; two stages take about one layer of pixels away.

        Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 32(3), 1989, algorithm A1.
        """
        stages = [self]
        while len(stages) < 3 or stages[-3] != stages[-1]:
            stages.append(stages[-1]._peeled(from_lower_left=len(stages) % 2 == 1))
        return stages

    def _peeled(self, from_lower_left: bool) -> "Bitmap":
        above, below = self.bits << self.stride, self.bits >> self.stride
        p2, p3, p4, p5 = above, above >> 1, self.bits >> 1, below >> 1  # the neighbours, clockwise from the one above
        p6, p7, p8, p9 = below, below << 1, self.bits << 1, above << 1
        starts = (~p2 & (p3 | p4), ~p4 & (p5 | p6), ~p6 & (p7 | p8), ~p8 & (p9 | p2))  # of lines that meet here
        one_way, other_way = (p9 | p2, p3 | p4, p5 | p6, p7 | p8), (p2 | p3, p4 | p5, p6 | p7, p8 | p9)
        an_end = ~(_at_least_two(*one_way) & _at_least_two(*other_way))
        inside = _all_four(*one_way) & _all_four(*other_way)
        spared = (p6 | p7 | ~p9) & p8 if from_lower_left else (p2 | p3 | ~p5) & p4
        return replace(self, bits=self.bits & ~(_exactly_one(*starts) & ~an_end & ~inside & ~spared))

    def unpack(self) -> Tensor:
        """(height, width) bool."""
        return unpack([self])[0]


def unpack(pictures: Sequence[Bitmap]) -> Tensor:
    """At least one picture, all of one size -> (N, height, width) bool."""
    height, width, stride = pictures[0].height, pictures[0].width, pictures[0].stride
    octets = bytearray().join(picture.bits.to_bytes(height * stride // 8, "little") for picture in pictures)
    bits = torch.frombuffer(octets, dtype=torch.uint8)[:, None] & _BITS
    return bits.bool().view(len(pictures), height, stride)[:, :, :width]


def pack(mask: Tensor) -> Bitmap:
    """(height, width) bool -> Bitmap."""
    empty = Bitmap(0, *mask.shape)
    octets = F.pad(mask, (0, empty.stride - empty.width)).view(-1, 8) * _BITS
    return replace(empty, bits=int.from_bytes(bytes(octets.sum(1).tolist()), "little"))


def _take_part(rows: list[int], y: int, pixel: int, reach: int) -> list[int]:
    """Empty the rows of the part around a set pixel; the rows of that part.

    It is taken run by run: each unbroken run of set pixels of a row is looked at once. Runs meet where they share a
    column, or with a reach of 1 at corners, too.
    """
    part = [0] * len(rows)
    taken = [(y, _take_run(rows, y, pixel))]
    while taken:
        y, run = taken.pop()
        part[y] |= run
        near = run | run << reach | run >> reach
        for beside in (y - 1, y + 1):
            while 0 <= beside < len(rows) and (met := rows[beside] & near):
                taken.append((beside, _take_run(rows, beside, met & -met)))
    return part


def _take_run(rows: list[int], y: int, pixel: int) -> int:
    """Empty a row of the run of set pixels around one of them, a power of two; the run."""
    row = rows[y]
    gap = (~row & (pixel - 1)).bit_length()  # where the nearest gap below ends
    run = row & ~(row + pixel) | (pixel - (1 << gap))
    rows[y] = row & ~run
    return run


def _grown(bits: int, stride: int) -> int:
    """With the eight neighbours of each pixel."""
    wide = bits | bits << 1 | bits >> 1
    return wide | wide << stride | wide >> stride


def _exactly_one(a: int, b: int, c: int, d: int) -> int:
    return (a ^ b ^ c ^ d) & ~(a & b | c & d)


def _at_least_two(a: int, b: int, c: int, d: int) -> int:
    return a & b | c & d | (a | b) & (c | d)


def _all_four(a: int, b: int, c: int, d: int) -> int:
    return a & b & c & d
