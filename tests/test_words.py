"""Words that this project said once for what papers and libraries of its field call otherwise are said no more."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = r"twins?|hands|scraps|doubt|lanes|specks|floors|patience|one[ _]truth"
GONE = re.compile(rf"(?<![a-z])({WORDS})(?![a-z])", re.IGNORECASE)  # whole words, parts of snake_case among them
MAY_SAY_THEM = {"docs/protocol.md", "CHANGELOG.md", "tests/test_words.py"}  # written before the runs; history; the list


def test_no_text_says_them() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said = []
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if name not in MAY_SAY_THEM and b"\0" not in content:
            lines = content.decode("utf-8").splitlines()
            said += [f"{name}:{number}: {line[:120]}" for number, line in enumerate(lines, 1) if GONE.search(line)]
    assert said == []
