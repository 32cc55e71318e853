"""Shell scripts and Python programs at least parse, and can be run."""

import os
import subprocess

import tree

FOLDERS = ["scripts", ".ci", "tests", "bench"]


def check(path):
    body = tree.text(path)
    first = body.split("\n", 1)[0]
    if first.startswith("#!") and not path.suffix and not os.access(path, os.X_OK):
        yield f"{tree.name(path)}: starts with {first} but has no run bit"
    if path.suffix == ".sh" or "bash" in first or first.endswith("/sh"):
        run = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
        if run.returncode:
            yield f"{tree.name(path)}: {run.stderr.strip()}"
    elif path.suffix == ".py" or "python" in first:
        try:
            compile(body, str(path), "exec")
        except SyntaxError as error:
            yield f"{tree.name(path)}:{error.lineno}: {error.msg}"


tree.finish([p for path in tree.files(*FOLDERS) for p in check(path)])
