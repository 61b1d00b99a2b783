"""Run the fast tests with the lowest versions that are declared: python3.11 scripts/try_floors.py [TEST ...]

    python3.13 scripts/try_floors.py --newest    with the newest, to try another Python than those were made for

Takes the Python that it is run by, in a temporary virtual environment. What the tests want beside (pytest, setuptools,
timm) is installed as requirements-dev.txt says.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from _checkout import ROOT

SLOW = ("test_app.py", "test_browser.py", "test_scripts.py", "test_deploy_space.py")
NEWEST = "--newest"


def main() -> None:
    declared, development = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-dev.txt")
    )
    lowest = [f"{name}=={version}" for name, version in re.findall(r"^([\w-]+)[>=]=([\d.]+)", declared, re.MULTILINE)]
    versions = declared.split() if NEWEST in sys.argv else lowest
    named = [word for word in sys.argv[1:] if word != NEWEST]
    tests = named or ["tests", *(f"--ignore=tests/{name}" for name in SLOW)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        checkers = re.findall(r"^(?:hypothesis|pytest|setuptools|timm)\b.*", development, re.MULTILINE)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *versions, *checkers], check=True)
        print(sys.version.split()[0], *versions, flush=True)
        sys.exit(subprocess.run([python, "-m", "pytest", "-q", *tests], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
