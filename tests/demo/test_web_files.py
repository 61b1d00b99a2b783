"""The page's own files as a browser asks for them."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from camloss.demo.web_files import WEB, files_in, web_route


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[web_route(files_in())]))


@pytest.mark.parametrize(("name", "kind"), [("draw.js", "text/javascript"), ("examples.json", "application/json")])
def test_a_file_is_sent_as_what_it_is(client: TestClient, name: str, kind: str) -> None:
    answer = client.get(f"/web/{name}")
    assert answer.status_code == 200
    assert answer.content == (WEB / name).read_bytes()
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.head(f"/web/{name}").status_code == 200


def test_wasm_is_sent_as_wasm(tmp_path: Path) -> None:
    (tmp_path / "kernel.wasm").write_bytes(b"\0asm")
    answer = TestClient(Starlette(routes=[web_route(files_in(tmp_path))])).get("/web/kernel.wasm")
    assert (answer.content, answer.headers["content-type"]) == (b"\0asm", "application/wasm")


def test_a_browser_keeps_its_copy_until_there_is_another(tmp_path: Path) -> None:
    def ask(text: str, etag: str) -> tuple[int, str, str]:
        (tmp_path / "page.js").write_text(text, encoding="utf-8")
        answer = TestClient(Starlette(routes=[web_route(files_in(tmp_path))])).get(
            "/web/page.js", headers={"If-None-Match": etag}
        )
        assert answer.headers["cache-control"] == "no-cache"
        return answer.status_code, answer.headers["etag"], answer.text

    status, etag, text = ask("one", "")
    assert (status, text) == (200, "one")
    assert ask("one", etag) == (304, etag, "")
    assert ask("one", f'W/{etag}, "other"') == (304, etag, "")
    assert ask("two", etag)[::2] == (200, "two")


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/nothing.js",
        "/web/../web_files.py",
        "/web/..%2fweb_files.py",
        "/web/%2e%2e/web_files.py",
        "/web/..%5cweb_files.py",
        "/web//etc/passwd",
        "/web/%2fetc%2fpasswd",
        "/web/draw.js%00",
        "/web/draw.html",
        "/web/types.d.ts",
        "/web/DRAW.JS",
    ],
)
def test_nothing_else_is_sent(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_files_are_only_read(client: TestClient) -> None:
    assert client.post("/web/draw.js").status_code == 405
    assert client.put("/web/new.js", content=b"x").status_code == 405
