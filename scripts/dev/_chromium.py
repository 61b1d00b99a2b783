"""Which Chromium shows the page to the scripts and the tests that drive it."""

import os
import shutil
from typing import Any

from camloss.errors import CamlossError

SYSTEM = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")


def launch_options(playwrights_own: str) -> dict[str, Any]:
    """What Playwright's `launch` takes: the browser that CHROME_PATH names, else Playwright's own, else the system's.

    Args:
        playwrights_own: its `chromium.executable_path`; there is nothing there until it has been installed.

    Raises:
        CamlossError: there is no Chromium.
    """
    named = os.environ.get("CHROME_PATH")
    path = next(filter(None, map(shutil.which, (named,) if named else (playwrights_own, *SYSTEM))), None)
    if path is None:
        where = f"at CHROME_PATH={named}" if named else "on this machine"
        raise CamlossError(f"no Chromium {where}; `playwright install chromium`, or on Debian `apt install chromium`")
    return {"executable_path": path, "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]}
