"""Importing this makes `import camloss` work in a checkout where the package is not installed."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
