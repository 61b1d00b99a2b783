"""Limits on what the Hub's client takes of an answer: its size, and hashes alone in headers that become paths.

The client itself reads whatever comes, unpacks it, and names files in its cache by what the headers say. Its requests
within `limited_answers` ask for plain bytes; of an answer, at most so many are read, and what is packed is refused.
Files are fetched over HTTP alone: what the Xet client takes of an answer, and how fast it gets on, nobody can see.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

LARGEST_ANSWER = 2_000_000  # bytes: what the Hub says of a repository with some thousand files
HASHES = {  # headers of which the client makes paths
    "ETag": "[0-9a-f]{40}|[0-9a-f]{64}",
    "X-Linked-Etag": "[0-9a-f]{40}|[0-9a-f]{64}",
    "X-Repo-Commit": "[0-9a-f]{40}",
}
XET = "X-Xet-Hash"  # makes the client fetch a file from Xet


class AnswerError(Exception):
    """The Hub answers what nobody should take."""


@dataclass(frozen=True)
class _Limits:
    largest: int = LARGEST_ANSWER
    received: Callable[[int], None] = lambda _: None


_limits: ContextVar[_Limits | None] = ContextVar("limits", default=None)


@contextmanager
def limited_answers(largest: int = LARGEST_ANSWER, received: Callable[[int], None] | None = None) -> Iterator[None]:
    """Whatever this thread asks the Hub meanwhile, no answer may have more bytes than `largest`; or AnswerError.

    Args:
        largest: bytes.
        received: is told how many bytes have come; by default, what the limits around these have set.
    """
    _install()
    limits = replace(_limits.get() or _Limits(), largest=largest)
    token = _limits.set(replace(limits, received=received) if received else limits)
    try:
        yield
    finally:
        _limits.reset(token)


def _install() -> None:
    """Let the Hub's client of this process hold to the limits; nothing changes for who sets none."""
    from huggingface_hub import get_session, set_client_factory

    hooks = get_session().event_hooks
    if check_answer not in hooks["response"]:
        set_client_factory(partial(_client, hooks))


def _client(hooks: dict[str, list[Any]]) -> Any:
    """The client as huggingface_hub makes it, with our hooks after its own."""
    import httpx2

    both = {"request": [*hooks["request"], ask_for_plain_bytes], "response": [*hooks["response"], check_answer]}
    return httpx2.Client(event_hooks=both, follow_redirects=True, timeout=None)


def ask_for_plain_bytes(request: Any) -> None:
    """A hook: it sees a request before it is sent."""
    if limits := _limits.get():
        limits.received(0)
        request.headers["Accept-Encoding"] = "identity"


def check_answer(response: Any) -> None:
    """A hook: it sees the headers of an answer before anybody reads its body.

    Raises:
        AnswerError: the body is packed; reading it does where it is too large.
    """
    limits = _limits.get()
    if limits is None and response.request.method == "PUT":  # the client uploads in threads of its own
        limits = _Limits()
    if limits is None:
        return
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise AnswerError(f"packed bytes, which nobody asked for, come in answer to {_asked(response)}")
    for name, form in HASHES.items():
        if name in response.headers and not re.fullmatch(form, response.headers[name].removeprefix("W/").strip('"')):
            del response.headers[name]
    response.headers.pop(XET, None)
    response.stream = _limited(response, limits)


def _limited(response: Any, limits: _Limits) -> Any:
    import httpx2

    stream = response.stream

    class Limited(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            arrived = 0
            for chunk in stream:
                arrived += len(chunk)
                if arrived > limits.largest:
                    raise AnswerError(f"more than {limits.largest:,} bytes come in answer to {_asked(response)}")
                limits.received(len(chunk))
                yield chunk

        def close(self) -> None:
            stream.close()

    return Limited()


def _asked(response: Any) -> str:
    return f"{response.request.method} {response.request.url}"
