"""README.md is also the Space's card, and its commands are what people type."""

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub

from camloss.hub.card import check_space_card, metadata

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent
KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"),
    *("models", "datasets", "tags", "short_description", "thumbnail"),
}


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def card(readme: str) -> dict[str, Any]:
    return metadata(readme)


def test_the_hub_takes_the_card(readme: str, card: dict[str, Any]) -> None:
    check_space_card(readme)
    assert set(card) >= KEYS
    assert len(card["short_description"]) <= 60


def test_the_space_gets_the_gradio_that_the_page_is_made_for(card: dict[str, Any]) -> None:
    pins = re.findall(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert [card["sdk_version"]] == pins


def test_the_space_gets_a_python_that_the_package_runs_on(card: dict[str, Any]) -> None:
    (oldest,) = re.findall(
        r'^requires-python = ">=3\.(\d+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert int(card["python_version"].split(".")[1]) >= int(oldest)


def test_what_the_card_and_the_text_name_is_there(readme: str, card: dict[str, Any]) -> None:
    shown = re.findall(r"!\[[^\]]*\]\(([^)\s]+)", readme) + re.findall(r'<img[^>]+src="([^"]+)"', readme)
    linked = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)", readme)
    for name in (card["app_file"], card["thumbnail"], *shown, *linked):
        assert "://" in name or (ROOT / name).exists(), name


def test_the_publish_commands_work_as_printed(
    hub: Hub, readme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = r"^python (scripts/(?:push_to_hub|deploy_space)\.py .*?)(?:\s+#.*)?$"
    commands = [command.replace("USER", "user").split() for command in re.findall(scripts, readme, re.MULTILINE)]
    assert {script for script, *_ in commands} == {"scripts/push_to_hub.py", "scripts/deploy_space.py"}
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    for script, *flags in commands:
        monkeypatch.setattr(sys, "argv", [script, *flags, "--dry-run"])
        runpy.run_path(script, run_name="__main__")
        assert "would get:" in capsys.readouterr().out
    assert hub.requests == []


def test_the_example_for_ones_own_network_runs(readme: str) -> None:
    (code,) = re.findall(r"## Use it on your own network\n.*?```python\n(.*?)```", readme, re.DOTALL)
    names: dict[str, Any] = {"batches": [(torch.rand(2, 3, 64, 64), torch.tensor([3, 7]))] * 2}
    exec(code, names)
    assert names["loss"].cam > 0
    assert names["answer"].cam.shape == (2, 2, 2)
