"""Garbage in the environment ends in one line."""

from pathlib import Path

import pytest

from camloss import CamlossError
from camloss.demo import environment


@pytest.mark.parametrize("value", ["", "abc", "-1", "0", "70000", "1e3", "9" * 5000, "\u0663\u0664\u0665"])
def test_a_port_that_is_none(value: str) -> None:
    if value == "\u0663\u0664\u0665":  # digits, to Python and to gradio
        environment.check({"GRADIO_SERVER_PORT": value})
        return
    with pytest.raises(CamlossError, match=r"GRADIO_SERVER_PORT is .*; set it to a whole number") as caught:
        environment.check({"GRADIO_SERVER_PORT": value})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("folder", ["/dev/null", "/dev/null/below", "/proc/none"])
def test_a_folder_that_cannot_be_written(folder: str) -> None:
    with pytest.raises(CamlossError, match=f"cannot write to {folder} .*; let GRADIO_TEMP_DIR name another folder"):
        environment.check({"GRADIO_TEMP_DIR": folder})


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"])
def test_numbers_that_others_read(name: str) -> None:
    with pytest.raises(CamlossError, match=f"{name} is 'abc'; set it to a whole number"):
        environment.check({name: "abc"})
    environment.check({name: "7"})


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CamlossError, match="SSL_CERT_FILE is '/nowhere', which is not there"):
        environment.check({"SSL_CERT_FILE": "/nowhere"})
    environment.check({"SSL_CERT_DIR": str(tmp_path)})


def test_what_is_in_order_passes(tmp_path: Path) -> None:
    environment.check({})
    environment.check({"GRADIO_TEMP_DIR": str(tmp_path / "new" / "folder")})
    assert not list((tmp_path / "new" / "folder").iterdir())
    environment.check({"GRADIO_SERVER_PORT": "7860", "GRADIO_DEBUG": "0"})
