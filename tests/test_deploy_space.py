"""Deploying the Space with the real client, and the page that comes out of it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import command_line
import pytest
from command_line import Done
from gradio_client import Client
from hub_server import TOKENS, Hub
from huggingface_hub import SpaceHardware
from made_up_images import write_image_pair
from packaging.requirements import Requirement
from page_server import PageServer
from untrained import write_pair, write_snapshots

from camloss.hub.model_card import check_space_card, metadata
from camloss.hub.push import push_pair

pytest_plugins = ["hub_client"]

ROOT = Path(__file__).resolve().parent.parent
SPACE, WEIGHTS = "user/camloss", "user/camloss-mnist"
SETTINGS = """title: CAM-loss
emoji: ✍️
colorFrom: indigo
colorTo: yellow
sdk: gradio
sdk_version: 6.31.0
python_version: "3.12"
app_file: app.py
models: []
thumbnail: docs/page.png
"""
README = """# CAM-loss

![The page](docs/page.png) <img alt="A digit" src="docs/digit.png"> ![Elsewhere](https://example.org/a.png)
More [on the page](docs/more.md#draw), [elsewhere](https://example.org/b.md) and in the [code](scripts/train.py).
"""
NOTES = """
## A public server
"""
BAIT = (
    ".env",
    ".git/config",
    ".venv/lib/site.py",
    "data/mnist/MNIST/raw/train-images-idx3-ubyte",
    "docs/notes.md",
    "camloss/__pycache__/hub.cpython-312.pyc",
    "camloss/.hub.py.swp",
    "camloss/.backup.py",
    "camloss/demo/web/.env.json",
    "camloss/demo/web/photo.jpg",
    "camloss/.old/hub.py",
    "checkpoints/.old/cam/config.json",
    "checkpoints/.resume/cam.safetensors",
    "checkpoints/.staged/ce/model.safetensors",
    "checkpoints/half/cam/config.json",
    "checkpoints/half/cam/model.safetensors",
    "checkpoints/cam/secret.txt",
    "checkpoints/cam/.epochs.safetensors.part",
    "scripts/train.py",
    "tests/test_hub.py",
    "token",
)


@pytest.fixture
def checkout(checkpoints: Path, tmp_path: Path) -> Path:
    """A checkout like this one, with other weights, pictures, results, and much that is nobody's business."""
    root = tmp_path / "checkout"
    for name in BAIT:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("hf_secret", encoding="utf-8")
    for name in ("app.py", "requirements.txt", "LICENSE", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(
        ROOT / "camloss", root / "camloss", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(checkpoints, root / "checkpoints", dirs_exist_ok=True)
    write_snapshots(root / "checkpoints")
    (root / "docs" / "page.png").write_bytes(b"page")
    (root / "docs" / "digit.png").write_bytes(b"digit")
    (root / "docs" / "more.md").write_text("# More", encoding="utf-8")
    (root / "docs" / "results.md").write_text("![A figure](figure.svg) [All](tables.md)", encoding="utf-8")
    (root / "docs" / "tables.md").write_text("# All\n\n![Another](another.svg) [More](more.md)", encoding="utf-8")
    (root / "docs" / "another.svg").write_text("<svg/>", encoding="utf-8")
    (root / "docs" / "figure.svg").write_text("<svg/>", encoding="utf-8")
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / "scripts" / "space.yaml").write_text(SETTINGS, encoding="utf-8")
    (root / "scripts" / "space.md").write_text(NOTES, encoding="utf-8")
    return root


@pytest.fixture
def deploy(checkout: Path) -> Callable[..., Done]:
    """Runs `camloss deploy-space user/camloss --root CHECKOUT FLAGS` in this process."""
    return lambda *flags: command_line.run("deploy-space", SPACE, "--root", checkout, *flags)


Deploy = Callable[..., Done]


def refusal(outcome: Done) -> str:
    """The one line that a refused deployment ends with."""
    assert outcome.code == 2
    assert re.fullmatch(r"error: .*\n", outcome.err)
    return outcome.err


def test_exactly_what_the_page_needs_is_uploaded(hub: Hub, deploy: Deploy) -> None:
    dry = deploy("--dry-run")
    assert dry.code == 0
    assert hub.requests == []

    result = deploy()
    assert result.code == 0, result.err
    files = hub.space(SPACE).files
    assert not set(files) & set(BAIT)
    assert b"hf_secret" not in b"".join(files.values())
    of_package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "camloss").rglob("*.py")}
    of_page = {
        f"camloss/demo/web/{path.name}"
        for path in (ROOT / "camloss" / "demo" / "web").iterdir()
        if path.is_file() and path.suffix not in (".ts", ".c")  # types and the source of the kernel
    }
    assert set(files) - of_package - of_page == {
        ".gitattributes",
        "README.md",
        "LICENSE",
        "app.py",
        "requirements.txt",
        "pyproject.toml",
        "setup.py",
        "camloss/py.typed",
        "checkpoints/config.json",
        "checkpoints/ce/config.json",
        "checkpoints/ce/model.safetensors",
        "checkpoints/ce/epochs.safetensors",
        "checkpoints/cam/epochs.safetensors",
        "checkpoints/cam/config.json",
        "checkpoints/cam/model.safetensors",
        "docs/page.png",
        "docs/digit.png",
        "docs/more.md",
        "docs/results.md",
        "docs/figure.svg",
        "docs/tables.md",
        "docs/another.svg",
    }
    assert of_package | of_page <= set(files)
    assert {line.split()[0] for line in dry.out.splitlines()[1:]} == set(files) - {".gitattributes"}
    card = files["README.md"].decode()
    check_space_card(card)
    assert card.endswith(f"---\n\n{README}{NOTES}")
    assert files["requirements.txt"] == (ROOT / "requirements.txt").read_bytes()
    assert metadata(card)["thumbnail"] == f"{hub.endpoint}/spaces/{SPACE}/resolve/main/docs/page.png"
    assert hub.space(SPACE).variables == {}
    assert f"{SPACE} is at " in result.out


def test_every_whole_pair_is_uploaded(hub: Hub, checkout: Path, deploy: Deploy) -> None:
    write_pair(checkout / "checkpoints" / "another", seed=3)
    assert deploy().code == 0
    sent = {name for name in hub.space(SPACE).files if name.startswith("checkpoints/another/")}
    of_variants = {f"{variant}/{name}" for variant in ("ce", "cam") for name in ("model.safetensors", "config.json")}
    assert sent == {f"checkpoints/another/{name}" for name in ("config.json", *of_variants)}


def test_a_pair_of_pictures_is_uploaded_with_its_examples(hub: Hub, checkout: Path, deploy: Deploy) -> None:
    folder = write_image_pair(checkout / "checkpoints" / "images")
    (folder / "examples" / "notes.txt").write_text("nobody's business", encoding="utf-8")
    assert deploy().code == 0
    sent = {name for name in hub.space(SPACE).files if name.startswith("checkpoints/images/")}
    of_variants = {f"{variant}/{name}" for variant in ("ce", "cam") for name in ("model.safetensors", "config.json")}
    examples = {f"examples/{name}" for name in ("disc-0.jpg", "square-1.jpg", "long-stripe-2.jpg")}
    assert sent == {f"checkpoints/images/{name}" for name in ("config.json", *of_variants, *examples)}


def test_the_card_and_the_variables_name_the_weights(
    hub: Hub, checkout: Path, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_TOKEN", "hf_read")
    monkeypatch.setenv("SALT", "pepper")
    flags = (
        "--weights",
        WEIGHTS,
        "--hardware",
        "zero-a10g",
        "--private",
        "--secret",
        "SALT",
        "--read-token",
        "MODELS_TOKEN",
    )
    result = deploy(*flags)
    assert result.code == 0, result.err
    space = hub.space(SPACE)
    assert (space.hardware, space.private) == ("zero-a10g", True)
    assert space.variables == {"CAMLOSS_HUB_REPO": WEIGHTS}
    assert space.secrets == {"SALT": "pepper", "HF_TOKEN": "hf_read"}
    assert "hf_read" not in result.out + result.err
    assert "hf_read" not in deploy(*flags, "--dry-run").out
    data = metadata(space.files["README.md"].decode())
    assert data["models"] == [WEIGHTS]
    assert "preload_from_hub" not in data  # the page starts with the pair that it brings, and asks the Hub then
    assert data["python_version"] == "3.12"
    assert (checkout / "README.md").read_text(encoding="utf-8") == README


def test_the_settings_suggest_hardware_that_there_is() -> None:
    settings = metadata(f"---\n{(ROOT / 'scripts' / 'space.yaml').read_text(encoding='utf-8')}---\n")
    assert settings["suggested_hardware"] in {str(one.value) for one in SpaceHardware}
    assert settings["pinned"] is True


def test_deploying_again_replaces_what_has_changed_and_removes_what_is_gone(
    hub: Hub, checkout: Path, deploy: Deploy
) -> None:
    assert deploy().code == 0
    before = len(hub.space(SPACE).commits)
    assert deploy().code == 0
    assert len(hub.space(SPACE).commits) == before
    (checkout / "camloss" / "old.py").write_text("# once useful\n", encoding="utf-8")
    assert deploy().code == 0
    assert "camloss/old.py" in hub.space(SPACE).files
    (checkout / "camloss" / "old.py").unlink()
    assert deploy("--hardware", "cpu-upgrade").code == 0
    assert "camloss/old.py" not in hub.space(SPACE).files
    assert hub.space(SPACE).hardware == "cpu-upgrade"


def test_deploying_again_without_weights_takes_the_variable_back(hub: Hub, deploy: Deploy) -> None:
    assert deploy("--weights", WEIGHTS).code == 0
    hub.space(SPACE).variables["OTHER"] = "stays"
    assert deploy().code == 0
    assert hub.space(SPACE).variables == {"OTHER": "stays"}
    assert (
        "models" not in metadata(hub.space(SPACE).files["README.md"].decode())
        or not metadata(hub.space(SPACE).files["README.md"].decode())["models"]
    )


def test_each_refusal_is_one_line_that_says_what_to_do(
    hub: Hub, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fail("POST", "/api/repos/create", 402)
    assert "cannot create the Space user/camloss: the Hub wants payment (402)" in (said := refusal(deploy()))
    assert "--hardware zero-a10g" in said
    hub.faults.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert "the token may not do that (403); make one that may write there" in refusal(deploy())
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "the Hub does not accept the token (401); run `hf auth login`" in refusal(deploy())
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--secret", "HF_TOKEN"),
            "--secret HF_TOKEN would give the Space the token that deploys it; make one that may",
        ),
        (("--secret", "COPY"), "--secret COPY would give the Space the token that deploys it; make one that may only"),
        (("--read-token", "HF_TOKEN"), "the token in HF_TOKEN may write; make one that may only read"),
        (("--read-token", "OTHER"), "the token in OTHER may write; make one that may only read"),
        (("--read-token", "NOT_SET"), "the environment variable NOT_SET is not set; set it, or leave out --read-token"),
    ],
)
def test_the_space_gets_no_token_that_may_write(
    hub: Hub, deploy: Deploy, flags: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOKENS, "hf_other", "write")
    monkeypatch.setenv("COPY", "hf_write")
    monkeypatch.setenv("OTHER", "hf_other")
    assert message in refusal(deploy(*flags))
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--weights", "no user"), "'no user' is no name for a repository; expected USER/NAME"),
        (("--secret", "NOT_SET_ANYWHERE"), "the environment variable NOT_SET_ANYWHERE is not set"),
        (("--hardware", "abacus"), "argument --hardware: invalid choice: 'abacus'"),
    ],
)
def test_flags_that_are_wrong(hub: Hub, deploy: Deploy, flags: tuple[str, ...], message: str) -> None:
    assert message in refusal(deploy(*flags))
    assert hub.repos == {}


def test_a_space_without_a_gpu_gets_torch_from_pytorchs_cpu_index(hub: Hub, deploy: Deploy) -> None:
    assert deploy("--cpu").code == 0
    index, *rest = hub.space(SPACE).files["requirements.txt"].decode().splitlines(keepends=True)
    assert index == "--extra-index-url https://download.pytorch.org/whl/cpu\n"
    assert "".join(rest) == (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "missing",
    [
        "app.py",
        "README.md",
        "scripts/space.yaml",
        "scripts/space.md",
        "docs/page.png",
        "docs/more.md",
        "checkpoints/cam/model.safetensors",
    ],
)
def test_a_file_that_the_page_needs_is_missing(hub: Hub, checkout: Path, deploy: Deploy, missing: str) -> None:
    (checkout / missing).unlink()
    of_pair = "checkpoints" in missing
    message = "model.safetensors is missing" if of_pair else f"lacks {missing}; the Space cannot do without"
    assert message in refusal(deploy())
    assert hub.requests == []


def test_a_card_that_the_hub_would_refuse(hub: Hub, checkout: Path, deploy: Deploy) -> None:
    (checkout / "scripts" / "space.yaml").write_text(SETTINGS.replace('"3.12"', "3.12"), encoding="utf-8")
    assert "card has python_version: 3.12; expected it in quotes" in refusal(deploy())
    assert hub.requests == []


SETTINGS_OF_THE_SPACE = (ROOT / "scripts" / "space.yaml").read_text(encoding="utf-8")


def test_our_own_settings_are_what_the_hub_takes() -> None:
    check_space_card(f"---\n{SETTINGS_OF_THE_SPACE}---\n")


def test_the_space_gets_the_gradio_that_the_page_is_made_for() -> None:
    pins = re.findall(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"^sdk_version: (.+)$", SETTINGS_OF_THE_SPACE, re.MULTILINE) == pins


def test_the_space_gets_a_python_that_the_package_runs_on() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (oldest,) = re.findall(r'^requires-python = ">=3\.(\d+)"$', project, re.MULTILINE)
    (python,) = re.findall(r'^python_version: "3\.(\d+)"$', SETTINGS_OF_THE_SPACE, re.MULTILINE)
    assert int(python) >= int(oldest)


def ask(url: str, drawing: str) -> dict[str, object]:
    answer: dict[str, object] = Client(url, verbose=False).predict(drawing, api_name="/explain")
    return answer


def test_the_deployed_space_answers_from_the_pushed_weights(
    hub: Hub, checkout: Path, tmp_path: Path, drawing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    newer = write_pair(tmp_path / "newer", seed=5)
    commit = str(push_pair(WEIGHTS, newer, log=lambda _: None))
    command = [sys.executable, "scripts/deploy_space.py", SPACE, "--root", str(checkout), "--weights", WEIGHTS]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    folder = Path(snapshot_download(SPACE, repo_type="space", local_dir=tmp_path / "space"))
    for name, value in hub.space(SPACE).variables.items():
        monkeypatch.setenv(name, value)
    page = PageServer(tmp_path / "log.txt", root=folder)
    try:
        source = f"weights from the Hub, {WEIGHTS} {commit[:7]}"
        deadline = time.monotonic() + 120
        while (answer := ask(page.url, drawing))["source"] != source:
            assert time.monotonic() < deadline, answer["source"]
        assert answer["blank"] is False
    finally:
        page.kill()


def test_the_package_installs_from_the_space_as_the_card_says(
    hub: Hub, checkout: Path, deploy: Deploy, tmp_path: Path
) -> None:
    assert deploy("--weights", WEIGHTS).code == 0
    push_pair(WEIGHTS, checkout / "checkpoints", log=lambda _: None)
    card = hub.model(WEIGHTS).files["README.md"].decode().replace("https://huggingface.co", hub.endpoint)
    (requirement,) = re.findall(rf'pip install "(.+)@{hub.space(SPACE).refs["main"]}"', card)  # in git it has another
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert requirement == f"camloss[hub] @ git+{hub.endpoint}/spaces/{SPACE}"

    elsewhere, target = tmp_path / "elsewhere", tmp_path / "installed"
    elsewhere.mkdir()
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    install = [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), requirement]
    installed = subprocess.run(install, cwd=elsewhere, capture_output=True, text=True, timeout=300, check=False)
    assert installed.returncode == 0, installed.stderr
    snippet += LOADED
    environment = {**os.environ, "PYTHONPATH": str(target)}
    command = [sys.executable, "-c", snippet]
    ran = subprocess.run(
        command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"\d with \d+\.\d%\ntorch.Size\(\[1, 14, 14\]\)\n", ran.stdout)
    place, loaded = ran.stdout.splitlines()[-2:]
    assert place == str(target / "camloss" / "__init__.py")
    (installed_package,) = distributions(name="camloss", path=[str(target)])
    assert {"torch", "huggingface_hub"} <= set(loaded.split()) <= brought_by(installed_package.requires, "hub")


LOADED = """
import inspect, re, sys, camloss
from importlib.metadata import packages_distributions
ours = [inspect.getsource(module) for name, module in list(sys.modules.items()) if name.partition(".")[0] == "camloss"]
asked = {name for source in ours for name in re.findall(r"^ *(?:import|from) (\\w+)", source, re.MULTILINE)}
owners = packages_distributions()
print(camloss.__file__)
print(*{owner for name in asked & sys.modules.keys() for owner in owners.get(name, []) if owner != "camloss"})
"""


def brought_by(requirements: list[str] | None, extra: str = "", names: frozenset[str] = frozenset()) -> set[str]:
    """The distributions that an install of these brings, as far as they are here."""
    found = set(names)
    for requirement in map(Requirement, requirements or []):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        for package in distributions(name=requirement.name) if wanted else ():
            if package.name not in found:
                found |= brought_by(package.requires, names=frozenset({*found, package.name}))
    return found


def test_on_zero_gpu_the_page_has_the_one_function_that_is_wanted(
    checkpoints: Path, tmp_path: Path, drawing: str
) -> None:
    (tmp_path / "spaces.py").write_text(
        "def GPU(function):\n    print('decorated', function.__name__, flush=True)\n    return function\n",
        encoding="utf-8",
    )
    log = tmp_path / "log.txt"
    page = PageServer(log, PYTHONPATH=str(tmp_path), CAMLOSS_CHECKPOINTS=str(checkpoints))
    try:
        assert ask(page.url, drawing)["blank"] is False
    finally:
        page.kill()
    assert log.read_text(encoding="utf-8").count("decorated ") == 1
