"""`camloss NAME ...`: every command is a module with `main(argv)`, imported when it is asked for."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from camloss import commands

ROOT = Path(__file__).resolve().parents[2]


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main([]) == commands.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in commands.COMMANDS)


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_takes_its_flags_and_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"camloss.commands.{name.replace('-', '_')}")
    assert list(inspect.signature(module.main).parameters) == ["argv"]
    assert commands.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: camloss {name} ")


def test_every_module_is_a_command() -> None:
    modules = {path.stem for path in (ROOT / "camloss" / "commands").glob("*.py")} - {"__init__"}
    assert modules == {name.replace("-", "_") for name in commands.COMMANDS}


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["trian"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no command trian; expected one of train, ")


def test_the_help_imports_no_command() -> None:
    loaded = "any(name.startswith('camloss.commands.') for name in sys.modules)"
    code = f"import sys; from camloss.commands import main; main([]); sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0
