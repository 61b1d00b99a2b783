"""What the commands share: how they begin and end, flags made from a dataclass, one-line errors, tables."""

import argparse
import atexit
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from camloss.errors import EXTRAS, CamlossError, not_installed, without_passwords

ROOT = Path(__file__).resolve().parents[1]  # of a checkout
INTERRUPTED, CLOSED = 130, 141  # exit codes, those of shells: 128 and the signal's number


def begin() -> None:
    """Called before torch is imported, which takes seconds: let signals end a process that is a command quietly.

    numpy's import turns a KeyboardInterrupt into other errors, so nothing is raised until `exit_code` is reached.
    """
    if not _is_command():
        return
    signal.signal(signal.SIGINT, _leave)
    atexit.register(signal.signal, signal.SIGINT, _leave)  # while Python ends, too
    if _shows_the_page():
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as when it has been serving for a while


def _is_command() -> bool:
    """Whether this process is `camloss`, `python -m camloss`, or app.py or a script of this checkout."""
    if sys.argv[0] == "-m":  # while the package is being imported
        return sys.orig_argv[sys.orig_argv.index("-m") + 1] == "camloss"
    return _started().stem == "camloss" or ROOT / "scripts" in _started().parents or _started() == ROOT / "app.py"


def _shows_the_page() -> bool:
    return _started() == ROOT / "app.py" or sys.argv[1:2] == ["demo"]


def _started() -> Path:
    return Path(sys.argv[0]).resolve()


def _leave(*_: object) -> NoReturn:
    _say("interrupted")
    os._exit(INTERRUPTED)


def exit_code(main: Callable[[], int | None]) -> int:
    """Call `main`; what ends it early becomes one line on stderr and an exit code, not a traceback.

    That is a problem that the user can solve, Ctrl-C, and a standard output that is closed or full.
    """
    with _noted_interrupts() as interrupts:
        try:
            return _exit_code(main)
        except BaseException as error:
            if interrupts or isinstance(error, KeyboardInterrupt):
                _say("interrupted")
                return INTERRUPTED
            if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or _stdout_is_lost()):
                return _without_stdout(error)
            problem = _solvable(error)
            if problem is None:
                raise
            _say(f"error: {problem}")
            return problem.exit_code


def _exit_code(main: Callable[[], int | None]) -> int:
    try:
        code = main() or 0
    except SystemExit as ended:  # of --help
        code = ended.code if isinstance(ended.code, int) else 0
    if sys.stdout:
        sys.stdout.flush()  # now, where an error can be told
    return code


def _solvable(error: BaseException) -> CamlossError | None:
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package in EXTRAS:
        return not_installed(package)
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
        return CamlossError("the GPU has too little memory; take smaller images or the CPU")
    return error if isinstance(error, CamlossError) else None


@contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt on Ctrl-C, and note it where a library turns that into another error."""
    noted: list[int] = []

    def interrupt(number: int, _: object) -> NoReturn:
        noted.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _stdout_is_lost() -> bool:
    try:
        print(flush=True)
    except OSError:
        return True
    return False


def _without_stdout(error: OSError) -> int:
    """The exit code where nobody reads the output any more, as of `| head`, or it cannot be written."""
    with suppress(OSError, ValueError):  # what is left must not be tried again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return CLOSED
    _say(f"error: cannot write the output ({error.strerror}); free space, or send it elsewhere")
    return CamlossError.exit_code


def _say(line: str) -> None:
    with suppress(OSError, AttributeError):  # it is closed, or was from the beginning
        sys.stderr.write(f"{without_passwords(line)}\n")
        sys.stderr.flush()


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and end the process with its `exit_code`; at once, where torchrun has started it."""
    code = exit_code(main)
    if "TORCHELASTIC_RUN_ID" in os.environ:  # a thread of torch's may abort a Python that is ending (SIGABRT)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


class Parser(argparse.ArgumentParser):
    """An argument parser whose help opens with a module's docstring and shows defaults; its errors are one line.

    Args:
        doc: the docstring.
        command: the name in `camloss NAME`; by default the parser is a script's.
    """

    def __init__(self, doc: str | None, command: str | None = None) -> None:
        prog = f"camloss {command}" if command else None
        super().__init__(prog=prog, description=doc, formatter_class=_WithDefaults)

    def error(self, message: str) -> NoReturn:
        raise CamlossError(f"{message}; see {self.prog} --help")


class _WithDefaults(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if default in (None, False, [], argparse.SUPPRESS) or "default: " in text:
            return text
        return f"{text} (default: {_shown(default)})"


def _shown(default: Any) -> str:
    shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
    return shown.replace("%", "%%") or "none"


def add_flags(parser: argparse.ArgumentParser, config: Any, without: Sequence[str] = ()) -> None:
    """Add one flag for each field of a dataclass instance, which gives the defaults; but for the fields `without`.

    A field's metadata may hold "help" and "choices". Flags that are not given leave no trace in the parsed namespace,
    so that `dataclasses.replace(config, **vars(namespace))` changes just what was asked for.
    """
    for field in dataclasses.fields(config):
        if field.name in without:
            continue
        shown = _shown(getattr(config, field.name))
        options: dict[str, Any] = {"help": f"{field.metadata['help']} (default: {shown})"}
        kind = field.type
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["choices"] = field.metadata.get("choices")
            if get_origin(kind) is tuple:
                options["nargs"], options["action"], kind = "+", _StoreTuple, get_args(kind)[0]
            options["type"] = kind
            options["metavar"] = None if options["choices"] else field.name.upper()
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=argparse.SUPPRESS, **options)


class _StoreTuple(argparse.Action):
    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _flag: str | None = None) -> None:
        setattr(namespace, self.dest, tuple(values))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns, the first to the left and the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        + " |"
        for line in [lines[0], rule, *lines[1:]]
    )
