"""The manual pages are clean, and say what the programs' --help says: both ways.

Usage: manuals.py BUILD_DIRECTORY
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import tree

MAN = tree.ROOT / "man"
# Every program has them; the pages need not repeat them for each command.
EVERYWHERE = {"-h", "--help", "--version"}


def lint():
    if not shutil.which("mandoc"):
        print("no mandoc here: the pages are not checked by it")
        return
    for page in sorted(MAN.glob("*.[1-9]")):
        run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)],
                             capture_output=True, text=True)
        for line in (run.stdout + run.stderr).strip().split("\n"):
            if line:
                yield line.replace(str(tree.ROOT) + "/", "")


def tags(page):
    """What a page's lists describe: [(section, [names])], an option without its dashes' markup."""
    section, found = "", []
    lines = tree.text(page).split("\n")
    for index, line in enumerate(lines):
        if match := re.match(r"\.S[hHsS] +(.*)", line):
            section = match.group(1).strip('"').upper()
        elif line.startswith(".It ") and not line.startswith((".It Pa", ".It Er", ".It Sy", ".It Ev")):
            found.append((section, names(line[4:])))
        elif line.startswith(".TP") and index + 1 < len(lines):
            found.append((section, plain_names(lines[index + 1])))
    return found


def names(item):
    """Names in an mdoc item: `Cm arena Ns = Ns Ar SIZE`, `Fl f , Fl -force`."""
    result, words, index = [], item.split(), 0
    while index < len(words):
        if words[index] in ("Cm", "Fl", "Ic") and index + 1 < len(words):
            dash = "-" if words[index] == "Fl" else ""
            index += 1
            while index < len(words) and re.fullmatch(r"[-\w=/]+", words[index]) and not (
                    words[index] in ("Ns", "Ar", "Cm", "Fl", "Ic", "Op", "Oo", "Oc", "No", "Ql", "Li")):
                if words[index] != "=":
                    result.append(dash + words[index].rstrip("="))
                index += 1
            continue
        index += 1
    return result


def plain_names(line):
    """Names in a man(7) tag: `.BR \\-f ", " \\-\\-force`, `\\fBarena\\fR=SIZE`."""
    line = line.replace("\\-", "-")
    line = re.sub(r"\\f[A-Z]|^\.[A-Z]+ ", " ", line)
    return re.findall(r"(?<![\w=])-{0,2}[a-z_][\w-]*", line)


def help_of(*command):
    run = subprocess.run([*map(str, command), "--help"], capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        return None
    return run.stdout + run.stderr


def flags_in(text):
    """Options by dashes that a help text lists at the start of its lines."""
    for line in text.split("\n"):
        if match := re.match(r"\s+((?:-{1,2}[\w-]+(?:[ ,]+)?)+)", line):
            yield from re.findall(r"(?<!\w)-{1,2}[A-Za-z][\w-]*", match.group(1))


def mount_options_in(text):
    """`arena=SIZE   budget …`: the lines of ramfs --help that describe an option of -o."""
    for line in text.split("\n"):
        if match := re.match(r"\s+(?:-o )?([a-z_]+)(?:=\S*)?(?:\s{2,}|$)", line):
            yield match.group(1)


def words_of(page):
    """Every word the page shows as something to type."""
    found = set()
    for line in tree.text(page).split("\n"):
        for item in re.findall(r"(?:^\.|\s)((?:Cm|Fl|Ic)\s.*)", line):
            found.update(names(item))
        if line.startswith(".It "):
            found.update(names(line[4:]))
        found.update(plain_names(line) if re.search(r"\\fB|^\.B", line) else [])
    return found


def daemon(program):
    page, text = MAN / "ramfs.8", help_of(program)
    if text is None:
        yield "ramfs --help fails"
        return
    offered = set(flags_in(text)) | set(mount_options_in(text))
    shown = words_of(page)
    for name in sorted(offered - shown - EVERYWHERE):
        yield f"man/ramfs.8: {name} of `ramfs --help` is missing"
    listed = {name for section, found in tags(page) if "OPTION" in section or "DESCRIPTION" in section
              for name in found}
    for name in sorted(listed):
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            yield f"man/ramfs.8: {name} is not in `ramfs --help`"


def commands_in(text):
    """Subcommands in a help text: the indented words below `Subcommands:`."""
    block = re.split(r"\n(?:SUB)?COMMANDS:\s*\n", text, maxsplit=1, flags=re.I)
    for line in block[1].split("\n") if len(block) == 2 else []:
        if match := re.match(r"  ([a-z]\w*)\b", line):
            yield match.group(1)


def control(program):
    page, text = MAN / "ramfsctl.1", help_of(program)
    if text is None:
        yield "ramfsctl --help fails"
        return
    shown, seen = words_of(page), set()
    pending = [(name,) for name in commands_in(text)]
    if not pending:
        yield "ramfsctl --help lists no commands"
    while pending:
        command = pending.pop()
        seen.add(command[-1])
        own = help_of(program, *command)
        if own is None:
            yield f"ramfsctl {' '.join(command)} --help fails"
            continue
        pending += [(*command, name) for name in commands_in(own)]
        text += own
        for name in sorted({command[-1], *flags_in(own)} - shown - EVERYWHERE):
            yield f"man/ramfsctl.1: {name} of `ramfsctl {' '.join(command)} --help` is missing"
    for section, found in tags(page):
        if "COMMAND" not in section and "OPTION" not in section and "DESCRIPTION" not in section:
            continue
        for name in found:
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                yield f"man/ramfsctl.1: {name} is not in any `ramfsctl … --help`"
    yield from completions(seen)


def completions(commands):
    for path in tree.files("scripts/completions"):
        body = tree.text(path)
        for command in sorted(commands):
            if not re.search(rf"\b{command}\b", body):
                yield f"{tree.name(path)}: does not know `ramfsctl {command}`"


def main():
    build = Path(sys.argv[1])
    problems = list(lint())
    checks = [("ramfs", "ramfs.8", daemon), ("ramfsctl", "ramfsctl.1", control)]
    for program, page, check in checks:
        if (build / program).exists() and (MAN / page).exists():
            problems += check(build / program)
        else:
            print(f"{program}: not compared, the program is not built or has no page")
    tree.finish(problems)


main()
