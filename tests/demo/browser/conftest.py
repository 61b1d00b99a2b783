"""The page in Chromium: one page for all tests of a module that leave it as it was, or a fresh one for a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from page_server import PageServer
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from browser.driving import DESKTOP, Open, settle_in, wait_for_networks

START_OVER = """() => {
    document.activeElement.blur();
    for (const control of document.querySelectorAll("input[type=range], input[type=checkbox], select")) {
        const before = [control.value, control.checked];
        if (control.type === "checkbox") control.checked = control.defaultChecked;
        else if (control.options) control.selectedIndex = 0;
        else control.value = control.defaultValue;
        if (before[0] !== control.value || before[1] !== control.checked) control.dispatchEvent(new Event("input"));
    }
    localStorage.clear();
    history.replaceState(null, "", location.pathname);
    scrollTo(0, 0);
}"""


BLANK = "document.querySelector('.answer').ariaBusy !== 'true' && !document.querySelector('[data-ready]').answer"


class Watched:
    """Console errors of pages, and requests to other hosts than their own."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def watch(self, page: Page, home: str) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)

        def on_request(request: Request) -> None:
            if not request.url.startswith((home, "data:", "blob:")):
                self.complaints.append(f"asked for {request.url}")

        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", on_console)
        page.on("request", on_request)

    def assert_none(self) -> None:
        complaints, self.complaints = self.complaints, []
        assert complaints == []


@pytest.fixture
def open_page(browser: Browser, page_server: PageServer) -> Iterator[Open]:
    """Opens the page in a fresh profile, and waits until the networks are in the browser, or keeps them out of it.

    The example that draws itself is cleared away and what is folded is opened, but for a newcomer. Afterwards it fails
    on console errors and on requests to other hosts.
    """
    contexts: list[BrowserContext] = []
    watched_pages = Watched()

    def open_page(
        path: str = "",
        server: PageServer = page_server,
        watched: bool = True,
        by_server: bool = False,
        newcomer: bool = False,
        **options: object,
    ) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        if watched:
            watched_pages.watch(page, server.url)
        if by_server:
            page.route("**/web/weights?*", lambda route: route.fulfill(json={"file": None, "source": ""}))
        page.goto(server.url + path)
        page.wait_for_selector("[data-ready]", state="attached")
        if not newcomer:
            settle_in(page)
        if not by_server:
            wait_for_networks(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    watched_pages.assert_none()


@contextmanager
def one_page(browser: Browser, server: PageServer, by_server: bool) -> Iterator[Callable[[], tuple[Page, Watched]]]:
    """Gives one page again and again, each time as it was when it was opened: desktop, blank, all defaults."""
    context = browser.new_context(viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"])
    page, watched = context.new_page(), Watched()
    watched.watch(page, server.url)
    if by_server:
        context.route("**/web/weights?*", lambda route: route.fulfill(json={"file": None, "source": ""}))
    page.goto(server.url)

    def start_over() -> tuple[Page, Watched]:
        page.unroute_all()
        page.wait_for_selector("[data-ready]", state="attached")
        page.set_viewport_size(DESKTOP)
        page.mouse.move(0, 0)
        page.get_by_role("tab", name="Draw").click()
        page.evaluate(START_OVER)
        page.keyboard.press("Delete")
        settle_in(page)
        page.wait_for_function(BLANK)
        if not by_server:
            wait_for_networks(page)
        return page, watched

    yield start_over
    context.close()


@pytest.fixture(scope="module")
def module_page(browser: Browser, page_server: PageServer) -> Iterator[Callable[[], tuple[Page, Watched]]]:
    with one_page(browser, page_server, by_server=False) as start_over:
        yield start_over


@pytest.fixture(scope="module")
def module_server_page(browser: Browser, page_server: PageServer) -> Iterator[Callable[[], tuple[Page, Watched]]]:
    with one_page(browser, page_server, by_server=True) as start_over:
        yield start_over


@pytest.fixture
def page(module_page: Callable[[], tuple[Page, Watched]]) -> Iterator[Page]:
    """The module's page, which computes in the browser. A test that changes its functions opens one of its own."""
    page, watched = module_page()
    yield page
    watched.assert_none()


@pytest.fixture
def server_page(module_server_page: Callable[[], tuple[Page, Watched]]) -> Iterator[Page]:
    """The module's page whose answers are the server's."""
    page, watched = module_server_page()
    yield page
    watched.assert_none()
