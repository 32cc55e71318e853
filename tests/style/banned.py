"""Calls and words that do not go in, each with what to use instead."""

import re

import tree

# pattern, where it may stay, what to do
CALLS = [
    (r"\bstd::(recursive_|shared_|timed_)?mutex\b|\bstd::(lock_guard|unique_lock|scoped_lock|shared_lock)\b"
     r"|\bstd::condition_variable(_any)?\b|\babsl::(Mutex|ReaderMutex|WriterMutex|CondVar)",
     ["include/ramfs/base/mutex.h", "src/base/mutex"],
     "use Mutex, MutexLock, CondVar of ramfs/base/mutex.h: clang and the thread sanitizer see them"),
    (r"\b(usleep|nanosleep|sleep_for|sleep_until)\s*\(|(?<![\w.:>])sleep\s*\(",
     ["src/log/store"],  # the lock of another process: nothing tells when it goes
     "wait on a CondVar with a timeout: a sleep cannot be woken"),
    (r"\.detach\s*\(\s*\)", [], "give the thread an owner: std::jthread"),
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", [], "use std::string or fmt"),
    (r"\b(atoi|atol|atoll|atof)\s*\(", [], "use std::from_chars: it tells errors"),
    (r"\b(rand|srand|random|drand48)\s*\(\s*\w*\s*\)", [], "use a seeded std::mt19937_64"),
    (r"(?<![\w.:>])(system|popen)\s*\(", [], "use posix_spawn with arguments: no shell"),
    (r"\b(localtime|gmtime|ctime|asctime)\s*\(", [], "use the _r form"),
    (r"\bstd::regex\b", [], "write the few lines by hand: std::regex recurses and is slow"),
    (r"\busing namespace std\b", [], "name what you use"),
    (r"\bgoto\b", [], "use a destructor or a function"),
    (r"\bvolatile\b", [], "use std::atomic"),
    (r"\b(setxattr|removexattr)\s*\(\s*\"", [], "name the attribute once, as a constant"),
    (r"\bstd::(cout|cerr|clog)\b|(?<![\w.:>])f?printf\s*\(",
     ["src/main", "src/options", "src/ramfsctl", "src/control/", "src/umount", "src/mount"],
     "log by ramfs/base/logging.h: a daemon has no terminal"),
]

WORDS = [
    (r"\b(TODO|FIXME|XXX|HACK)\b|\bnot implemented\b", "do it now, or say in the manual what is missing"),
]

# What would tie the project to one machine.
PLACES = [
    (r"(?<![\w.])/(work|farm)/", "a path of one machine"),
    (r"\b(deb|ftp|security|snapshot)\.debian\.org\b|\barchive\.ubuntu\.com\b|registry\.npmjs", "a mirror's host name: derive it"),
]

PROJECT = ["src", "include", "tests", "bench", "man", "scripts", ".ci"]
TOP_FILES = ["README.md", "CHANGELOG.md", "meson.build"]


def calls(path):
    where = tree.name(path)
    for number, line in tree.code_lines(path):
        bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
        for pattern, allowed, instead in CALLS:
            match = re.search(pattern, bare)
            if match and not where.startswith(tuple(allowed)):
                yield f"{where}:{number}: {match.group(0).strip()}: {instead}"


def words(path, patterns):
    for number, line in enumerate(tree.text(path).split("\n"), 1):
        for pattern, instead in patterns:
            match = re.search(pattern, line)
            if match:
                yield f"{tree.name(path)}:{number}: {match.group(0)}: {instead}"


def main():
    problems = []
    for path in tree.files("src", "include", suffixes=(".h", ".cc")):
        problems += calls(path)
    own = tree.ROOT / "tests" / "style"
    for path in list(tree.files(*PROJECT)) + [tree.ROOT / f for f in TOP_FILES]:
        if own in path.parents or not path.exists() or path.suffix in (".png", ".zst", ".bin"):
            continue
        problems += words(path, PLACES)
        if path.suffix in tree.CODE + (".py", ".sh", ".build"):
            problems += words(path, WORDS)
    tree.finish(problems)


main()
