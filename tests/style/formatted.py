"""clang-format would change nothing."""

import shutil
import subprocess

import tree

if not shutil.which("clang-format"):
    tree.skip("no clang-format here")

sources = [str(p) for p in tree.files("src", "include", "tests", "bench", suffixes=(".h", ".cc"))]
run = subprocess.run(["clang-format", "--dry-run", *sources], capture_output=True, text=True,
                     cwd=tree.ROOT)
warned = [line for line in run.stderr.split("\n") if "[-Wclang-format-violations]" in line]
first = {}
for line in warned:
    first.setdefault(line.split(":")[0], line)
tree.finish([f"{line.replace(str(tree.ROOT) + '/', '')}: run clang-format -i on it"
             for line in first.values()])
