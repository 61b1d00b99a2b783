from pathlib import Path

import pytest
from _chromium import launch_options

from camloss import CamlossError


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of browsers; the system's is the only one on the PATH."""
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("named", "own", "chromium"):
        (tmp_path / name).touch(mode=0o755)
    return tmp_path


def test_first_the_one_named_then_playwrights_then_the_systems(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch_options(str(found / "own"))["executable_path"] == str(found / "own")
    assert launch_options(str(found / "not installed"))["executable_path"] == str(found / "chromium")
    monkeypatch.setenv("CHROME_PATH", str(found / "named"))
    assert launch_options(str(found / "own"))["executable_path"] == str(found / "named")


def test_a_browser_that_is_named_and_missing_is_not_replaced(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROME_PATH", str(found / "nowhere"))
    with pytest.raises(CamlossError, match=r"no Chromium at CHROME_PATH=.*nowhere; `playwright install chromium`"):
        launch_options(str(found / "own"))
