"""Starting the page's server and ending it: one port, a timeout for headers, and an end that finishes its work."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

from camloss.demo import logs, worker_pools
from camloss.demo.environment import PORT
from camloss.errors import CamlossError

HEADER_SECONDS = 10  # until the headers of a request must have come
M_MMAP_THRESHOLD = -3  # of mallopt in malloc.h
LARGE = 1 << 20  # bytes of a block that is given back at once
FINISH_SECONDS = 2  # for what is in flight when the server has to end


def run(demo: Any, options: Mapping[str, Any]) -> None:
    """Serve a gradio page until SIGTERM or Ctrl-C.

    Raises:
        CamlossError: it cannot listen on that address and port.
    """
    from gradio import networking

    # gradio ends a page that takes 3 s to answer it, as on a busy machine.
    networking.url_ok = lambda url: True  # noqa: ARG005
    port = os.environ.get(PORT)
    give_back_pictures()
    ended = threading.Event()  # set before anybody can be answered, so that no signal is missed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        demo.launch(**options, server_port=int(port) if port else None, prevent_thread_lock=True)
    except OSError as error:
        raise CamlossError(
            f"cannot listen on {os.environ.get('GRADIO_SERVER_NAME') or '127.0.0.1'}, port {port or '7860 or after'}: "
            f"it is in use, or no address of this machine; set {PORT} or GRADIO_SERVER_NAME to another"
        ) from error
    logs.install()
    gc.collect()
    gc.freeze()  # what is here now stays; without it to look through, garbage with a picture in it is found soon
    server = demo.server
    server.config.timeout_graceful_shutdown = FINISH_SECONDS
    server.config.http_protocol_class = with_header_timeout(server.config.http_protocol_class)
    server.config.ws_protocol_class = None  # nobody asks for a web socket but to see the library stumble
    while not ended.wait(1.0) and server.thread.is_alive():  # in steps: on Windows a wait for ever hears no Ctrl-C
        pass
    server.should_exit = True
    server.thread.join(FINISH_SECONDS + 1)
    for pool in worker_pools.WORKER_POOLS:
        pool.close()


def give_back_pictures() -> None:
    """Let glibc return what held a picture as soon as it is freed.

    By itself it learns from the first large block that is freed to keep later ones: 100 MB of them on this page.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not on Linux, or another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def with_header_timeout(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """uvicorn's protocol, which would wait for ever, with a limit to the time that a request's headers may take."""

    class WithHeaderTimeout(protocol):  # type: ignore[misc, valid-type]
        timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.wait_for_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.wait_for_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self.stop_waiting()
            super().connection_lost(exc)

        def wait_for_headers(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self.stop_waiting()
            elif self.timer is None:
                self.timer = asyncio.get_running_loop().call_later(HEADER_SECONDS, self.give_up)

        def stop_waiting(self) -> None:
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None

        def give_up(self) -> None:
            self.timer = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return WithHeaderTimeout
