"""Imported first: `import camloss` finds this checkout, installed or not, and Ctrl-C ends a script quietly."""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
if ROOT / "scripts" in Path(sys.argv[0]).resolve().parents:  # not a test that imports this
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # until camloss.cli takes over: torch takes seconds
