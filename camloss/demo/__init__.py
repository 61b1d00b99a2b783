"""Showing a pair: what the page and its API answer.

`demo` is the page of the pair that the environment names, and `LAUNCH` the options it is launched with. Both are made
when they are first asked for: the package's modules can be imported without gradio.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio

    demo: gradio.Blocks
    LAUNCH: dict[str, Any]

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"  # of a checkout


def build(checkpoints: Path, repo: str | None = None) -> tuple["gradio.Blocks", dict[str, Any]]:
    """As `page.build`, with the environment checked first.

    Raises:
        CamlossError: as `page.build` and `environment.check`.
    """
    from camloss.demo import environment

    environment.check()  # before gradio is imported, which reads it
    from camloss.demo import page

    return page.build(checkpoints, repo)


def __getattr__(name: str) -> Any:
    if name not in ("demo", "LAUNCH"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    checkpoints = Path(os.environ.get("CAMLOSS_CHECKPOINTS") or CHECKPOINTS)
    made = build(checkpoints, os.environ.get("CAMLOSS_HUB_REPO"))
    globals().update(zip(("demo", "LAUNCH"), made, strict=True))
    return globals()[name]
