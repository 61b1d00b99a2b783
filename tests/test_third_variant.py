"""Another loss is one entry in `LOSSES`: a checkout with a third variant trains, answers and publishes all three."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, offline, quick
from tiny_mnist import write_tiny_mnist

ENTRY = '    "half": Loss("Half of CAM-loss", "half of CAM-loss", lambda alpha: CAMLoss(alpha / 2)),\n'
THREE = ["ce", "cam", "half"]
ANSWER = """
import json, sys
from pathlib import Path
from camloss.demo.pairs import find_pairs, load_for_page
from camloss.demo import inference
(folder,) = find_pairs(Path(sys.argv[1])).values()
bar = {"width": 20, "points": [10, 10, 10, 400]}
pair = load_for_page(folder)
print(json.dumps([inference.answer(pair, strokes=[bar], second=second) for second in (None, "half")]))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("camloss", "scripts"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    losses = root / "camloss" / "losses.py"
    text = losses.read_text(encoding="utf-8").removesuffix("}\n")  # the end of LOSSES
    losses.write_text(f"{text}{ENTRY}}}\n", encoding="utf-8")
    data = write_tiny_mnist(root / "data")
    run(root, "scripts/train.py", *quick(data, root / "out", "--epochs", "2", "--variants", *THREE))
    return root


def run(root: Path, *words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=root,
        env=offline(PYTHONPATH=str(root)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_are_trained_alike_but_for_the_loss(checkout: Path) -> None:
    records = [json.loads((checkout / "out" / name / "training.json").read_text(encoding="utf-8")) for name in THREE]
    assert [record["variant"] for record in records] == THREE
    assert len({record["run"] for record in records}) == 1
    assert [record["history"][-1]["alpha"] for record in records] == [0.0, 10.0, 5.0]
    assert [(checkout / "out" / name / "epochs.safetensors").is_file() for name in THREE] == [True, True, False]


def test_two_answer_and_the_third_in_the_second_place_when_it_is_asked(checkout: Path) -> None:
    answers = json.loads(run(checkout, "-c", ANSWER, checkout / "out"))
    assert [[name for name in answer if name in THREE] for answer in answers] == [["ce", "cam"], ["ce", "half"]]


def test_three_are_published_and_the_card_shows_all(checkout: Path) -> None:
    push = ("scripts/push_to_hub.py", "user/mnist", "--dry-run", "--checkpoints", checkout / "out")
    sent = {line.split()[0] for line in run(checkout, *push).splitlines()}
    assert {f"{name}/model.safetensors" for name in THREE} <= sent
    card = (checkout / "out" / "README.md").read_text(encoding="utf-8")
    assert "| metric | Cross-entropy | CAM-loss | Half of CAM-loss |" in card
    assert all(f"]({name}/maps.png)" in card for name in THREE)
