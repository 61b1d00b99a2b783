"""The description on PyPI: README.md, its links leading to the repository, where pyproject.toml names one."""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
RELATIVE = re.compile(r"(!?)(\[[^\]]*\])\((?!https?://|#)([^)]+)\)")


def description() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository = re.search(r'^Repository = "(.+?)/?"$', settings, re.MULTILINE)
    if not repository:
        return readme
    return RELATIVE.sub(
        lambda link: f"{link[1]}{link[2]}({repository[1]}/{'raw' if link[1] else 'blob'}/main/{link[3]})", readme
    )


setup(long_description=description(), long_description_content_type="text/markdown")
