"""Files stay readable: length, one include guard, no stray blanks."""

import tree

LIMIT = 400  # when a file grows, look for a second noun in it
# Longer files that are allowed to stay, with the length they may not exceed.
EXCEPTIONS: dict[str, int] = {}

SOURCES = (".h", ".cc", ".py", ".sh", ".proto", "")


def check(path):
    where, body = tree.name(path), tree.text(path)
    lines = body.count("\n")
    allowed = EXCEPTIONS.get(where, LIMIT)
    if lines > allowed:
        yield f"{where}: {lines} lines, {allowed} allowed; look for a second noun in it"
    elif where in EXCEPTIONS and lines <= LIMIT:
        yield f"{where}: short enough now, take it out of EXCEPTIONS"
    if path.suffix == ".h" and body.count("#pragma once") != 1:
        yield f"{where}: a header has one `#pragma once`"
    if body and not body.endswith("\n"):
        yield f"{where}: no newline at the end"
    for number, line in enumerate(body.split("\n"), 1):
        if line != line.rstrip():
            yield f"{where}:{number}: blanks at the end of the line"
        if "\t" in line:
            yield f"{where}:{number}: a tab; indent by blanks"


tree.finish([p for path in tree.files("src", "include", "tests", "bench", "scripts", ".ci",
                                      suffixes=SOURCES) for p in check(path)])
