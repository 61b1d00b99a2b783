"""The Hub's Xet storage, for the real client: what it uploads is unpacked. Nobody downloads from it.

Files are cut into chunks, chunks lie in xorbs, and shards say which chunks a file is made of
(https://huggingface.co/docs/xet). Importing this adds the routes to `hub_server`.
"""

import json
import struct
import time
from collections.abc import Iterator
from typing import Any

from hub_server import Hub, route, sha256

STORED, GROUPED = 0, 2  # how a chunk is compressed: not at all; LZ4, and for the latter every fourth byte lies together
WITH_CHECKS, WITH_SHA256 = 1 << 31, 1 << 30
END = b"\xff" * 32
PREFIX = "/xet/v1"


@route("GET", "/api/{kind}s/{repo}/xet-(?P<right>read|write)-token/{rev}")
def token(request: Any, kind: str, repo: str, rev: str, right: str) -> None:
    if right == "write" and not request.may_write():
        return
    if request.repo_at(kind, repo, rev):
        address, until = f"{request.hub.endpoint}/xet", int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": address, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(until)}
        body = json.dumps({"casUrl": address, "accessToken": "xet", "exp": until}).encode()
        request.send(200, body, {**headers, "Content-Type": "application/json"})


@route("POST", PREFIX + "/xorbs/default/(?P<name>[0-9a-f]{64})")
def upload_xorb(request: Any, name: str) -> None:
    request.hub.xorbs[name] = [_unpacked(*chunk) for chunk in _chunks(request.body)]
    request.json({"was_inserted": True})


@route("POST", PREFIX + "/shards")
def upload_shard(request: Any) -> None:
    for name, content in _files(request.hub, request.body):
        if sha256(content) != name:
            request.error(400, "the content does not have that hash")
            return
        request.hub.blobs[name] = content
    request.json({"result": 1})


def _chunks(xorb: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(content, how it is compressed, its true length) of each chunk."""
    at = 0
    while at + 8 <= len(xorb) and xorb[at] == 0:
        length, kind, true = (int.from_bytes(xorb[at + a : at + b], "little") for a, b in ((1, 4), (4, 5), (5, 8)))
        yield xorb[at + 8 : at + 8 + length], kind, true
        at += 8 + length


def _unpacked(content: bytes, kind: int, length: int) -> bytes:
    plain = content if kind == STORED else unpack_lz4(content)
    if kind != GROUPED:
        return plain
    whole, start = bytearray(length), 0
    for place in range(4):
        count = len(range(place, length, 4))
        whole[place::4] = plain[start : start + count]
        start += count
    return bytes(whole)


def unpack_lz4(frame: bytes) -> bytes:
    """An LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md); its checksums are not checked."""
    flags = frame[4]
    at = 7 + (8 if flags & 8 else 0)
    plain = bytearray()
    while size := int.from_bytes(frame[at : at + 4], "little"):
        end = at + 4 + (size & 0x7FFFFFFF)
        if size >> 31:
            plain += frame[at + 4 : end]
        else:
            _unpack_block(frame[at + 4 : end], plain)
        at = end + (4 if flags & 16 else 0)
    return bytes(plain)


def _unpack_block(block: bytes, plain: bytearray) -> None:
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        total = nibble
        while nibble == 15:
            total, at = total + block[at], at + 1
            if block[at - 1] != 255:
                break
        return total

    while at < len(block):
        first, at = block[at], at + 1
        count = length(first >> 4)
        plain += block[at : at + count]
        at += count
        if at >= len(block):  # the last sequence has no match
            return
        back, at = int.from_bytes(block[at : at + 2], "little"), at + 2
        for _ in range(length(first & 15) + 4):
            plain.append(plain[-back])


def _files(hub: Hub, shard: bytes) -> Iterator[tuple[str, bytes]]:
    """(sha256, content) of each file of a shard."""
    at = 48  # after the shard's own header; each record is as long
    while shard[at : at + 32] != END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        content = b""
        for _ in range(count):
            at += 48
            first, last = struct.unpack_from("<II", shard, at + 40)
            content += b"".join(hub.xorbs[_name(shard[at : at + 32])][first:last])
        at += 48 + (48 * count if flags & WITH_CHECKS else 0)
        if not flags & WITH_SHA256:
            raise ValueError("the shard does not name its files")
        yield _name(shard[at : at + 32]), content
        at += 48


def _name(digest: bytes) -> str:
    """Xet writes a hash as four numbers, of which the lowest byte comes first."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))
