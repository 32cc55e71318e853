"""What was measured on: the figures mean nothing without it."""

import datetime
import os
import pathlib
import platform

from harness.process import Failed, run


def _cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(*command):
    try:
        lines = run(*command, accept=range(256)).splitlines()
        return lines[0].strip() if lines else "unknown"
    except Failed:
        return "not installed"


def commit(checkout):
    """Short hash, with + when the working tree differs from it."""
    # Under sudo the checkout is another user's, which git would refuse.
    git = ("git", "-c", f"safe.directory={checkout}", "-C", checkout)
    try:
        name = run(*git, "rev-parse", "--short=10", "HEAD").strip()
        changed = run(*git, "status", "--porcelain", "--untracked-files=no").strip()
    except Failed:
        return "unknown"
    return name + ("+" if changed else "")


def describe(checkout):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(checkout),
        "kernel": platform.release(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "fio": _first_line("fio", "--version"),
        "bindfs": _first_line("bindfs", "--version"),
        "mergerfs": _first_line("mergerfs", "--version"),
    }
