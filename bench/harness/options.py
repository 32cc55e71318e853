"""The command line of bench/run."""

import argparse
import fnmatch
import os
import pathlib

from harness import files, fio, targets
from harness.process import Failed

HERE = pathlib.Path(__file__).resolve().parent.parent
MIB = 1 << 20
UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30}


def size(text):
    digits = text.rstrip("kmgKMG")
    unit = text[len(digits):].lower()
    if not digits.isdigit() or unit not in UNITS or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 512M")
    return int(digits) * UNITS[unit]


def count(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def parser():
    parse = argparse.ArgumentParser(
        prog="bench/run", allow_abbrev=False,
        description="ramfs beside its peers, in one run: medians, ratios, JSON, a table, a plot.")
    add = parse.add_argument
    add("--targets", default=",".join(targets.ALL), metavar="A,B",
        help="which filesystems (default: %(default)s)")
    add("--jobs", default="*", metavar="A,B", help="which jobs; patterns like 'read-*' are fine")
    add("--runs", type=count, help="runs of everything, medians count (default 3)")
    add("--quick", action="store_true",
        help="small files, one run, under two minutes: a smoke test, its figures mean little")
    add("--size", type=size, help="the hot file (default 512M)")
    add("--sync-size", type=size, help="each file of the fsync jobs (default 64M)")
    add("--runtime", type=float, help="seconds per fio job (default 5)")
    add("--files", type=count, help="files in the tree (default 9000)")
    add("--dir", default="/var/tmp", metavar="DIR",
        help="directory on the disk for the fsync jobs (default: %(default)s)")
    add("--ramfs", default=str(HERE.parent / "build" / "ramfs"), metavar="PATH",
        help="the daemon (default: build/ramfs); ramfsctl is looked for beside it")
    add("--arena", metavar="SIZE", help="arena= of ramfs (default: four times the largest file)")
    add("--ramfs-options", metavar="OPTIONS", help="more options for ramfs, as after -o")
    add("--out", default=str(HERE / "results"), metavar="DIR",
        help="where JSON, table and plot go (default: bench/results)")
    add("--json", action="store_true", help="print the JSON instead of the table")
    add("--append-results", action="store_true",
        help="add a line for this commit to bench/RESULTS.md")
    add("--list", action="store_true", help="list targets and jobs, measure nothing")
    return parse


def read(arguments):
    """Options with every default filled in; leaves with a clear error otherwise."""
    parse = parser()
    options = parse.parse_args(arguments)
    quick = options.quick
    options.runs = options.runs or (1 if quick else 3)
    options.size = options.size or (32 if quick else 512) * MIB
    options.sync_size = options.sync_size or (4 if quick else 64) * MIB
    options.runtime_s = options.runtime or (0.3 if quick else 5)
    options.files = options.files or (600 if quick else 9000)
    options.repeats = 1 if quick else 3
    if options.runtime_s < 0.1:
        parse.error("--runtime: less than 0.1 s measures nothing")
    if options.append_results and quick:
        parse.error("--append-results: figures of --quick are not worth keeping")
    for name, value in (("--size", options.size), ("--sync-size", options.sync_size)):
        if value % MIB:
            parse.error(f"{name}: must be whole megabytes")
    try:
        options.targets = _chosen("--targets", options.targets, list(targets.ALL))
        options.jobs = _chosen("--jobs", options.jobs, [job.name for job in every_job()])
    except Failed as error:
        parse.error(str(error))
    options.arena = options.arena or f"{_default_arena(options) // MIB}M"
    if not os.path.isdir(options.dir):
        parse.error(f"--dir {options.dir}: not a directory")
    return options


def _default_arena(options):
    """A quarter of it holds the largest file (slot_max), and it never takes half the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(4 * 2 * options.size, memory * 2 // 5)


def every_job():
    return fio.all_jobs() + list(files.JOBS.values())


def _chosen(option, text, known):
    """Names matching the comma-separated patterns, in the known order."""
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for word in wanted:
        if not fnmatch.filter(known, word):
            raise Failed(f"{option}: no {word!r}; there are {', '.join(known)}")
    chosen = [name for name in known if any(fnmatch.fnmatch(name, word) for word in wanted)]
    if not chosen:
        raise Failed(f"{option}: nothing chosen; there are {', '.join(known)}")
    return chosen
