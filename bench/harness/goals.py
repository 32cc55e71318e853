"""The figures ramfs is to reach, and whether this run reached them."""


class Goal:
    """ramfs at least so many times as fast as the base, in every job chosen."""

    def __init__(self, text, base, at_least, chosen):
        self.text = text
        self.base = base
        self.at_least = at_least
        self._chosen = chosen

    def check(self, results):
        """One row for each job chosen that is part of this run."""
        rows = []
        for job in results.jobs:
            if not self._chosen(job):
                continue
            ratio = results.speedup(job, "ramfs", self.base)
            rows.append({"goal": self.text, "job": job.name, "base": self.base,
                         "at_least": self.at_least, "ratio": ratio,
                         "reached": None if ratio is None else ratio >= self.at_least})
        return rows


def _named(*names):
    return lambda job: job.name in names


GOALS = (
    Goal("every fio job without fsync", "bindfs", 1.5,
         lambda job: job.suite == "fio" and not job.fsynced),
    Goal("untar, cp -r, rm -rf of the tree", "bindfs", 2.0,
         _named("untar", "cp-r", "rm-rf")),
    Goal("fsynced 4K writes, one caller", "ext4", 0.6, _named("fsync-4k-1")),
    Goal("fsynced 4K writes, eight callers", "ext4", 1.3,
         _named("fsync-4k-8", "fsync-4k-8-shared")),
)


def check(results):
    return [row for goal in GOALS for row in goal.check(results)]
