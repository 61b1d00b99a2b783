"""What --help says of every command is true: its examples can be typed, and its defaults are those it takes."""

import argparse
import dataclasses
import importlib
import re
import shlex
import sys
from typing import Any

import pytest
from command_line import ROOT

from camloss import commands
from camloss.commands.study import config_of
from camloss.commands.train import chosen_config
from camloss.training.config import TrainConfig

DEV = sorted(
    path.stem for path in (ROOT / "scripts" / "dev").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
)
NAMES = [*commands.COMMANDS, *DEV]
NAMELESS = ("(default: all)", "(default: those that start no page)")  # lists that would fill the page


class ParsedError(Exception):
    """A command has read its flags."""


def parser_of(name: str, *flags: str, parsing: bool = False) -> argparse.ArgumentParser:
    """The parser of a command, or of a script for maintainers, perhaps when it has read these flags."""
    parse, found = argparse.ArgumentParser.parse_args, []

    def parse_and_stop(parser: argparse.ArgumentParser, argv: Any = None) -> None:
        if parsing:
            parse(parser, argv)
        found.append(parser)
        raise ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        patch.setattr(sys, "argv", [f"{name}.py", *flags])
        with pytest.raises(ParsedError):
            commands.main([name, *flags]) if name in commands.COMMANDS else importlib.import_module(name).main()
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_can_be_typed(name: str) -> None:
    typed = rf"camloss {name}" if name in commands.COMMANDS else rf"python\S* scripts/dev/{name}\.py"
    text = parser_of(name).format_help()
    examples = re.findall(rf"^    {typed}((?: \S+)*?)(?:  .*| > .*)?$", text, re.MULTILINE)
    assert examples
    for example in examples:
        parser_of(name, *shlex.split(example.replace("USER", "user")), parsing=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_shown(name: str) -> None:
    parser = parser_of(name)
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        default, said = action.default, parser._get_formatter()._expand_help(action) if action.help else ""
        assert said, action.dest
        if default not in (None, False, [], argparse.SUPPRESS) and not said.endswith(NAMELESS):
            words = " ".join(map(str, default)) if isinstance(default, list) else str(default)
            assert said.endswith(f"(default: {words})"), action.dest


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("train", chosen_config({"recipe": "default"})),
        ("release", chosen_config({"recipe": "default"})),
        ("study", config_of({"recipe": "default"}, "short")),
    ],
)
def test_the_defaults_of_a_training_are_those_that_it_takes(name: str, config: TrainConfig) -> None:
    said = {action.dest: action.help or "" for action in parser_of(name)._actions}
    shown = {field.name for field in dataclasses.fields(config)} & set(said)
    assert len(shown) > 15
    for field in shown:
        value = getattr(config, field)
        words = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert said[field].endswith(f"(default: {words or 'none'})"), field


def test_the_list_of_commands_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main([]) == 0
    (example,) = re.findall(r"^    camloss (.*)$", capsys.readouterr().out, re.MULTILINE)
    parser_of(*shlex.split(example), parsing=True)
