"""Compile camloss/demo/web/kernel.c to the kernel.wasm beside it.

    python scripts/dev/build_kernel.py

The compiler comes from PyPI (ziglang, pinned in requirements-dev.txt) and gives the same bytes on every machine.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from _root import ROOT

from camloss import cli
from camloss.errors import CamlossError

SOURCE = ROOT / "camloss" / "demo" / "web" / "kernel.c"
KERNEL = SOURCE.with_suffix(".wasm")
MEMORY = ["-Wl,-z,stack-size=4096", "-Wl,--export=__heap_base"]  # network.js lays out what lies beyond
FLAGS = ["--target=wasm32-freestanding", "-O3", "-msimd128", "-nostdlib", "-fno-builtin", "-Wl,--no-entry"]


def build() -> bytes:
    """The kernel's WebAssembly.

    Raises:
        CamlossError: there is no compiler, or the source has an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, KERNEL.name)
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *MEMORY, "-Wl,--strip-all", SOURCE.name]
        done = subprocess.run(
            [*command, "-o", str(target)], cwd=SOURCE.parent, capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise CamlossError(f"{SOURCE.name} was not compiled: {lines[0] if lines else 'no reason given'}")
        return target.read_bytes()


def main() -> None:
    cli.Parser(__doc__).parse_args()
    KERNEL.write_bytes(build())
    print(f"{KERNEL.relative_to(ROOT)}: {KERNEL.stat().st_size:,} bytes")


if __name__ == "__main__":
    cli.run(main)
