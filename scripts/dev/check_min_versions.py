"""Run the fast tests with the minimum versions that are declared.

    python3.11 scripts/dev/check_min_versions.py tests/test_maps.py
    python3.13 scripts/dev/check_min_versions.py --newest    with the newest, to try another Python

Takes the Python that it is run by, in a temporary virtual environment.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from _root import ROOT

SLOW = ("test_app.py", "test_scripts.py", "test_deploy_space.py")
FAST = ["tests", "-m", "not browser", *(f"--ignore=tests/{name}" for name in SLOW)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=FAST, help="for pytest (default: those that start no page)")
    parser.add_argument("--newest", action="store_true", help="take the newest versions instead")
    flags = parser.parse_args()
    declared = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lowest = [f"{name}=={version}" for name, version in re.findall(r"^([\w-]+)[>=]=([\d.]+)", declared, re.MULTILINE)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("" if flags.newest else "\n".join(lowest), encoding="utf-8")
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", "requirements-dev.txt", "-c", str(constraints)]
        subprocess.run(install, cwd=ROOT, check=True)
        print(sys.version.split()[0], *([] if flags.newest else lowest), flush=True)
        sys.exit(subprocess.run([python, "-m", "pytest", "-q", *flags.tests], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
