"""Jobs that are fio job files: bench/jobs/*.fio, run by name, read from fio's JSON.

A job file's header says its question, the class (ram or disk: which area it runs in) and the state
of the cache. The files it works on are laid by us, the same bytes for every target.
"""

import json
import os
import pathlib
import re

from harness.process import Failed, run

JOBS = pathlib.Path(__file__).resolve().parent.parent / "jobs"
MIB = 1 << 20
SYNC_FILES = [f"sync.{number}" for number in range(8)] + ["shared"]


class FioJob:
    """One job file; better: higher, in IOPS or MB/s."""

    suite = "fio"
    higher_is_better = True

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        header = re.findall(r"^; (.*)$", path.read_text(encoding="utf-8").split("[")[0], re.M)
        if not header:
            raise Failed(f"{path}: must open with a comment that states its question")
        fields = dict(line.split(": ", 1) for line in header[1:] if re.match(r"\w+: ", line))
        self.question = header[0]
        self.area = fields.get("class", "ram")
        self.state = fields.get("state", "warm")
        self.fsynced = self.area == "disk"
        self.unit = "MB/s" if "1m" in self.name else "IOPS"

    def measure(self, place, options):
        """{"value", "p99_us"} of one run in the mounted place."""
        # fio leaves state files in its working directory: give it one that goes away.
        text = run("fio", "--output-format=json", self.path, cwd=place.root,
                   env=environment(place.top, options), timeout=300 + options.runtime_s * 10)
        try:
            report = json.loads(text[text.index("{"):])
            return self._figures(report["jobs"])
        except (ValueError, KeyError, IndexError) as error:
            raise Failed(f"fio's report of {self.name} is not readable: {error!r}") from error

    def _figures(self, jobs):
        errors = [job["error"] for job in jobs if job["error"]]
        if errors:
            raise Failed(f"fio: {os.strerror(errors[0])}")
        sides = [job[side] for job in jobs for side in ("read", "write") if job[side]["total_ios"]]
        if self.unit == "IOPS":
            value = sum(side["iops"] for side in sides)
        else:
            value = sum(side["bw_bytes"] for side in sides) / 1e6
        if self.fsynced:
            # The caller waits in fsync; the write before it costs nothing worth telling.
            waits = [job["sync"]["lat_ns"] for job in jobs]
        else:
            waits = [side["clat_ns"] for side in sides]
        tails = [wait["percentile"]["99.000000"] for wait in waits if "percentile" in wait]
        return {"value": value, "p99_us": max(tails) / 1000 if tails else None}


def environment(directory, options):
    return dict(os.environ, DIR=str(directory), SIZE=str(options.size),
                NEW_SIZE=str(2 * options.size), SYNC_SIZE=str(options.sync_size),
                RUNTIME=f"{round(options.runtime_s * 1000)}ms")


def all_jobs():
    """By name, those on the disk last."""
    jobs = [FioJob(path) for path in JOBS.glob("*.fio")]
    return sorted(jobs, key=lambda job: (job.area != "ram", job.name))


class Layer:
    """Lays the files of the fio jobs: incompressible, so that no log shrinks them."""

    def __init__(self):
        self._blocks = [os.urandom(MIB) for _ in range(16)]

    def lay(self, directory, area_name, options):
        if area_name == "ram":
            self._file(directory / "data", options.size)
            return
        for name in SYNC_FILES:
            self._file(directory / name, options.sync_size)

    def _file(self, path, size):
        with open(path, "wb", buffering=0) as file:
            for offset in range(0, size, MIB):
                block = self._blocks[(offset // MIB) % len(self._blocks)]
                file.write(block[:min(MIB, size - offset)])
            os.fsync(file.fileno())


def warm(directory):
    """Two full passes over every file, so that whoever caches has had its chance."""
    buffer = bytearray(MIB)
    for _pass in range(2):
        for path in sorted(directory.iterdir()):
            if not path.is_file():
                continue
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
