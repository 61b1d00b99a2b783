"""`camloss demo` shows a pair of a folder or of the Hub, and says where to get one."""

from pathlib import Path
from typing import Any

import pytest
from command_line import assert_one_line, run
from hub_server import Hub

from camloss import CamlossError
from camloss.hub.push import push_pair
from camloss.pair import Pair

pytest_plugins = ["hub_client"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose page was launched; none is in earnest."""
    folders: list[Path] = []

    def build(folder: Path) -> tuple[Path, dict[str, Any]]:
        return folder, {}

    monkeypatch.delenv("CAMLOSS_CHECKPOINTS", raising=False)
    monkeypatch.setattr("camloss.demo.build", build)
    monkeypatch.setattr("camloss.demo.launch.run", lambda folder, _: folders.append(folder))
    return folders


def test_the_pair_where_one_stands(untrained_pair: Path, shown: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (untrained_pair.parent / "checkpoints").symlink_to(untrained_pair)
    monkeypatch.chdir(untrained_pair.parent)
    assert run("demo").code == 0
    assert run("demo", "--pair", untrained_pair).code == 0
    assert shown == [Path("checkpoints"), untrained_pair]


def test_without_weights_it_says_where_to_get_some(
    tmp_path: Path, shown: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(run("demo"), 2, "no folder checkpoints", "camloss train", "--pair USER/NAME")
    assert shown == []


def test_a_pair_of_the_hub(untrained_pair: Path, hub: Hub, shown: list[Path]) -> None:
    push_pair("user/mnist", untrained_pair, log=lambda _: None)
    hub.requests.clear()
    assert run("demo", "--pair", "user/mnist").code == 0
    (folder,) = shown
    assert Pair.load(folder).run == Pair.load(untrained_pair).run
    with pytest.raises(CamlossError, match="user/none"):
        Pair.load("user/none")
    assert_one_line(run("demo", "--pair", "user/none"), 2, "user/none")


def test_without_gradio_it_names_the_extra(untrained_pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    said = "this needs gradio, which is not installed; pip install 'camloss[demo]'"
    assert_one_line(run("demo", "--pair", untrained_pair), 2, said)
