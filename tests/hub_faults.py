"""What may be wrong with a Hub, and what its user then reads; scripts/dev/faults.py makes a table of it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from hub_pair import REPO
from hub_server import Fault, Hub

WEIGHTS = "cam/model.safetensors"

Break = Callable[[Hub], None]


def fault(method: str, path: str, what: Fault, **headers: str) -> Break:
    return lambda hub: hub.fail(method, path, what, {name.replace("_", "-"): value for name, value in headers.items()})


def in_xet(method: str, path: str, what: Fault) -> Break:
    """The same, on a Hub that keeps large files in Xet."""

    def break_it(hub: Hub) -> None:
        hub.storage = "xet"
        hub.fail(method, path, what)

    return break_it


def describes(**file: object) -> bytes:
    """What the Hub's API says of a repository with one file."""
    return json.dumps({"id": REPO, "sha": "0" * 40, "siblings": [{"rfilename": "config.json", **file}]}).encode()


def untrusted_certificate(folder: Path) -> Path:
    """A certificate, with its key, that nobody has signed."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    request += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*request, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    both = folder / "certificate.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return both


HANGS = "the Hub did not get on, given up after .* s; try again later, or set HF_HUB_OFFLINE=1"
PUSH_HANGS = "the Hub did not get on, given up after .* s; try again later$"
XET_HANGS = "the Hub's Xet storage did not get on, given up after .* s; set HF_HUB_DISABLE_XET=1, or try again later$"
XET_FAILS = "the Hub's Xet storage fails; set HF_HUB_DISABLE_XET=1"
NO_SENSE = "gives an answer that makes no sense"
LOADING: dict[str, tuple[Break, str]] = {  # how to break the Hub, and what Pair.load says
    "repository missing": (lambda hub: hub.repos.clear(), r"there is no such repository, or it is private \(404\)"),
    "401": (fault("GET", "/api/models", 401), r"the Hub does not accept the token \(401\)"),
    "402": (fault("GET", "/api/models", 402), r"the Hub wants payment \(402\)"),
    "403": (fault("GET", "/api/models", 403), r"the token may not read that \(403\)"),
    "418": (fault("GET", "/api/models", 418), r"the Hub refuses \(418: fault 418\)"),
    "429": (fault("GET", "/api/models", 429), r"too many requests \(429\)"),
    "429, come back in an hour": (fault("HEAD", WEIGHTS, 429, Retry_After="3600"), HANGS),
    "5xx": (fault("GET", "/api/models", 502), r"the Hub is in trouble \(502\)"),
    "5xx on HEAD": (fault("HEAD", WEIGHTS, 503), r"the Hub is in trouble \(503\)"),
    "5xx on GET": (fault("GET", WEIGHTS, 500), r"the Hub is in trouble \(500\)"),
    "access disabled": (
        fault("GET", "/api/models", b"{}", X_Status="403", X_Error_Message="Access to this resource is disabled."),
        r"the Hub has disabled it \(403\); its page on the Hub may say why",
    ),
    "999": (fault("GET", "/api/models", 999), r"the Hub refuses \(999: fault 999\)"),
    "redirect loop": (
        fault("GET", "/api/models", 302, Location=f"/api/models/{REPO}"),
        "sends from one address to another without end; check HF_ENDPOINT",
    ),
    "header of 200 kB": (
        fault("GET", "/api/models", b"{}", X_Long="a" * 200_000),
        r"gives an answer that is no HTTP \(.*\); check HF_ENDPOINT",
    ),
    "gated": (fault("HEAD", WEIGHTS, "gated"), r"it is gated \(403\); ask for access"),
    "refused": (lambda hub: hub.stop(), "cannot be reached; check the network"),
    "hanging": (fault("GET", "/api/models", "hang"), "does not answer; try again later"),
    "hanging HEAD": (fault("HEAD", WEIGHTS, "hang"), HANGS),
    "hanging GET": (fault("GET", WEIGHTS, "hang"), HANGS),
    "a byte at a time": (fault("GET", WEIGHTS, "trickle"), HANGS),
    "connection reset mid-file": (fault("GET", WEIGHTS, "reset"), "the connection to .* broke off; try again"),
    "truncated": (fault("GET", WEIGHTS, "truncate"), "the file arrived incomplete; try again"),
    "corrupt": (fault("GET", WEIGHTS, "corrupt"), "was damaged on its way: its hash is .*; try again"),
    "file without end": (
        fault("GET", WEIGHTS, "endless"),
        "more than 2,000,000 bytes come in answer to GET .*; try again",
    ),
    "config of 600 MB": (
        fault("GET", "/api/models", describes(size=600_000_000)),
        "is too large: 600,000,000 bytes, at most 1,000,000 are taken",
    ),
    "packed bytes": (
        fault("GET", "/api/models", b"", Content_Encoding="gzip"),
        "packed bytes, which nobody asked for, come in answer to GET .*; try again",
    ),
    "answer of 3 MB": (
        fault("GET", "/api/models", b" " * 3_000_000),
        "more than 2,000,000 bytes come in answer to GET .*; try again",
    ),
    "ETag that is a path": (fault("HEAD", "config.json", "odd etag"), "does not have an ETag"),
    "HTML instead of JSON": (fault("GET", "/api/models", b"<html>Please log in</html>"), "something that is no JSON"),
    "JSON: a list": (fault("GET", "/api/models", b"[]"), NO_SENSE),
    "JSON: a number for a list": (fault("GET", "/api/models", b'{"id": "a", "siblings": 5}'), NO_SENSE),
    "JSON: keys missing": (fault("GET", "/api/models", b'{"id": "a", "siblings": [{}]}'), NO_SENSE),
    "JSON: a text for a size": (fault("GET", "/api/models", describes(size="large")), NO_SENSE),
    "JSON: 100,000 brackets": (fault("GET", "/api/models", b"[" * 100_000), NO_SENSE),
}
PUSHING: dict[str, tuple[Break, str]] = {  # how to break the Hub, and what push_pair says
    "hanging create": (fault("POST", "/api/repos/create", "hang"), f"cannot create .*: {PUSH_HANGS}"),
    "hanging preupload": (fault("POST", "/preupload/", "hang"), f"cannot push to .*: {PUSH_HANGS}"),
    "hanging commit": (fault("POST", "/commit/", "hang"), f"cannot push to .*: {PUSH_HANGS}"),
    "hanging tag": (fault("POST", "/tag/", "hang"), f"cannot tag .*: {PUSH_HANGS}"),
    "HTML at create": (fault("POST", "/api/repos/create", b"<html>"), "cannot create .* something that is no JSON"),
    "JSON at commit: a list": (fault("POST", "/commit/", b"[]"), f"cannot push to .* {NO_SENSE}"),
    "Xet: refused": (in_xet("POST", "/xorbs/", 403), f"cannot push to .*: {XET_FAILS}"),
    "Xet: hanging": (in_xet("POST", "/xorbs/", "hang"), f"cannot push to .*: {XET_HANGS}"),
    "Xet: no token": (in_xet("GET", "/xet-write-token/", 500), f"cannot push to .*: {XET_HANGS}"),
    "Xet: a token that makes no sense": (in_xet("GET", "/xet-write-token/", b"[]"), f"cannot push to .*: {XET_HANGS}"),
    "Xet: hanging token": (in_xet("GET", "/xet-write-token/", "hang"), f"cannot push to .*: {XET_HANGS}"),
    "Xet: shard refused": (in_xet("POST", "/shards", 403), f"cannot push to .*: {XET_FAILS}"),
    "Xet: hanging shard": (in_xet("POST", "/shards", "hang"), f"cannot push to .*: {XET_HANGS}"),
    "Xet: answer to a xorb makes no sense": (in_xet("POST", "/xorbs/", b"<html>"), f"cannot push to .*: {XET_HANGS}"),
    "somebody else pushes": (
        fault("POST", "/commit/", 412),
        r"cannot push to .*: somebody else pushed at the same time \(412\); push again",
    ),
    "5xx at commit": (fault("POST", "/commit/", 500), r"cannot push to .* the Hub is in trouble \(500\)"),
}
