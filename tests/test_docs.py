"""README.md and docs/: what they name is there, what they print as code runs, and their figures were recorded."""

import argparse
import base64
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import Hub
from page_server import PageServer
from test_imports import LAYERS

from camloss.checkpoint import load_training
from camloss.data.ood_fitting import PER_FAMILY, pair_ood_scores, share
from camloss.digits.ood_drawings import draw_ood_drawings
from camloss.hub.push import push_pair
from camloss.pair import VARIANTS, Pair

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
DRY = {"push_to_hub.py", "deploy_space.py"}  # tried to the end, with --dry-run


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words) of every `python scripts/...` in the pages, in blocks and between backticks."""
    for page, text in TEXTS.items():
        for line in re.findall(r"(?:^|`)python (scripts/[^`#\n>]+)", text, re.MULTILINE):
            yield page, shlex.split(line.replace("USER", "user"))


PYTHON = [(page, number) for page in TEXTS for number in range(len(blocks(page, "python")))]


def test_the_readme_is_a_landing_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 140
    assert TEXTS["README.md"].startswith("# camloss\n")


@pytest.mark.parametrize("page", TEXTS)
def test_what_a_page_shows_and_links_is_there(page: str) -> None:
    for name in re.findall(r"\]\(([^)#\s]+)", TEXTS[page]):
        assert "://" in name or (ROOT / page).parent.joinpath(name).exists(), name


@pytest.mark.parametrize("page", TEXTS)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = re.findall(r"`((?:camloss|scripts|tests|docs|checkpoints)/[\w./]*|\w+\.(?:txt|toml))`", TEXTS[page])
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "scripts" / name).exists() or name == "checkpoints/hub.json", name


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+\.md)", TEXTS["README.md"]))
    assert linked == set(TEXTS) - {"README.md"}


@pytest.mark.parametrize(
    ("page", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_a_command_takes_the_flags_that_are_printed(
    hub: Hub, page: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ParsedError(Exception):
        pass

    def parse(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> None:
        unknown = parser.parse_known_args(argv)[1]
        assert not unknown, f"{page}: {' '.join(words)}"
        raise ParsedError

    script, *flags = words
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "argv", words)
    if Path(script).name in DRY:
        monkeypatch.setattr(sys, "argv", [*words, "--dry-run"])
        runpy.run_path(script, run_name="__main__")
        assert hub.requests == []
    elif Path(script).name != "check_min_versions.py":  # which takes tests, not flags
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
        with pytest.raises((ParsedError, SystemExit)) as stop:
            runpy.run_path(script, run_name="__main__")
        assert stop.type is ParsedError or "--help" in flags, f"{page}: {' '.join(words)}"


@pytest.fixture
def working_folder(tmp_path: Path, drawing: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader may be: beside the checkpoints, with a picture of a digit."""
    (tmp_path / "digit.png").write_bytes(base64.b64decode(drawing))
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("page", "number"), PYTHON)
def test_python_runs_as_printed(page: str, number: int, working_folder: Path, request: pytest.FixtureRequest) -> None:
    code = blocks(page, "python")[number].replace("USER/", "user/")
    if "user/" in code:
        push_pair("user/camloss-mnist", working_folder / "checkpoints", tag="v1", log=lambda _: None)
    if "7860" in code:
        server: PageServer = request.getfixturevalue("page_server")
        code = code.replace("http://127.0.0.1:7860", server.url)
    names = {"batches": [(torch.rand(2, 3, 64, 64), torch.tensor([3, 7]))]}
    exec(compile(code, f"{page} {number}", "exec"), names)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs bash and curl")
def test_curl_runs_as_printed(working_folder: Path, page_server: PageServer) -> None:
    (script,) = [block for block in blocks("docs/api.md", "bash") if "curl" in block]
    script = script.replace("http://127.0.0.1:7860/", page_server.url)
    done = subprocess.run(["bash", "-euc", script], cwd=working_folder, capture_output=True, text=True, check=True)
    assert "event: complete" in done.stdout
    assert '"summary"' in done.stdout


def test_no_page_speaks_of_what_was_moved() -> None:
    for page, text in TEXTS.items():
        for name in re.findall(r"camloss(?:/[\w/]+\.py|(?:\.[a-z_]+)+)", text):
            module = ROOT / name.removesuffix(".py").replace(".", "/")
            assert module.with_suffix(".py").is_file() or module.is_dir(), f"{page} names {name}"


def test_contributing_draws_the_layers() -> None:
    (line,) = re.findall(r"^errors, maps, ood, split \|.*$", TEXTS["CONTRIBUTING.md"], re.MULTILINE)
    drawn = [{name.removesuffix(".py") for name in names.split(", ")} for names in line.split(" | ")]
    assert drawn == [set(layer) for layer in LAYERS]


def test_the_tables_say_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    runpy.run_path(str(ROOT / "scripts" / "tables.py"), run_name="__main__")


def test_a_figure_that_nobody_recorded_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    readme = TEXTS["README.md"]
    accuracy = re.findall(r"\d\d\.\d+%", readme)[0]
    (tmp_path / "README.md").write_text(readme.replace(accuracy, "99.99%", 1), encoding="utf-8")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    for flags, code in ((["--check"], 2), ([], 0), (["--check"], 0)):
        monkeypatch.setattr(sys, "argv", ["tables.py", "--root", str(tmp_path), *flags])
        try:
            runpy.run_path(str(ROOT / "scripts" / "tables.py"), run_name="__main__")
            stopped: object = 0
        except SystemExit as stop:
            stopped = stop.code
        assert stopped == code
    assert capsys.readouterr().err == "error: README.md is not what docs/records says; run python scripts/tables.py\n"
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == readme


def test_the_record_is_of_the_weights_that_are_shipped() -> None:
    """Fails when checkpoints/ has changed: run the first and the last command of scripts/tables.py again."""
    record = json.loads((ROOT / "docs" / "records" / "evaluate.json").read_text(encoding="utf-8"))
    assert set(record["checkpoints"]) == {f"checkpoints/{variant}" for variant in VARIANTS}
    for name, numbers in record["checkpoints"].items():
        at_the_end_of_training = load_training(ROOT / name)["test"]
        for metric in ("accuracy", "loss", "cam_distance", "ink_energy"):  # each machine rounds its own way
            assert numbers[metric] == pytest.approx(at_the_end_of_training[metric], abs=5e-4), (name, metric)


def test_the_record_of_ood_score_is_of_what_is_shipped() -> None:
    """Fails when the weights, the page's reader or its pen have changed: run scripts/release.py --pair checkpoints."""
    record = (ROOT / "docs" / "records" / "ood.md").read_text(encoding="utf-8")
    found = pair_ood_scores(Pair.load(ROOT / "checkpoints").models, draw_ood_drawings("shapes", PER_FAMILY, seed=0))
    for who, values in found.items():
        assert cell(record, "shapes (reported)", f"{who}: doubted") == pytest.approx(share(values), abs=0.01)


def cell(table: str, row: str, column: str) -> float:
    lines = [[word.strip() for word in line.strip("| ").split(" | ")] for line in table.splitlines()]
    (line,) = [line for line in lines if line[0] == row]
    return float(line[lines[0].index(column)])


def test_what_chose_the_shipped_pair_is_said() -> None:
    """A pair that learnt hands.py is no longer older than the rule that parts the writers."""
    older = "styles" in load_training(ROOT / "checkpoints" / "cam")["config"]
    assert ("is older than\nthis rule" in TEXTS["docs/measure.md"]) == older
