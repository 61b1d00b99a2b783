"""The one exception for problems that the user can solve, and how it repeats what somebody sent."""

import importlib.util
import re
import reprlib

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 60


class CamlossError(ValueError):
    """Something outside the code is wrong; `str(error)` is one line that says what, and what to do next.

    Command lines print that line and exit with `exit_code` instead of showing a traceback.
    """

    exit_code = 2


def one_line(value: object) -> str:
    """A name or number from a file as text, in one line of at most 60 characters."""
    return " ".join(str(value).split())[:60]


def quoted(value: object) -> str:
    """A value that somebody sent as Python writes it, shortened to at most 100 characters."""
    return _brief.repr(value)[:100]


def without_passwords(text: str) -> str:
    """A text whose addresses name no password: `postgresql://user:***@host/study`."""
    text = re.sub(r"(://[^/@\s:]*):[^\s/]*@", r"\1:***@", text)
    return re.sub(r"([?&]\w*(?:pass|secret|token)\w*=)[^&\s]+", r"\1***", text, flags=re.IGNORECASE)


EXTRAS = {  # packages that `pip install camloss` does not bring, and the extra that brings them
    "datasets": "data",
    "filelock": "train",
    "gradio": "demo",
    "httpx2": "hub",
    "huggingface_hub": "hub",
    "matplotlib": "demo",
    "jinja2": "study",
    "optuna": "study",
    "psycopg": "postgresql",
    "scipy": "study",
    "sqlalchemy": "study",
    "starlette": "demo",
    "timm": "timm",
    "torchvision": "train",
    "tqdm": "train",
}


def not_installed(package: str) -> CamlossError:
    return CamlossError(f"this needs {package}, which is not installed; pip install 'camloss[{EXTRAS[package]}]'")


def require(*packages: str) -> None:
    """
    Raises:
        CamlossError: one of these packages, keys of `EXTRAS`, is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise not_installed(package)
