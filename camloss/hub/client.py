"""What the Hub's client may take of an answer: so many bytes and no more, and hashes where a path is made of them.

The client itself reads whatever comes, unpacks it, and names files in its cache by what the headers say. Its requests
within `limited_answers` ask for plain bytes; of an answer, at most so many are read, and what is packed is refused.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from camloss.errors import CamlossError

LARGEST_ANSWER = 2_000_000  # bytes: what the Hub says of a repository with some thousand files
HASHES = {  # headers of which the client makes paths
    "ETag": "[0-9a-f]{40}|[0-9a-f]{64}",
    "X-Linked-Etag": "[0-9a-f]{40}|[0-9a-f]{64}",
    "X-Repo-Commit": "[0-9a-f]{40}",
}

_limit: ContextVar[int | None] = ContextVar("limit", default=None)


@contextmanager
def limited_answers(largest: int = LARGEST_ANSWER) -> Iterator[None]:
    """Whatever this thread asks the Hub meanwhile, no answer may have more bytes than `largest`; or CamlossError."""
    install()
    token = _limit.set(largest)
    try:
        yield
    finally:
        _limit.reset(token)


def install() -> None:
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
    if _limit.get() is not None:
        request.headers["Accept-Encoding"] = "identity"


def check_answer(response: Any) -> None:
    """A hook: it sees the headers of an answer before anybody reads its body.

    Raises:
        CamlossError: the body is packed; reading it does where it is too large.
    """
    largest = _limit.get()
    if largest is None:
        return
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise CamlossError(f"{_asked(response)} is answered with packed bytes, which nobody asked for; try again later")
    for name, form in HASHES.items():
        if name in response.headers and not re.fullmatch(form, response.headers[name].removeprefix("W/").strip('"')):
            del response.headers[name]
    response.stream = _limited(response, largest)


def _limited(response: Any, largest: int) -> Any:
    import httpx2

    stream = response.stream

    class Limited(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            arrived = 0
            for chunk in stream:
                arrived += len(chunk)
                if arrived > largest:
                    raise CamlossError(
                        f"{_asked(response)} is answered with too much: at most {largest:,} bytes are taken; "
                        "correct the name, or try again later"
                    )
                yield chunk

        def close(self) -> None:
            stream.close()

    return Limited()


def _asked(response: Any) -> str:
    return f"{response.request.method} {str(response.request.url)[:120]}"
