"""The page's own files under `/web/`: scripts, and what they load."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

WEB = Path(__file__).resolve().parent / "web"
MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
FRESH = "no-cache"  # the browser asks each time whether its copy is the newest, so that a new deployment is seen


@dataclass(frozen=True)
class WebFile:
    """What is sent for one name."""

    body: bytes
    media_type: str
    cache_control: str = FRESH

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


def files_in(folder: Path = WEB) -> dict[str, WebFile]:
    """The files of a folder whose kind is one of `MEDIA_TYPES`, by name."""
    return {path.name: web_file(path) for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES}


def web_file(path: Path) -> WebFile:
    """What is sent for this file, whose kind is one of `MEDIA_TYPES`."""
    return WebFile(path.read_bytes(), MEDIA_TYPES[path.suffix])


def web_route(files: dict[str, WebFile]) -> Route:
    """`/web/NAME` for these names and no others: a request is never a path, so that none leads out of the folder."""
    etags = {name: file.etag for name, file in files.items()}

    async def send(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return Response("there is no such file", 404, media_type="text/plain")
        file = files[name]
        headers = {"Cache-Control": file.cache_control, "ETag": etags[name], "X-Content-Type-Options": "nosniff"}
        if etags[name] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers=headers, media_type=file.media_type)

    return Route("/web/{name}", send, methods=["GET"])  # and HEAD, which starlette adds
