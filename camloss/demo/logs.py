"""The page's log: its own words, and at most 200 ASCII characters, without control codes, of what a caller sent."""

import logging
import re
import sys
import traceback
from types import TracebackType

MAX_SAID = 200  # characters of what somebody sent, or of a library's words about it
MAX_LINE = 1_000  # characters of a message
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def brief(said: object) -> str:
    """A text as a Python literal, or an error with its type; one line of ASCII, cut off."""
    if isinstance(said, BaseException):
        return f"{type(said).__name__}: {brief(str(said))}"
    return ascii(str(said)[:MAX_SAID])[:MAX_SAID]


class OneLine(logging.Formatter):
    """Each message in one line; of an exception the frames, which hold nothing but code, have lines of their own."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name that logging calls
        line = super().formatMessage(record)[:MAX_LINE]
        return re.sub("[^ -~]", lambda found: ascii(found[0])[1:-1], line)

    def formatException(self, ei: object) -> str:  # noqa: N802
        error = ei[1] if isinstance(ei, tuple) else None
        lines: list[str] = []
        while isinstance(error, BaseException) and len(lines) < MAX_LINE:
            lines[:0] = [*traceback.format_tb(error.__traceback__), brief(error) + "\n"]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip("\n")

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return stack_info


def install() -> None:
    """Let every logger that has handlers write so, the libraries' too, and gradio's printed tracebacks."""
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    known = (logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict))
    for handler in {handler for logger in known for handler in logger.handlers}:
        handler.setFormatter(OneLine())
    traceback.print_exc = _log_exception


def _log_exception(*_: object, **__: object) -> None:
    logging.getLogger("gradio").error("gradio stumbled", exc_info=True)
