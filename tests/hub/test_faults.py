"""Every fault of a Hub is one line that says what to do, within a limited time."""

import re
import socket
import time
from pathlib import Path

import pytest
from hub_faults import LOADING, PUSHING, untrusted_certificate
from hub_pair import REPO, push
from hub_server import Hub
from huggingface_hub import close_session

from camloss import CamlossError, Pair, load_checkpoint
from camloss.demo.hub_updates import ask_once
from camloss.hub import timeouts
from camloss.hub.messages import LONGEST, one_line_errors

pytest_plugins = ["hub_client"]

ENOUGH = 20  # seconds, on a busy machine: the client alone takes minutes or for ever


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", LOADING)
def test_each_fault_is_one_line_the_page_goes_on_and_the_next_try_works(
    hub: Hub, published: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, message = LOADING[name]
    repos, bundled = dict(hub.repos), Pair.load(published)
    break_it(hub)
    if "come back" in name:
        monkeypatch.setattr("huggingface_hub.utils._http.time", time)  # the client does sleep
    started = time.monotonic()
    pair, answered = ask_once(bundled, REPO)
    assert time.monotonic() - started < ENOUGH
    assert not answered
    assert pair.models is bundled.models
    told = re.fullmatch(rf"{re.escape(bundled.source)} \(((?:cannot load )?{REPO}.*{message}.*)\)", pair.source)
    assert told, pair.source
    assert len(told[1]) <= LONGEST
    assert str(published.parent) not in told[1]
    if name == "refused":
        return
    hub.faults.clear()
    hub.repos.update(repos)
    monkeypatch.setattr(timeouts, "STALL_SECONDS", 60.0)
    assert Pair.load(REPO).variants == ("ce", "cam")


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
    monkeypatch.setattr(timeouts, "STALL_SECONDS", 60.0)
    assert push(checkpoints, tag="v1") == hub.model(REPO).refs["v1"]


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
    untrusted = Hub(certificate=untrusted_certificate(tmp_path)).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", untrusted.endpoint)
    try:
        with pytest.raises(
            CamlossError, match=r"the certificate of https://127\.0\.0\.1:.* is not to be trusted .*SSL_CERT_FILE"
        ):
            load_checkpoint(REPO)
    finally:
        untrusted.stop()
    assert hub.requests == []


@pytest.mark.usefixtures("impatient", "hub")
def test_a_tls_handshake_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"https://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(CamlossError, match="does not answer; try again later"):
            load_checkpoint(REPO)
        assert time.monotonic() - started < ENOUGH


@pytest.mark.usefixtures("impatient")
def test_a_slow_tls_handshake_is_waited_for(
    tmp_path: Path, hub: Hub, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = Hub(certificate=untrusted_certificate(tmp_path), handshake_seconds=0.3).start()
    secure.repos = hub.repos
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", secure.endpoint)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        secure.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    close_session()  # the next client reads the certificate
    try:
        assert Pair.load(REPO).run == Pair.load(published).run
    finally:
        secure.stop()
        close_session()


def test_an_endpoint_without_tls_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint.replace("http:", "https:"))
    with pytest.raises(CamlossError, match=r"https://127\.0\.0\.1:.* speaks no TLS .*\(.*\); check HF_ENDPOINT"):
        load_checkpoint(REPO)


@pytest.mark.parametrize("endpoint", ["", "huggingface.co", "ftp://huggingface.co", "https://", "https:// a", "hub:80"])
def test_an_endpoint_that_is_no_address_is_named(hub: Hub, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(CamlossError) as caught:
        Pair.load(REPO)
    expected = "set it to an address such as https://huggingface.co, or unset it"
    assert str(caught.value) == f"HF_ENDPOINT is {endpoint!r}; {expected}"
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_an_endpoint_with_a_password_is_told_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://me:secret@127.0.0.1:9")
    with pytest.raises(CamlossError, match=r"http://me:\*\*\*@127\.0\.0\.1:9 cannot be reached"):
        load_checkpoint(REPO)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("token", ["hf_wörite", "hf_\u200bwrite"])
def test_a_token_that_no_header_takes_is_named(checkpoints: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    for ask in (lambda: Pair.load(REPO), lambda: push(checkpoints)):
        with pytest.raises(CamlossError, match="the token holds characters that no token has; correct HF_TOKEN"):
            ask()


def test_without_the_hubs_client_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(CamlossError, match=r"^this needs huggingface_hub.*; pip install 'camloss\[hub\]'$"):
        Pair.load(REPO)
