"""Which pair the page shows, and what it does when the Hub fails; tests/hub/test_faults.py tries every fault."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gradio_client import Client
from hub_pair import REPO, push, same_weights
from hub_server import Hub
from made_up_images import write_image_pair
from page_server import PageServer
from untrained import write_pair

from camloss import CamlossError, load_checkpoint
from camloss.checkpoint import WEIGHTS
from camloss.demo import hub_updates, inference
from camloss.demo.hub_updates import ask_once, follow_hub, pair_on_hub
from camloss.pair import Pair

pytest_plugins = ["hub_client"]


def test_the_pair_on_the_hub_is_taken(hub: Hub, published: Path, drawing: str) -> None:
    newer = write_pair(published.parent / "newer", seed=5)
    commit = push(newer)
    hub.requests.clear()
    pair, answered = ask_once(Pair.load(published), REPO)
    assert answered
    assert same_weights(pair["cam"], load_checkpoint(newer / "cam"))
    assert pair.source == f"weights from the Hub, {REPO} {commit[:7]}"
    assert hub.requests.count(f"GET /api/models/{REPO}") == 1  # the one metadata call
    answer = inference.answer(pair, drawing)
    assert answer["source"] == pair.source
    assert {answer[variant]["digit"] for variant in ("ce", "cam")} <= set(range(10))


def test_a_pair_of_other_variants_has_no_columns_on_the_page(published: Path) -> None:
    bundled = Pair.load(published)
    push(write_pair(published.parent / "newer", variants=("ce", "another")))
    with pytest.raises(
        CamlossError, match=f"{REPO} begins with variants ce, another; expected ce, cam, as the page shows"
    ):
        pair_on_hub(bundled, REPO)
    assert ask_once(bundled, REPO)[0].models is bundled.models


def test_a_pair_of_pictures_takes_no_place_of_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, images = Pair.load(write_pair(tmp_path / "digits")), Pair.load(write_image_pair(tmp_path / "images"))
    monkeypatch.setattr(Pair, "published", lambda _: images)
    with pytest.raises(CamlossError, match=f"{REPO} is of other pictures or classes than the pair that the page shows"):
        pair_on_hub(bundled, REPO)
    assert ask_once(bundled, REPO)[0].models is bundled.models
    assert pair_on_hub(images, REPO).models is images.models


@pytest.mark.usefixtures("impatient")
def test_where_the_hub_fails_a_pair_in_the_cache_is_shown(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    newer = write_pair(published.parent / "newer", seed=5)
    commit = push(newer)
    Pair.load(REPO)
    hub.fail("GET", "/api/models", 502)
    pair, answered = ask_once(bundled, REPO)
    assert not answered
    assert same_weights(pair["cam"], load_checkpoint(newer / "cam"))
    assert pair.source.startswith(f"weights from the Hub, {REPO} {commit[:7]} (cannot load {REPO}")
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
    hub.fail("GET", "/api/models", 502)
    wait_until_from_the_hub(follow_hub(Pair.load(published), REPO))
    assert waited == [60.0, 300.0, 900.0, 900.0]


def test_an_unforeseen_error_keeps_the_bundled_pair_too(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(hub_updates, "pair_on_hub", surprise)
    bundled = Pair.load(published)
    assert ask_once(bundled, REPO)[0].source == f"{bundled.source} (KeyError while loading {REPO})"


def test_the_page_shows_the_bundled_pair_until_that_of_the_hub_is_here(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    hub.fail("GET", f"{REPO}/resolve/.*{WEIGHTS}", "hang")
    shown = follow_hub(bundled, REPO)
    assert shown()["cam"] is bundled["cam"]
    assert shown().source == f"{bundled.source} (asking the Hub for {REPO})"
    hub.faults.clear()
    hub.released.set()  # the connection that hung is closed, and the client tries again
    wait_until_from_the_hub(shown)


def wait_until_from_the_hub(shown: Callable[[], Pair]) -> None:
    deadline = time.monotonic() + 120
    while not shown().source.startswith(f"weights from the Hub, {REPO} "):
        assert time.monotonic() < deadline, shown().source
        time.sleep(0.01)


def test_without_a_repository_nobody_is_asked(hub: Hub, published: Path) -> None:
    bundled = Pair.load(published)
    assert follow_hub(bundled, "")() is bundled
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_the_page_takes_the_revision_that_is_asked_for(checkpoints: Path, tmp_path: Path, drawing: str) -> None:
    first = push(checkpoints)
    push(write_pair(checkpoints, seed=5))
    page = PageServer(tmp_path / "log.txt", CAMLOSS_CHECKPOINTS=str(checkpoints), CAMLOSS_HUB_REPO=f"{REPO}@{first}")
    try:
        deadline = time.monotonic() + 120
        source = ""
        while source != f"weights from the Hub, {REPO} {first[:7]}":
            assert time.monotonic() < deadline, source
            source = Client(page.url, verbose=False).predict(drawing, api_name="/explain")["source"]
    finally:
        page.kill()
