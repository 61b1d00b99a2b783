"""What the package costs whoever imports it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def loaded_by(code: str) -> set[str]:
    """What code imports beside torch and Python's own library: other packages, and camloss's modules."""
    code = f"import json, sys, torch; known = set(sys.modules); {code}; print(json.dumps([*set(sys.modules) - known]))"
    names = json.loads(subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True).stdout)
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"camloss"}
    return packages | {name for name in names if name.startswith("camloss.")}


def test_importing_camloss_loads_torch_alone() -> None:
    loaded = loaded_by("from camloss import *; build_model('sketch_cnn')")
    assert {name.partition(".")[0] for name in loaded} == {"camloss"}


def test_the_method_knows_nothing_of_the_digits() -> None:
    """The modules beside `__init__.py` are loaded without it, which offers the digits too."""
    bare = "package = type(sys)('camloss'); package.__path__ = ['camloss']; sys.modules['camloss'] = package"
    assert loaded_by(f"{bare}; import camloss.explain") == {
        f"camloss.{name}" for name in ("errors", "maps", "losses", "wrap", "metrics", "explain")
    }
