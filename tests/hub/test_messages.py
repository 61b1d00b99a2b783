"""Every fault of a Hub is one line that says what to do, within a limited time."""

import time
from pathlib import Path

import pytest
from hub_faults import LOADING, PUSHING, strange_certificate
from hub_pair import CAM, push
from hub_server import Hub

from camloss import CamlossError, load_checkpoint
from camloss.checkpoint import WEIGHTS
from camloss.hub import timeouts
from camloss.hub.messages import LONGEST, one_line_errors

pytest_plugins = ["hub_client"]

ENOUGH = 20  # seconds, on a busy machine: the client alone takes minutes or for ever


@pytest.mark.usefixtures("impatient", "published")
@pytest.mark.parametrize("name", LOADING)
def test_each_fault_is_one_line_and_the_next_try_works(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it, message = LOADING[name]
    repos = dict(hub.repos)
    break_it(hub)
    if "come back" in name:
        monkeypatch.setattr("huggingface_hub.utils._http.time", time)  # the client does sleep
    started = time.monotonic()
    with pytest.raises(CamlossError, match=f"^(cannot load {CAM}|{CAM}/{WEIGHTS}).*{message}") as caught:
        load_checkpoint(CAM)
    assert time.monotonic() - started < ENOUGH
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= LONGEST
    if name == "refused":
        return
    hub.faults.clear()
    hub.repos.update(repos)
    monkeypatch.setattr(timeouts, "PATIENCE", 60.0)
    assert load_checkpoint(CAM).arch == "sketch_cnn"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", PUSHING)
def test_each_fault_of_a_push_is_one_line(
    hub: Hub, checkpoints: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, message = PUSHING[name]
    break_it(hub)
    started = time.monotonic()
    with pytest.raises(CamlossError, match=message) as caught:
        push(checkpoints, tag="v1")
    assert time.monotonic() - started < ENOUGH
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= LONGEST
    hub.faults.clear()
    monkeypatch.setattr(timeouts, "PATIENCE", 60.0)
    pins = push(checkpoints, tag="v1")
    assert hub.model(CAM).refs["v1"] == pins["cam"].revision


def test_a_line_stays_short_whatever_is_said(hub: Hub) -> None:
    with pytest.raises(CamlossError) as caught, one_line_errors("load " + "x" * 1_000):
        raise ValueError("first line\n" + "y" * 10_000)
    assert str(caught.value).startswith("cannot load xxx")
    assert "first line yyy" in str(caught.value)
    assert len(str(caught.value)) <= LONGEST
    with pytest.raises(CamlossError, match="a repository's name is USER/NAME") as caught:
        load_checkpoint("user/" + "x" * 10_000)
    assert len(str(caught.value)) <= LONGEST
    assert hub.requests == []


def test_a_certificate_that_nobody_knows_is_named(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = Hub(certificate=strange_certificate(tmp_path)).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", strange.endpoint)
    try:
        with pytest.raises(
            CamlossError, match=r"the certificate of https://127\.0\.0\.1:.* is not to be trusted .*SSL_CERT_FILE"
        ):
            load_checkpoint(CAM)
    finally:
        strange.stop()
    assert hub.requests == []
