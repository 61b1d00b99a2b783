"""README.md and docs/: what they name is there, what they print as code runs, and their figures were recorded."""

import argparse
import base64
import importlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import architectures
import nbformat
import pytest
import torch
from hub_server import Hub
from nbclient import NotebookClient
from page_server import PageServer
from PIL import Image

import camloss
from camloss import CamlossError
from camloss.checkpoint import load_training
from camloss.commands import train
from camloss.data.ood_fitting import PER_FAMILY, pair_ood_scores, share
from camloss.digits.ood_drawings import draw_ood_drawings
from camloss.hub.model_card import BIBTEX
from camloss.hub.push import push_pair
from camloss.losses import PAIR
from camloss.pair import Pair
from camloss.training.config import RECIPES, TrainConfig

thresholds = importlib.import_module("camloss.diagnose")  # whose name in camloss is the function's

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
DRY = {"push_to_hub.py", "deploy_space.py"}  # tried to the end, with --dry-run


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words) of every `python scripts/...` and `camloss ...` in the pages, in blocks and between backticks, also
    behind a variable or torchrun."""
    start = r"(?:^|`)(?:[A-Z_]+=\S+ )?(?:(?:python|torchrun [^\n]*?) (?=scripts/)|(?=camloss [a-z]))"
    for page, text in TEXTS.items():
        for line in re.findall(rf"{start}([^`#\n>]+)", text, re.MULTILINE):
            yield page, shlex.split(line.replace("USER", "user"))


TRAININGS = [
    words for _, words in commands() if words[:2] == ["camloss", "train"] and words[-1] not in ("--help", "--loss")
]
PYTHON = [
    pytest.param(page, number, marks=[pytest.mark.slow] if "7860" in code else [])  # which starts the page
    for page in TEXTS
    for number, code in enumerate(blocks(page, "python"))
]


def test_the_readme_is_a_landing_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 120
    assert TEXTS["README.md"].startswith("# camloss\n")
    assert BIBTEX in TEXTS["README.md"]


def test_readme_says_of_photographs_what_the_records_say() -> None:
    """The blocks are held against the records by `camloss report --check`; beside them there is only the link."""
    by_hand = re.sub(r"<!-- table: [\w-]+ -->.*?<!-- end -->", "", TEXTS["README.md"], flags=re.DOTALL)
    lines = [line for line in by_hand.splitlines() if "photograph" in line]
    assert lines == [line for line in lines if "[photographs](docs/results-photos.md)" in line]
    for block in ("both", "photos-summary"):
        assert f"<!-- table: {block} -->\n**On " in TEXTS["README.md"]


@pytest.mark.parametrize("page", TEXTS)
def test_what_a_page_shows_and_links_is_there(page: str) -> None:
    for name in re.findall(r"\]\(([^)#\s]+)", TEXTS[page]):
        assert "://" in name or (ROOT / page).parent.joinpath(name).exists(), name


@pytest.mark.parametrize("page", TEXTS)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = re.findall(r"`((?:camloss|scripts|tests|docs|checkpoints)/[\w./]*|\w+\.(?:txt|toml))`", TEXTS[page])
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "scripts" / name).exists(), name


def test_the_maps_of_clothing_are_small_and_of_the_pair_that_is_shipped() -> None:
    """Fails when checkpoints/clothing has changed: run python scripts/dev/make_pictures.py --only maps."""
    path = ROOT / "docs" / "clothing_maps.jpg"
    assert path.stat().st_size < 150_000
    with Image.open(path) as picture:
        assert picture.info["comment"].decode() == Pair.load(ROOT / "checkpoints" / "clothing").source
    assert f"]({path.name})" in TEXTS["docs/results-photos.md"]


def test_the_moving_picture_is_small_and_moves() -> None:
    path = ROOT / "docs" / "clutter.webp"
    assert path.stat().st_size <= 1_000_000
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) > 3
        assert picture.info["xmp"].decode() == Pair.load(ROOT / "checkpoints").source
    assert f"](docs/{path.name})" in TEXTS["README.md"]


def test_the_version_is_one() -> None:
    assert f"\nversion: {camloss.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_index_and_the_site_list_every_page_in_one_order() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", TEXTS["docs/index.md"])
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    assert re.findall(r"[\w-]+\.md", nav) == ["index.md", *listed]
    assert {f"docs/{name}" for name in (*listed, "index.md")} == {page for page in TEXTS if page.startswith("docs/")}
    assert {"docs/index.md", "CONTRIBUTING.md"} <= set(re.findall(r"\]\(([^)#\s]+\.md)", TEXTS["README.md"]))


def test_the_api_page_has_every_public_name() -> None:
    assert sorted(re.findall(r"^::: camloss\.(?:\w+\.)?(\w+)$", TEXTS["docs/api.md"], re.MULTILINE)) == sorted(
        camloss.__all__
    )


def test_one_alpha_and_one_start_are_recommended() -> None:
    alpha, start = RECIPES["pictures"].alpha, TrainConfig().alpha_start_epoch
    for page in ("README.md", "docs/your_data.md", "docs/recipes.md"):
        alphas = re.findall(r"CAMLoss\(alpha=([\d.]+)[,)]", TEXTS[page])
        assert set(alphas) == {f"{alpha:g}"}
        starts = re.findall(r"criterion\.alpha = (\S+) if \S*epoch >= (\S+) else (\S+) *#", TEXTS[page])
        assert set(starts) == {(f"{alpha:g}", f"{start}", "0")}
        assert len(starts) == TEXTS[page].count("criterion.alpha =") == len(alphas)
    said = f"**Alpha: start with {alpha:g} on photographs**, and with {TrainConfig().alpha:g} on digits."
    assert said in TEXTS["docs/alpha.md"]
    assert f"**Alpha start epoch: {start}.**" in TEXTS["docs/alpha.md"]


def test_the_thresholds_of_diagnose_are_those_of_the_code() -> None:
    said = dict(re.findall(r"`([A-Z_]+)` = (-?[\d.]+)", TEXTS["docs/diagnose.md"]))
    names = ("AGREE", "SMALL", "LOW_RANK", "FEW_CHANNELS", "ANY_IMAGE", "NEGATIVES")
    assert {name: float(value) for name, value in said.items()} == {name: getattr(thresholds, name) for name in names}


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
    if Path(script).name in DRY:
        assert run(monkeypatch, script, *flags, *({"--dry-run"} - set(flags))) == 0
        assert hub.requests == []
    elif Path(script).name != "check_min_versions.py":  # which takes tests, not flags
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
        try:
            assert run(monkeypatch, script, *flags) == 0
            assert "--help" in flags, f"{page}: {' '.join(words)}"
        except ParsedError:
            pass


@pytest.mark.parametrize("words", TRAININGS, ids=" ".join)
def test_a_training_that_is_printed_is_not_refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class NotRefusedError(Exception):
        pass

    def build_model(*_: object, **__: object) -> None:
        raise NotRefusedError

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(train, "build_model", build_model)
    with pytest.raises(NotRefusedError):
        train.main(words[2:])


def run(monkeypatch: pytest.MonkeyPatch, script: str, *flags: str) -> int:
    """A script, or the entry point `camloss`, in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", [script, *flags])
    path = ROOT / ("camloss/__main__.py" if script == "camloss" else script)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path), run_name="__main__")
    return int(stop.value.code or 0)


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
    batches = [(torch.rand(2, 3, 64, 64), torch.tensor([3, 7])) for _ in range(2)]
    dataset = [pair for images, targets in batches for pair in zip(images, targets.tolist(), strict=True)]
    names: dict[str, Any] = {"batches": batches, "dataset": dataset, "__name__": "block"}
    exec(compile(code, f"{page} {number}", "exec"), names)
    if "theirs" in names:
        torch.testing.assert_close(names["theirs"], names["ours"], rtol=0, atol=1e-5)
    for trained in (names[name] for name in ("model", "module") if name in names):
        assert all(bool(parameter.isfinite().all()) for parameter in trained.parameters())


@pytest.mark.slow
def test_the_notebook_runs_and_is_kept_without_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(ROOT / "docs" / "quickstart.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4


OF_MACOS = """#!/bin/sh
case "$1" in "") exec {base64};; *) echo "base64: unrecognized option $1" >&2; exit 64;; esac
"""


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs bash and curl")
def test_curl_runs_as_printed(working_folder: Path, page_server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a base64 that knows none of GNU's options."""
    tools = working_folder / "tools"
    tools.mkdir()
    (tools / "base64").write_text(OF_MACOS.format(base64=shutil.which("base64")), encoding="utf-8")
    (tools / "base64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    (script,) = [block for block in blocks("docs/demo.md", "bash") if "curl" in block]
    script = script.replace("http://127.0.0.1:7860/", page_server.url)
    done = subprocess.run(["bash", "-euc", script], cwd=working_folder, capture_output=True, text=True, check=True)
    assert "event: complete" in done.stdout
    assert '"similarity"' in done.stdout


def test_no_page_speaks_of_what_was_moved() -> None:
    for page, text in TEXTS.items():
        for name in re.findall(r"camloss(?:/[\w/]+\.py|(?:\.[a-z_]+)+)", text):
            if name.rpartition(".")[2] in camloss.__all__:
                continue
            module = ROOT / name.removesuffix(".py").replace(".", "/")
            assert module.with_suffix(".py").is_file() or module.is_dir(), f"{page} names {name}"


def test_the_record_is_of_the_weights_that_are_shipped() -> None:
    """Fails when checkpoints/ has changed: run the first and the last command that docs/measure.md lists."""
    record = json.loads((ROOT / "docs" / "records" / "evaluate.json").read_text(encoding="utf-8"))
    assert set(record["checkpoints"]) == {f"checkpoints/{variant}" for variant in PAIR}
    for name, numbers in record["checkpoints"].items():
        at_the_end_of_training = load_training(ROOT / name)["test"]
        for metric in ("accuracy", "loss", "cam_distance", "stroke_energy"):  # each machine rounds its own way
            assert numbers[metric] == pytest.approx(at_the_end_of_training[metric], abs=5e-4), (name, metric)


def test_the_record_of_ood_score_is_of_what_is_shipped() -> None:
    """Fails when the weights, the page's reader or its pen have changed: run camloss release --pair checkpoints."""
    record = json.loads((ROOT / "docs" / "records" / "evaluate.json").read_text(encoding="utf-8"))
    shown = Pair.load(ROOT / "checkpoints").shown.digit_models
    found = pair_ood_scores(shown, draw_ood_drawings("shapes", PER_FAMILY, seed=0))
    for who, values in found.items():
        assert record["ood"]["rates"][who]["shapes"]["flagged"] == pytest.approx(share(values), abs=0.01)


@pytest.mark.parametrize("tried", [("resnet18", "torchvision"), ("mobilenetv3_small_050", "timm")], ids=" of ".join)
def test_the_table_of_architectures_is_what_wrap_says(tried: tuple[str, str]) -> None:
    table = (ROOT / "docs" / "records" / "architectures.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len(rows) >= 40 + 2
    reason = architectures.why_not(architectures.make(*tried))
    assert [*tried, "no" if reason else "yes", reason] in rows


@pytest.mark.slow
def test_the_whole_table_of_architectures_is_what_wrap_says() -> None:
    architectures.main(["--check"])


def test_a_changed_answer_of_wrap_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "TRIED", {"timm": "resnet18"})
    monkeypatch.setattr(architectures, "RECORDS", tmp_path)
    architectures.main([])
    architectures.main(["--check"])
    monkeypatch.setattr(architectures, "why_not", lambda _: "it has no linear layer")
    with pytest.raises(CamlossError, match=r"architectures\.md is not what wrap says"):
        architectures.main(["--check"])
