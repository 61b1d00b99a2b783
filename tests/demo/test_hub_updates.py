"""Which pair the page shows, and what it does when the Hub fails."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gradio_client import Client
from hub_faults import LOADING
from hub_pair import CAM, REPO, push, same_weights
from hub_server import Hub
from page_server import PageServer
from untrained import write_pair

from camloss import load_checkpoint
from camloss.checkpoint import WEIGHTS
from camloss.demo import hub_updates, inference
from camloss.demo.hub_updates import ask_once, follow_hub, newest_pair
from camloss.hub.pull import load_pair, pinned
from camloss.pair import Pair

pytest_plugins = ["hub_client"]


def answers(pair: Pair, drawing: str) -> bool:
    """Whether the page gets a digit, and the line about its weights, from both for a drawing."""
    answer = inference.answer(pair, drawing)
    return {answer[twin]["digit"] for twin in ("ce", "cam")} <= set(range(10)) and answer["source"] == pair.source


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", LOADING)
def test_whatever_the_fault_the_bundled_twins_stay_and_the_page_says_why(
    hub: Hub, published: Path, drawing: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = Pair.load(published)
    push(write_pair(published.parent / "newer", seed=5))
    break_it, message = LOADING[name]
    break_it(hub)
    if "come back" in name:
        monkeypatch.setattr("huggingface_hub.utils._http.time", time)  # the client does sleep
    pair, answered = ask_once(bundled, REPO, checkpoints_dir=published)
    assert not answered
    assert pair["ce"] is bundled["ce"]
    assert pair["cam"] is bundled["cam"]
    assert re.fullmatch(rf"bundled weights, sha256 [0-9a-f]{{7}} \(.*{message}.*\)", pair.source)
    assert str(published.parent) not in pair.source
    assert answers(pair, drawing)


def test_a_newer_pair_on_the_hub_is_taken(hub: Hub, published: Path) -> None:
    newer = write_pair(published.parent / "newer", seed=5)
    pins = push(newer)
    pair = newest_pair(Pair.load(published), REPO, checkpoints_dir=published)
    assert same_weights(pair["cam"], load_checkpoint(newer / "cam"))
    assert pair.source == f"weights from the Hub, {CAM} {pins['cam'].revision[:7]}"
    assert hub.requests.count(f"GET /api/models/{CAM}") == 1  # the one metadata call


def test_the_same_pair_on_the_hub_is_not_downloaded(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    pair = newest_pair(bundled, REPO, checkpoints_dir=published)
    assert pair["cam"] is bundled["cam"]
    assert pair.source == f"{bundled.source}, same as {CAM} {pinned(published)['cam'].revision[:7]}"
    assert not [request for request in hub.requests if WEIGHTS in request]


def test_weights_trained_since_the_last_push_are_newer_than_it(published: Path) -> None:
    bundled = Pair.load(write_pair(published, seed=5))
    pair = newest_pair(bundled, REPO, checkpoints_dir=published)
    assert pair["cam"] is bundled["cam"]
    assert pair.source == f"{bundled.source}, newer than {CAM} {pinned(published)['cam'].revision[:7]}"
    asked_for = newest_pair(bundled, REPO, "main", published)
    assert not same_weights(asked_for["cam"], bundled["cam"])


@pytest.mark.usefixtures("impatient")
def test_where_the_hub_fails_a_newer_pair_in_the_cache_is_shown(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    newer = write_pair(published.parent / "newer", seed=5)
    pins = push(newer)
    load_pair(REPO)
    hub.fail("GET", "/api/models", 502)
    pair, answered = ask_once(bundled, REPO, checkpoints_dir=published)
    assert not answered
    assert same_weights(pair["cam"], load_checkpoint(newer / "cam"))
    assert pair.source.startswith(f"weights from the Hub, {CAM} {pins['cam'].revision[:7]} (cannot find the pair")
    assert "the Hub is in trouble (502)" in pair.source


def test_a_hub_that_failed_is_asked_again_until_it_answers(
    hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub_updates.WAITS == (60.0, 300.0, 900.0)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 4:
            hub.faults.clear()

    monkeypatch.setattr(hub_updates, "sleep", wait)
    bundled = Pair.load(published)
    push(write_pair(published.parent / "newer", seed=5))
    hub.fail("GET", "/api/models", 502)
    shown = follow_hub(bundled, published, REPO)
    wait_until_from_the_hub(shown)
    assert waited == [60.0, 300.0, 900.0, 900.0]


def test_an_unforeseen_error_keeps_the_bundled_twins_too(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(hub_updates, "find_pins", surprise)
    bundled = Pair.load(published)
    assert ask_once(bundled, REPO)[0].source == f"{bundled.source} (KeyError while loading {REPO})"


def test_the_page_shows_the_bundled_twins_until_those_of_the_hub_are_here(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    push(write_pair(published.parent / "newer", seed=5))
    hub.fail("GET", f"{CAM}/resolve/.*{WEIGHTS}", "hang")
    shown = follow_hub(bundled, published, REPO)
    assert shown()["cam"] is bundled["cam"]
    assert shown().source == f"{bundled.source} (asking the Hub for {REPO})"
    hub.faults.clear()
    hub.released.set()  # the connection that hung is closed, and the client tries again
    wait_until_from_the_hub(shown)


def wait_until_from_the_hub(shown: Callable[[], Pair]) -> None:
    deadline = time.monotonic() + 120
    while not shown().source.startswith(f"weights from the Hub, {CAM} "):
        assert time.monotonic() < deadline, shown().source
        time.sleep(0.01)


def test_without_a_repository_nobody_is_asked(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    assert follow_hub(bundled, published, "")() is bundled
    assert hub.requests == []


def test_the_page_takes_the_revision_that_is_asked_for(published: Path, tmp_path: Path, drawing: str) -> None:
    first = pinned(published)["cam"].revision
    push(write_pair(published, seed=5))
    push(write_pair(published, seed=6))
    page = PageServer(
        tmp_path / "log.txt",
        CAMLOSS_CHECKPOINTS=str(published),
        CAMLOSS_HUB_REPO=REPO,
        CAMLOSS_HUB_REVISION=first,
    )
    try:
        deadline = time.monotonic() + 120
        source = ""
        while source != f"weights from the Hub, {CAM} {first[:7]}":
            assert time.monotonic() < deadline, source
            source = Client(page.url, verbose=False).predict(drawing, api_name="/explain")["source"]
    finally:
        page.kill()
