"""What the style tests share: the files of the project, and how a test reports."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIP = 77  # meson shows the test as skipped

CODE = (".h", ".cc", ".proto")


def files(*folders, suffixes=None):
    """The project's own files below the folders, without what is generated or cached."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            if suffixes is None or path.suffix in suffixes:
                yield path


def name(path):
    return str(path.relative_to(ROOT))


def text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def code_lines(path):
    """(number, line) of C++ code: comments blanked, string contents kept."""
    pattern = r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/'

    def keep(match):
        return match.group(1) or re.sub(r"[^\n]", " ", match.group(0))

    return enumerate(re.sub(pattern, keep, text(path), flags=re.S).split("\n"), 1)


def finish(problems):
    """Ends the test: prints the problems, one a line, and fails if there are any."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)
