"""Commands as a shell starts and ends them: closed and full output, Ctrl-C and SIGTERM at any time, passwords."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, Done, apart, assert_one_line, offline, process, run

from camloss import CamlossError, cli
from camloss.commands import COMMANDS
from camloss.errors import without_passwords

SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if not path.name.startswith("_"))
SIGNALLED = """
import os, signal
try:
    os.kill(os.getpid(), signal.{signal})
    signal.pause()
except KeyboardInterrupt:
    raise AttributeError("as numpy's import says it") from None
"""


def sent(folder: Path, name: str, when_importing: str, words: list[str]) -> Done:
    """A command that gets this signal while it imports this package."""
    (folder / f"{when_importing}.py").write_text(SIGNALLED.format(signal=name), encoding="utf-8")
    return apart(words, PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")


STARTS = {
    **{f"camloss {name}": process(name) for name in COMMANDS},
    **{f"scripts/{script.name}": [sys.executable, str(script)] for script in SCRIPTS},
    "app.py": [sys.executable, "app.py"],
}


@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS)
def test_ctrl_c_while_torch_is_imported_is_one_line(tmp_path: Path, words: list[str]) -> None:
    assert sent(tmp_path, "SIGINT", "torch", words) == Done(130, "", "interrupted\n")


def test_ctrl_c_while_a_command_imports_more_is_one_line(tmp_path: Path) -> None:
    done = sent(tmp_path, "SIGINT", "torchvision", process("evaluate", "--data-dir", tmp_path))
    assert done == Done(130, "", "interrupted\n")


def test_ctrl_c_while_others_import_camloss_stays_theirs(tmp_path: Path) -> None:
    done = sent(tmp_path, "SIGINT", "torch", [sys.executable, "-c", "import camloss"])
    assert "as numpy's import says it" in done.err


@pytest.mark.parametrize("words", [STARTS["app.py"], process("demo")], ids=["app.py", "camloss demo"])
@pytest.mark.parametrize("package", ["torch", "gradio"])
def test_sigterm_ends_the_page_with_0_from_the_beginning(tmp_path: Path, words: list[str], package: str) -> None:
    assert sent(tmp_path, "SIGTERM", package, words) == Done(0, "", "")


def test_sigterm_ends_another_command_as_it_ends_any_process(tmp_path: Path) -> None:
    assert sent(tmp_path, "SIGTERM", "torch", process("train")).code == -signal.SIGTERM


def test_scripts_for_maintainers_heed_ctrl_c_before_anything_large_is_imported() -> None:
    for path in (ROOT / "scripts" / "dev").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "__main__" in text:
            assert first_import(text) in ("_root", "_page"), path  # which imports _root itself


def first_import(text: str) -> str:
    names = [
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return next(name for name in names if name.partition(".")[0] not in sys.stdlib_module_names)


WORDS = ("push", "user/mnist", "--dry-run", "--checkpoints")


def with_output(output: int, words: list[str], **more: str) -> Done:
    """A command whose output nobody here reads."""
    done = subprocess.run(
        words, env=offline(**more), stdout=output, stderr=subprocess.PIPE, text=True, timeout=300, check=False
    )
    return Done(done.returncode, "", done.stderr)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_ends_a_command_quietly(untrained_pair: Path, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = with_output(writing, process(*WORDS, untrained_pair), PYTHONUNBUFFERED=unbuffered)
    finally:
        os.close(writing)
    assert done == Done(141, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_one_line(untrained_pair: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = with_output(full.fileno(), process(*WORDS, untrained_pair), PYTHONUNBUFFERED=unbuffered)
        assert_one_line(done, 2, "cannot write the output (No space left on device); free space")
        assert done.err.count("\n") == 1


def test_an_error_without_a_standard_error_is_its_exit_code() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert subprocess.run(process("nix"), env=offline(), stderr=writing, timeout=300, check=False).returncode == 2
    finally:
        os.close(writing)


def test_a_full_disk_elsewhere_is_not_taken_for_the_output() -> None:
    def main() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        cli.exit_code(main)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgresql+psycopg://me:secret@host:5432/study", "postgresql+psycopg://me:***@host:5432/study"),
        ("at (mysql://a:p@ss:w@host/b), no", "at (mysql://a:***@host/b), no"),
        ("mysql://host/b?user=me&Password=secret&x=1", "mysql://host/b?user=me&Password=***&x=1"),
        ("redis://:secret@host", "redis://:***@host"),
        ("https://host:8080/a@b and sqlite:///study.db", "https://host:8080/a@b and sqlite:///study.db"),
        ("https://user@host/a:b@c", "https://user@host/a:b@c"),
    ],
)
def test_passwords_in_addresses_are_left_out(text: str, said: str) -> None:
    assert without_passwords(text) == said


@pytest.mark.parametrize(
    "words",
    [
        ("study", "postgresql://me:secret@127.0.0.1:9/study"),
        ("study", "--store", "postgresql://me:secret@127.0.0.1:9/study"),
        ("study", "--heartbeat", "postgresql://me:secret@127.0.0.1:9/study"),
        ("postgresql://me:secret@127.0.0.1:9/study",),
    ],
)
def test_no_message_about_a_command_line_repeats_a_password(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert_one_line(done, 2)
    assert "secret" not in done.out + done.err


def test_an_error_that_holds_a_password_is_told_without(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise CamlossError("cannot reach https://me:secret@hub.example; check the network")

    assert cli.exit_code(main) == 2
    assert capsys.readouterr().err == "error: cannot reach https://me:***@hub.example; check the network\n"
