"""Check the environment variables that gradio and its dependencies read: a bad one would end in a traceback."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from camloss.errors import CamlossError, quoted
from camloss.hub.messages import check_environment

PORT = "GRADIO_SERVER_PORT"
FOLDER = "GRADIO_TEMP_DIR"
NUMBERS = {  # name: the lowest and the highest that make sense
    PORT: (1, 65535),
    "GRADIO_NUM_PORTS": (1, 65535),
    "GRADIO_NODE_NUM_PORTS": (1, 65535),
    "GRADIO_NODE_SERVER_PORT": (1, 65535),
    "GRADIO_NUM_WORKERS": (0, 1000),
    "GRADIO_ANALYTICS_MAX_EVENTS": (1, 10**9),
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": (1, 10**9),
    "GRADIO_DEFAULT_CONCURRENCY_LIMIT": (1, 10**6),
    "GRADIO_DEBUG": (0, 1),
    "WEB_CONCURRENCY": (1, 1000),
}
FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def check(environment: Mapping[str, str] = os.environ) -> None:
    """
    Raises:
        CamlossError: a variable that must be a number is none, one that must name a file names none, or gradio's folder
            cannot be written.
    """
    for name, (low, high) in NUMBERS.items():
        text = environment.get(name, str(low))
        if not (text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
            raise CamlossError(f"{name} is {quoted(text)}; set it to a whole number from {low} to {high}, or unset it")
    check_environment(environment)
    for name in FILES:
        if environment.get(name) and not Path(environment[name]).exists():
            raise CamlossError(f"{name} is {quoted(environment[name])}, which is not there; correct or unset it")
    folder = Path(environment.get(FOLDER) or Path(tempfile.gettempdir(), "gradio"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CamlossError(f"cannot write to {folder} ({error.strerror}); let {FOLDER} name another folder") from error
