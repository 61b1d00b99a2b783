"""The page where it is not at the root of a site, or in another site's frame."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from page_server import PageServer
from playwright.sync_api import Browser, expect

from camloss.demo.html_metadata import FRAMED

pytestmark = pytest.mark.browser


@pytest.fixture
def proxy(page_server: PageServer) -> Iterator[str]:
    """A site that has the page in its folder /digits, with a slash or without."""
    host = page_server.url.removeprefix("http://").rstrip("/")

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path != "/digits" and not path.startswith("/digits/"):
                self.send_error(404)
                return
            line = http.client.HTTPConnection(host, timeout=30)
            line.request("GET", "/" + self.path.removeprefix("/digits").lstrip("/"), headers={"Host": host})
            answer = line.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_folder_without_its_slash_leads_to_the_one_with_it(browser: Browser, proxy: str) -> None:
    page = browser.new_page()
    page.goto(f"{proxy}/digits?__theme=dark#class=4")
    page.wait_for_url(f"{proxy}/digits/?__theme=dark#class=4")
    expect(page.locator(".pad")).to_be_visible(timeout=30_000)
    page.close()


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin"])
def test_a_frame_without_an_origin_says_what_it_needs(browser: Browser, page_server: PageServer, sandbox: str) -> None:
    page = browser.new_page()
    page.set_content(f'<iframe sandbox="{sandbox}" src="{page_server.url}" width="1000" height="800"></iframe>')
    frame = page.frame_locator("iframe")
    if "same-origin" in sandbox:
        expect(frame.locator(".pad")).to_be_visible(timeout=30_000)
    else:
        expect(frame.locator("body")).to_have_text(FRAMED)
        assert "allow-same-origin" in FRAMED
    page.close()
