"""What the commands share: flags made from a dataclass, one-line errors, tables."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, get_args, get_origin

from camloss.errors import EXTRAS, CamlossError, not_installed


def exit_code(main: Callable[[], int | None]) -> int:
    """Call `main`; a problem that the user can solve becomes one line on stderr and an exit code, not a traceback."""
    try:
        return main() or 0
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        print(f"error: {not_installed(package)}", file=sys.stderr)
        return not_installed(package).exit_code
    except CamlossError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and end the process with its `exit_code`."""
    sys.exit(exit_code(main))


class Parser(argparse.ArgumentParser):
    """An argument parser whose help opens with a module's docstring and whose errors are one line.

    Args:
        doc: the docstring.
        command: the name in `camloss NAME`; by default the parser is a script's.
    """

    def __init__(self, doc: str | None, command: str | None = None) -> None:
        prog = f"camloss {command}" if command else None
        super().__init__(prog=prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        raise CamlossError(f"{message}; see {self.prog} --help")


def add_flags(parser: argparse.ArgumentParser, config: Any, without: Sequence[str] = ()) -> None:
    """Add one flag for each field of a dataclass instance, which gives the defaults; but for the fields `without`.

    A field's metadata may hold "help" and "choices". Flags that are not given leave no trace in the parsed namespace,
    so that `dataclasses.replace(config, **vars(namespace))` changes just what was asked for.
    """
    for field in dataclasses.fields(config):
        if field.name in without:
            continue
        default = getattr(config, field.name)
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        shown = "none" if shown == "" else shown
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
