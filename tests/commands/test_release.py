"""`camloss release` runs what docs/measure.md lists, in order, and keeps what each command printed."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from camloss import CamlossError
from camloss.commands import release

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run, none of them in earnest; each prints its own name."""
    called: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        called.append(words[1:])
        return subprocess.CompletedProcess(words, 2 if "fail" in words else 0, " ".join(words[1:]).encode())

    (tmp_path / release.RECORDS).mkdir(parents=True)
    (tmp_path / "scripts" / "dev").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("camloss.commands.release.subprocess.run", run)
    return called


AFTER_TRAINING = [
    ["scripts/evaluate.py", "checkpoints/ce", "checkpoints/cam", "--ood", "--json"],
    ["scripts/price.py", "--pair", "checkpoints"],
    ["scripts/dev/choose_opening.py"],
    ["scripts/dev/make_pictures.py"],
    ["scripts/dev/make_animation.py"],
    ["scripts/report.py"],
]


def test_a_pair_is_trained_and_all_that_is_said_of_it_made_anew(calls: list[list[str]], tmp_path: Path) -> None:
    release.main(["--alpha", "10", "--seed", "4"])
    folder = "runs/light_cnn-alpha-10-seed-4"
    assert calls == [
        ["scripts/train.py", "--alpha", "10", "--seed", "4"],
        ["scripts/join_pair.py", str(folder)],
        *AFTER_TRAINING,
    ]
    records = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / release.RECORDS).iterdir()}
    assert records == {
        "evaluate.json": "scripts/evaluate.py checkpoints/ce checkpoints/cam --ood --json",
        "animation.md": "scripts/dev/make_animation.py",
    }


def test_a_finished_pair_is_not_trained(calls: list[list[str]]) -> None:
    release.main(["--pair", "runs/a"])
    assert calls == [["scripts/join_pair.py", "runs/a"], *AFTER_TRAINING]


@pytest.mark.parametrize("flags", [["--dry-run"], ["--variants", "cam"]])
def test_only_a_pair_is_released(calls: list[list[str]], flags: list[str]) -> None:
    with pytest.raises(CamlossError, match="only a whole pair can be released"):
        release.main(flags)
    assert calls == []


def test_without_a_checkout_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CamlossError, match="there is no checkout here; clone the repository"):
        release.main([])


@pytest.mark.usefixtures("calls")
def test_what_fails_keeps_the_old_record(tmp_path: Path) -> None:
    record = tmp_path / release.RECORDS / "evaluate.json"
    record.write_text("old", encoding="utf-8")
    with pytest.raises(CamlossError, match=r"python scripts/evaluate.py fail > docs/records/evaluate.json failed"):
        release.run("evaluate.py", "fail", record="evaluate.json")
    assert record.read_text(encoding="utf-8") == "old"


def test_measure_lists_the_same_commands_in_the_same_order() -> None:
    page = (ROOT / "docs" / "measure.md").read_text(encoding="utf-8")
    listed = page.split("## How the tables get here")[1]
    places = []
    for words, record in release.STEPS:
        line = f"python scripts/{' '.join(words)}" + (f" > {release.RECORDS / record}" if record else "")
        places.append(listed.index(f"{line}\n"))
    assert places == sorted(places)
