"""Importing this makes `import camloss` find this checkout, whether it is installed or not."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def run(command: str) -> None:
    """`camloss COMMAND` with the flags that this process was given."""
    from camloss import commands

    sys.argv.insert(1, command)
    commands.run()
