import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Done, apart

from camloss import CamlossError, cli


def fail(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def test_a_problem_of_the_user_is_one_line_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.run(fail(CamlossError("no such digit; draw another")))
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: no such digit; draw another\n"


def test_a_package_that_is_missing_is_named_with_its_extra(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.exit_code(fail(ModuleNotFoundError("No module named 'gradio.events'", name="gradio.events"))) == 2
    said = capsys.readouterr().err
    assert said == "error: this needs gradio, which is not installed; pip install 'camloss[demo]'\n"


def test_a_gpu_that_is_full_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.exit_code(fail(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."))) == 2
    assert capsys.readouterr().err.startswith("error: the GPU has too little memory; take smaller images")


def test_a_module_of_ours_that_is_missing_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError):
        cli.run(fail(ModuleNotFoundError("No module named 'camloss.x'", name="camloss.x")))


def test_ctrl_c_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.run(fail(KeyboardInterrupt()))
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


LINGERS = "import atexit; from camloss import cli; atexit.register(print, 'late'); cli.run(lambda: print('done') or 3)"


@pytest.mark.parametrize(("started", "said"), [({}, "done\nlate\n"), ({"TORCHELASTIC_RUN_ID": "a"}, "done\n")])
def test_what_torchrun_has_started_ends_at_once(started: dict[str, str], said: str) -> None:
    done = apart([sys.executable, "-c", LINGERS], None, **started)
    assert done == Done(3, said, "")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.run(fail(ZeroDivisionError()))


def option(default: Any, **metadata: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": "what it is", **metadata})


@dataclasses.dataclass(frozen=True)
class Options:
    count: int = option(3)
    rate: float = option(0.5)
    fast: bool = option(True)
    kind: str = option("a", choices=("a", "b"))
    names: tuple[str, ...] = option(("x", "y"))
    folder: Path = option(Path("here"))


def parse(*flags: str) -> Options:
    parser = cli.Parser("what it does")
    cli.add_flags(parser, Options())
    return dataclasses.replace(Options(), **vars(parser.parse_args(flags)))


def test_flags_come_from_the_fields() -> None:
    assert parse() == Options()
    given = parse("--count", "4", "--rate", "2", "--no-fast", "--kind", "b", "--names", "z", "--folder", "there")
    assert given == Options(4, 2.0, False, "b", ("z",), Path("there"))


@pytest.mark.parametrize("flags", [("--count", "many"), ("--kind", "c"), ("--fast", "yes")])
def test_bad_flags_are_refused(flags: tuple[str, ...]) -> None:
    with pytest.raises(CamlossError, match=rf"^argument {flags[0]}|^unrecognized arguments: {flags[1]};"):
        parse(*flags)


def test_the_help_shows_every_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    shown = capsys.readouterr().out
    assert "(default: 3)" in shown
    assert "(default: x y)" in shown


def test_table() -> None:
    assert cli.table(["metric", "ce"], [["accuracy", "0.5"], ["x", "10"]]) == (
        "| metric   |  ce |\n| -------- | --: |\n| accuracy | 0.5 |\n| x        |  10 |"
    )
