"""One benchmark session: which target meets which job when, and what came of it.

Every run goes through all targets before the next run begins, so that a machine that slows down slows
all of them; only one target is mounted at a time, so that nobody's background work lands in another's
figures. Runs rotate the order: nobody is always first.
"""

import contextlib
import shutil
import statistics

from harness import area, fio
from harness.files import Tree
from harness.process import Failed, drop_caches, say
from harness.targets import ALL, Place

# Jobs that share a mount, in the order they are run.
CLASSES = (("fio", "ram"), ("files", "ram"), ("fio", "disk"))


class Results:
    """Figures by job and target, and in words why one is missing."""

    def __init__(self, jobs, targets):
        self.jobs = jobs
        self.targets = targets
        self.cells = {job.name: {target: {"values": [], "p99_us": []} for target in targets}
                      for job in jobs}
        self.warnings = []

    def add(self, job, target, figures):
        cell = self.cells[job.name][target]
        cell["values"].append(figures["value"])
        if figures.get("p99_us") is not None:
            cell["p99_us"].append(figures["p99_us"])

    def fail(self, job, target, reason):
        self.cells[job.name][target].setdefault("failed", reason)

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)
            say(f"warning: {text}")

    def median(self, job_name, target):
        cell = self.cells.get(job_name, {}).get(target)
        return statistics.median(cell["values"]) if cell and cell["values"] else None

    def speedup(self, job, target, base):
        """How many times faster than the base, whatever the unit; None if either is missing."""
        ours, theirs = self.median(job.name, target), self.median(job.name, base)
        if not ours or not theirs:
            return None
        return ours / theirs if job.higher_is_better else theirs / ours


class Session:
    def __init__(self, options, jobs):
        self.options = options
        self.jobs = jobs
        self.results = Results(jobs, options.targets)
        self.areas = {}
        self._layer = fio.Layer()
        self._unusable = set()    # (target, suite, area) that did not mount: not tried again

    def measure(self):
        wanted = {job.area for job in self.jobs}
        with contextlib.ExitStack() as stack:
            if "disk" in wanted:
                self.areas["disk"] = stack.enter_context(area.on_disk(self.options.dir))
                if self.areas["disk"].filesystem != "ext4":
                    self.results.warn(f"{self.options.dir} is {self.areas['disk'].filesystem}: "
                                      "'ext4' in the fsync jobs means that filesystem")
            if "ram" in wanted:
                self.areas["ram"] = stack.enter_context(area.in_ram(self._ram_bytes()))
            if any(job.suite == "files" for job in self.jobs):
                say(f"building a tree of {self.options.files} files")
                fixture = self.areas["ram"].root.parent / "fixture"
                self.options.tree = Tree(fixture, self.options.files)
            for run in range(self.options.runs):
                self._run_once(run)
        return self.results

    def _ram_bytes(self):
        """The hot file, the new one twice its size, trees, and room for a log of all of it."""
        return 8 * self.options.size + (1 << 30)

    def _run_once(self, run):
        order = self.options.targets
        turn = run % len(order)
        for suite, area_name in CLASSES:
            jobs = [job for job in self.jobs if (job.suite, job.area) == (suite, area_name)]
            if not jobs:
                continue
            for name in order[turn:] + order[:turn]:
                say(f"run {run + 1}/{self.options.runs}: {suite} jobs on {name}, {area_name}")
                self._one_target(ALL[name](self.options), jobs, (name, suite, area_name))

    def _one_target(self, target, jobs, key):
        if key in self._unusable:
            return
        where = self.areas[key[2]]
        place = Place(where.fresh(target.name))
        mounted = False
        try:
            if not target.through:
                self._lay(place.backing, key)
            with target.mounted(place):
                mounted = True
                if target.through:
                    self._lay(place.top, key)
                self._jobs(target, jobs, place)
        except (Failed, OSError) as error:    # OSError: our own calls through a broken mount
            self._note(target, jobs, key, mounted, error)
        finally:
            self._discard(place)

    def _note(self, target, jobs, key, mounted, error):
        if mounted:
            self.results.warn(f"{target.name}: {error}")
            for job in jobs:
                if not self.results.cells[job.name][target.name]["values"]:
                    self.results.fail(job, target.name, f"failed: {error}")
            return
        self._unusable.add(key)
        self.results.warn(f"{target.name} not mounted: {error}")
        for job in jobs:
            self.results.fail(job, target.name, f"not mounted: {error}")

    def _lay(self, directory, key):
        if key[1] == "fio":
            self._layer.lay(directory, key[2], self.options)
        else:
            self.options.tree.lay(directory)

    def _jobs(self, target, jobs, place):
        if jobs[0].suite == "fio":
            drop_caches()    # laying filled caches below some mounts and above others
            fio.warm(place.top)
        for job in jobs:
            try:
                figures = job.measure(place, self.options)
            except (Failed, OSError) as error:
                say(f"{target.name}: {job.name}: {error}")
                self.results.fail(job, target.name, f"failed: {error}")
                continue
            say(f"  {job.name:20} {figures['value']:14,.{2 if job.unit == 's' else 0}f} {job.unit}")
            self.results.add(job, target.name, figures)

    def _discard(self, place):
        with contextlib.suppress(OSError):
            if not any(at.startswith(str(place.root) + "/") for _, at, _ in area.mounts()):
                shutil.rmtree(place.root)
