"""A Hugging Face Hub on the loopback interface, for the real client: repositories in memory, over the Hub's HTTP API.

    hub = Hub().start()          # hub.endpoint is what HF_ENDPOINT takes
    hub.fail("GET", "/resolve/", 503)

`python tests/hub_server.py` serves one until Ctrl-C.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

TOKENS = {"hf_write": "write", "hf_read": "read"}
Storage = Literal["regular", "lfs", "xet"]
Fault = (
    int
    | bytes
    | Callable[[], object]
    | Literal["hang", "reset", "truncate", "cut", "corrupt", "trickle", "endless", "odd etag", "gated"]
)
LICENSES = ("apache-2.0", "mit")
Handle = Callable[..., None]


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_blob_id(content: bytes) -> str:
    return sha1(b"blob %d\0" % len(content) + content)


@dataclass
class Repo:
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by sha, in order: files by path
    refs: dict[str, str] = field(default_factory=dict)  # branches, tags and pull requests
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        sha = sha1(repr((len(self.commits), sorted(files))).encode())
        self.commits[sha] = files
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)

    @property
    def files(self) -> dict[str, bytes]:
        """What main holds."""
        return self.commits[self.refs["main"]]


class Hub:
    """The state of the Hub, the faults to inject, and the server in front of them.

    Attributes:
        storage: how weights are kept, which are regular files at first. In "lfs" they lie on another host, as on the
            Hub; in "xet" (which `hub_xet` adds) that host has them in chunks, too. A client with Xet on uploads to Xet
            in either.
        certificate: a file with key and certificate makes it speak HTTPS, after waiting for `handshake_seconds`.
    """

    def __init__(self, port: int = 0, certificate: Path | None = None, handshake_seconds: float = 0) -> None:
        self.handshake_seconds = handshake_seconds
        self.storage: Storage = "regular"
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}  # LFS, by sha256
        self.xorbs: dict[str, list[bytes]] = {}  # Xet: chunks, by the name of their xorb
        self.requests: list[str] = []
        self.tokens_seen_elsewhere: list[str] = []  # by the host of the large files
        self.faults: list[tuple[str, str, Fault]] = []
        self.clones: dict[str, Path] = {}  # by commit, for git
        self.bytes_sent = 0  # by "endless"
        self.fault_headers: dict[str, str] = {}
        self.extra_headers: dict[str, str] = {}  # in place of those of the same name, in every answer
        self.released = threading.Event()  # ends every "hang"
        self.connections: set[socket.socket] = set()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.other_host = ThreadingHTTPServer(("127.0.0.1", 0), type("Elsewhere", (_Elsewhere,), {"hub": self}))
        for server in self.servers:
            server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.endpoint = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_address[1]}"
        self.elsewhere = f"http://127.0.0.1:{self.other_host.server_address[1]}"

    @property
    def servers(self) -> tuple[ThreadingHTTPServer, ...]:
        return self.server, self.other_host

    def start(self) -> "Hub":
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Go down as a machine does: nobody listens, and connections that are kept alive are gone too."""
        self.released.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for connection in list(self.connections):
            with suppress(OSError):  # it may be closing by itself
                connection.shutdown(socket.SHUT_RDWR)
        for folder in self.clones.values():
            shutil.rmtree(folder)

    def fail(self, method: str, path: str, fault: Fault, headers: Mapping[str, str] | None = None) -> None:
        """From now on, answer requests of that method whose path contains `path` (a regular expression) with a fault.

        A number is an HTTP status and bytes are an answer in place of the right one, sent with `headers`, of which
        X-Status is the status of the bytes; a function is called before the right one. "hang" never answers, "reset"
        breaks the connection in the middle of the body, "cut" closes it there once, "truncate" sends half a body as if
        it were whole, "corrupt" one of the right length, "trickle" a byte every tenth of a second, "endless" goes on
        after the body.
        """
        self.faults.append((method, path, fault))
        self.fault_headers = dict(headers or {})

    def fault_of(self, method: str, path: str) -> Fault | None:
        for at, (its_method, its_path, fault) in enumerate(self.faults):
            if method == its_method and re.search(its_path, path):
                if fault == "cut":
                    del self.faults[at]
                return fault
        return None

    def git_folder(self, repo: Repo) -> Path:
        """The newest commit of main as a bare git repository."""
        sha = repo.refs["main"]
        if sha not in self.clones:
            folder = self.clones[sha] = Path(tempfile.mkdtemp(prefix="hub-"))
            for name, content in repo.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            who = ["-c", "user.name=Hub", "-c", "user.email=hub@example.org"]
            for command in (
                ["init", "-qb", "main"],
                ["add", "-A"],
                [*who, "commit", "-qm", sha],
                ["update-server-info"],
            ):
                subprocess.run(["git", *command], cwd=folder, check=True)
        return self.clones[sha] / ".git"

    def model(self, repo_id: str) -> Repo:
        return self.repos["model", repo_id]

    def space(self, repo_id: str) -> Repo:
        return self.repos["space", repo_id]


ROUTES: list[tuple[str, str, Handle]] = []


def route(method: str, pattern: str) -> Callable[[Handle], Handle]:
    """Register a handler; {kind}, {repo} and {rev} stand for the parts of the Hub's addresses."""
    pattern = pattern.replace("{kind}", "(?P<kind>model|space|dataset)").replace("{rev}", r"(?P<rev>refs/pr/\d+|[^/]+)")
    pattern = pattern.replace("{repo}", "(?P<repo>[^/]+/[^/]+?)")

    def register(handle: Handle) -> Handle:
        ROUTES.append((method, pattern, handle))
        return handle

    return register


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"  # keeps connections alive

    def setup(self) -> None:
        super().setup()
        time.sleep(self.hub.handshake_seconds)  # the handshake is done by the first read
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        self.hub.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.dispatch()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def dispatch(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.query = parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.requests.append(f"{self.command} {path}")
        self.fault = self.hub.fault_of(self.command, path)
        if self.answered_by_fault():
            return None
        if (
            self.command in ("POST", "PUT", "DELETE")
            and not path.startswith(("/lfs/", "/xet/"))
            and not self.may_write()
        ):
            return None
        for method, pattern, handle in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                return handle(self, **match.groupdict())
        return self.error(404, f"no such page: {path}")

    def answered_by_fault(self) -> bool:
        """Whether the fault of this request has taken the place of an answer."""
        if isinstance(self.fault, int):
            self.error(self.fault, f"fault {self.fault}", headers=self.hub.fault_headers)
        elif isinstance(self.fault, bytes):
            headers = {"Content-Type": "text/html", **self.hub.fault_headers}
            self.send(int(headers.get("X-Status", 200)), self.fault, headers)
        elif self.fault == "gated":
            self.error(403, "Access to this model is restricted", "GatedRepo")
        elif self.fault == "hang":
            self.hub.released.wait()
            self.close()
        else:
            if callable(self.fault):
                self.fault()
            return False
        return True

    def is_lfs(self, path: str) -> bool:
        return self.hub.storage != "regular" and path.endswith(".safetensors")

    @property
    def role(self) -> str | None:
        return TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def may_write(self) -> bool:
        if self.role is None:
            self.error(401, "Invalid credentials in Authorization header")
        elif self.role == "read":
            self.error(403, "the token has no right to write")
        return self.role == "write"

    def repo_at(self, kind: str, repo: str, rev: str | None = None) -> tuple[Repo, str] | None:
        found = self.hub.repos.get((kind, repo))
        if found is None or (found.private and self.role is None):
            self.error(404, "Repository not found", "RepoNotFound")
            return None
        sha = found.resolve(rev or "main")
        if sha is None:
            self.error(404, f"Invalid rev id: {rev}", "RevisionNotFound")
            return None
        return found, sha

    def json(self, value: Any, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def error(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        headers = {**(headers or {}), "X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self.send(status, json.dumps({"error": message, "url": ""}).encode(), headers)

    def content(self, content: bytes, headers: dict[str, str]) -> None:
        """Send a file, or what is left of it, with the fault that was asked for."""
        headers = {**headers, "Accept-Ranges": "bytes"}
        start = int(re.sub(r"\D*(\d*).*", r"\1", self.headers.get("Range", "0")))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if self.command == "GET":
            match self.fault:
                case "truncate":
                    body = body[: len(body) // 2]
                case "corrupt":
                    body = body[:-1] + bytes([body[-1] ^ 1])
                case "reset" | "cut":
                    self.send(200, body[: len(body) // 2], headers, length=len(body))
                    self.wfile.flush()
                    if self.fault == "reset":  # a linger of 0 makes the close a reset
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return self.close()
                case "trickle":
                    self.send(200, b"", headers, length=len(body))
                    with suppress(OSError):
                        for byte in body:
                            if self.hub.released.wait(0.1):
                                break
                            self.wfile.write(bytes([byte]))
                    return self.close()
                case "endless":
                    return self.go_on_for_ever(body, headers)
        return self.send(206 if start else 200, body, headers)

    def go_on_for_ever(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a file of no declared length that has no end."""
        self.send_response(200)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            while not self.hub.released.is_set():
                self.wfile.write(body)
                self.hub.bytes_sent += len(body)
        self.close()

    def close(self) -> None:
        self.connection.close()
        self.close_connection = True

    def send(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, **self.hub.extra_headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Elsewhere(_Handler):
    """The host that keeps the large files: no API, and no business with the Hub's token."""

    def dispatch(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        if token := self.headers.get("Authorization"):
            self.hub.tokens_seen_elsewhere.append(token)
        self.fault = self.hub.fault_of(self.command, self.path)
        if self.answered_by_fault():
            return None
        content = self.hub.blobs.get(self.path.split("/")[1])
        if content is None:
            return self.error(404, "no such file")
        return self.content(content, {"ETag": '"of another kind"'})


@route("GET", "/api/whoami-v2")
def whoami(request: _Handler) -> None:
    if request.role is None:
        request.error(401, "Invalid credentials in Authorization header")
    else:
        request.json({"name": "user", "type": "user", "auth": {"accessToken": {"role": request.role}}})


@route("POST", "/api/repos/create")
def create_repo(request: _Handler) -> None:
    wish = json.loads(request.body)
    kind, repo_id = wish.get("type", "model"), f"{wish['organization']}/{wish['name']}"
    url = f"{request.hub.endpoint}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
    if (kind, repo_id) in request.hub.repos:
        return request.json({"error": "You already created this repo", "url": url}, 409)
    repo = Repo(private=wish.get("visibility") == "private", hardware=wish.get("hardware", "cpu-basic"))
    repo.commit({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
    request.hub.repos[kind, repo_id] = repo
    return request.json({"url": url})


@route("POST", "/api/validate-yaml")
def validate_yaml(request: _Handler) -> None:
    found = re.search(r"^license: (.+)$", json.loads(request.body)["content"], re.MULTILINE)
    if found and found[1] not in LICENSES:
        return request.json({"errors": [{"message": '"license" must be one of apache-2.0, mit'}], "warnings": []}, 400)
    return request.json({"errors": [], "warnings": []})


@route("POST", "/api/{kind}s/{repo}/preupload/{rev}")
def preupload(request: _Handler, kind: str, repo: str, rev: str) -> None:
    if (found := request.repo_at(kind, repo, rev)) is None:
        return None
    files = found[0].commits[found[1]]
    answer = []
    for file in json.loads(request.body)["files"]:
        path = file["path"]
        is_lfs = request.is_lfs(path)
        oid = (sha256(files[path]) if is_lfs else git_blob_id(files[path])) if path in files else None
        answer.append({"path": path, "uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": False, "oid": oid})
    return request.json({"files": answer})


@route("POST", "/(?:spaces/)?[^/]+/[^/]+\\.git/info/lfs/objects/batch")
def lfs_batch(request: _Handler) -> None:
    def action(wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in request.hub.blobs:
            return wanted
        return {**wanted, "actions": {"upload": {"href": f"{request.hub.endpoint}/lfs/{wanted['oid']}"}}}

    request.json({"transfer": "basic", "objects": [action(wanted) for wanted in json.loads(request.body)["objects"]]})


@route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
def lfs_upload(request: _Handler, oid: str) -> None:
    if sha256(request.body) != oid:
        return request.error(400, "the content does not have that hash")
    request.hub.blobs[oid] = request.body
    return request.json({})


@route("POST", "/api/{kind}s/{repo}/commit/{rev}")
def commit(request: _Handler, kind: str, repo: str, rev: str) -> None:
    if (found := request.repo_at(kind, repo, rev)) is None:
        return None
    files = dict(found[0].commits[found[1]])
    for line in map(json.loads, request.body.splitlines()):
        value = line["value"]
        if value.get("parentCommit", found[1]) != found[1]:
            return request.error(412, "A commit has happened since. Please refresh and try again.")
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = request.hub.blobs[value["oid"]]
        elif line["key"] == "deletedFile":
            del files[value["path"]]
    number = len(found[0].refs)
    is_pr = "create_pr" in request.query
    sha = found[0].commit(files, f"refs/pr/{number}" if is_pr else rev)
    base = f"{request.hub.endpoint}/{'' if kind == 'model' else kind + 's/'}{repo}"
    return request.json(
        {"commitUrl": f"{base}/commit/{sha}", "commitOid": sha, "pullRequestUrl": f"{base}/discussions/{number}"}
    )


@route("POST", "/api/{kind}s/{repo}/tag/{rev}")
def tag(request: _Handler, kind: str, repo: str, rev: str) -> None:
    if (found := request.repo_at(kind, repo, rev)) is None:
        return None
    name = json.loads(request.body)["tag"]
    if name in found[0].refs:
        return request.error(409, "Tag reference exists already")
    found[0].refs[name] = found[1]
    return request.json({})


@route("GET", "/api/{kind}s/{repo}(?:/revision/(?P<rev>.+))?")
def info(request: _Handler, kind: str, repo: str, rev: str | None) -> None:
    def sibling(path: str, content: bytes) -> dict[str, Any]:
        if "blobs" not in request.query:
            return {"rfilename": path}
        lfs = {"sha256": sha256(content), "size": len(content), "pointerSize": 134} if request.is_lfs(path) else None
        return {"rfilename": path, "size": len(content), "blobId": git_blob_id(content), "lfs": lfs}

    if found := request.repo_at(kind, repo, rev):
        siblings = [sibling(path, content) for path, content in found[0].commits[found[1]].items()]
        request.json({"id": repo, "sha": found[1], "private": found[0].private, "siblings": siblings})


@route("GET", "/api/{kind}s/{repo}/tree/{rev}")
def tree(request: _Handler, kind: str, repo: str, rev: str) -> None:
    if found := request.repo_at(kind, repo, rev):
        files = found[0].commits[found[1]]
        request.json(
            [
                {"type": "file", "path": path, "size": len(content), "oid": git_blob_id(content)}
                for path, content in files.items()
            ]
        )


@route("POST", "/api/spaces/{repo}/(?P<what>variables|secrets)")
def space_setting(request: _Handler, repo: str, what: str) -> None:
    if found := request.repo_at("space", repo):
        setting = json.loads(request.body)
        settings: dict[str, str] = getattr(found[0], what)
        settings[setting["key"]] = setting["value"]
        request.json({key: {"value": value} for key, value in settings.items()} if what == "variables" else {})


@route("GET", "/api/spaces/{repo}/variables")
def space_variables(request: _Handler, repo: str) -> None:
    if found := request.repo_at("space", repo):
        request.json({key: {"value": value} for key, value in found[0].variables.items()})


@route("DELETE", "/api/spaces/{repo}/variables")
def delete_space_variable(request: _Handler, repo: str) -> None:
    if found := request.repo_at("space", repo):
        del found[0].variables[json.loads(request.body)["key"]]
        request.json({key: {"value": value} for key, value in found[0].variables.items()})


@route("POST", "/api/spaces/{repo}/hardware")
def space_hardware(request: _Handler, repo: str) -> None:
    if found := request.repo_at("space", repo):
        found[0].hardware = json.loads(request.body)["flavor"]
        hardware = {"current": None, "requested": found[0].hardware}
        request.json({"stage": "BUILDING", "hardware": hardware, "storage": None, "gcTimeout": None})


@route("HEAD", "/(?:(?P<kind>space|dataset)s/)?{repo}/resolve/{rev}/(?P<path>.+)")
@route("GET", "/(?:(?P<kind>space|dataset)s/)?{repo}/resolve/{rev}/(?P<path>.+)")
def resolve(request: _Handler, kind: str | None, repo: str, rev: str, path: str) -> None:
    if (found := request.repo_at(kind or "model", repo, rev)) is None:
        return None
    content = found[0].commits[found[1]].get(path)
    if content is None:
        return request.error(404, "Entry not found", "EntryNotFound")
    etag = sha256(content) if request.is_lfs(path) else git_blob_id(content)
    headers = {"X-Repo-Commit": found[1], "ETag": '"no-hash"' if request.fault == "odd etag" else f'"{etag}"'}
    if request.is_lfs(path):
        request.hub.blobs[etag] = content
        if request.hub.storage == "xet":
            tokens = f"{request.hub.endpoint}/api/{kind or 'model'}s/{repo}/xet-read-token/{found[1]}"
            headers |= {"X-Xet-Hash": etag, "X-Xet-Refresh-Route": tokens}
        linked = {"X-Linked-Etag": headers.pop("ETag"), "X-Linked-Size": str(len(content))}
        return request.send(302, b"", {**headers, **linked, "Location": f"{request.hub.elsewhere}/{etag}/{path}"})
    return request.content(content, headers)


@route("GET", "/spaces/{repo}/(?P<path>HEAD|info/refs|objects/.+)")
def git(request: _Handler, repo: str, path: str) -> None:
    """What `git clone` asks for, by its protocol for plain file servers."""
    if (found := request.repo_at("space", repo)) is None:
        return None
    file = request.hub.git_folder(found[0]) / path
    return request.send(200, file.read_bytes(), {}) if file.is_file() else request.error(404, "no such object")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    running = Hub(port=parser.parse_args().port).start()
    print(f"HF_ENDPOINT={running.endpoint} HF_TOKEN=hf_write HF_HUB_DISABLE_TELEMETRY=1", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
