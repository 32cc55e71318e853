#!/usr/bin/env python3
"""Power cuts: the disk and all RAM of ours are gone at once. What fsync promised is there.

The disk is an ext4 on a loop device, cut by its shutdown ioctl; the arena is thrown away, as a
reboot would. Backing directory and log are both on that disk. RAMFS_TEST_CUTS=N sets the number.
"""

import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mount"))
import patterns  # noqa: E402
from harness import case, daemon, disks  # noqa: E402
from harness.ramfs_case import RamfsCase  # noqa: E402

CUTS = int(os.environ.get("RAMFS_TEST_CUTS", "5"))
COMMIT_SECONDS = 1.0
SLACK_SECONDS = 1.5  # a commit takes time itself, on a machine that does other things too


class Power(RamfsCase):
    def options(self, **more):
        return dict({"log": os.path.join(self.disk.path, "log"), "arena": "32M",
                     "commit": f"{COMMIT_SECONDS}s", "writeback": "2s"}, **more)

    def test_log(self):
        self.cuts("log", CUTS)

    def test_backing(self):
        self.cuts("backing", 1)

    def cuts(self, durability, count):
        fixed = os.environ.get("RAMFS_TEST_SEED")
        first = int(fixed) if fixed else random.SystemRandom().randrange(10**6)
        for seed in range(first, first + (1 if fixed else count)):
            print(f"# cut with RAMFS_TEST_SEED={seed}", flush=True)
            with self.subTest(seed=seed, durability=durability):
                self.cut(seed, durability)

    def cut(self, seed, durability):
        source = random.Random(seed)
        self.options_ = self.options(durability=durability)
        made = self.start(**self.options_)
        made.allowed = [""]  # the disk is pulled from under it: it may say so
        root = os.path.join(self.mount, f"cut{seed}")
        os.mkdir(root)
        descriptor = os.open(root, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        parts = [kind(kind.__name__.lower(), os.path.join(self.state, f"{seed}.{kind.__name__}"))
                 for kind in patterns.ALL]
        pids = [self.worker(part, root, seed + index) for index, part in enumerate(parts)]
        time.sleep(source.uniform(1.0, 6.0))
        self.assertIsNone(made.process.poll(), made.output()[-2000:])
        self.pull_the_plug(made, pids)
        self.come_back(seed, parts)

    def worker(self, part, root, seed):
        pid = os.fork()
        if pid == 0:
            try:
                part.run(root, seed)
            finally:
                os._exit(0)
        return pid

    def pull_the_plug(self, made, pids):
        for pid in pids:  # a note written after the cut must be of a call that ended before it
            os.kill(pid, signal.SIGSTOP)
        self.cut_at = time.monotonic()
        self.disk.cut_power()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        made.process.kill()
        for pid in pids:
            os.waitpid(pid, 0)
        made.kill()
        self.assertGreater(daemon.forget_arena(self.backing), 0,
                           "no arena found to throw away: the test would prove nothing")
        disks.run("umount", self.disk.path)
        self.disk.mount()

    def come_back(self, seed, parts):
        again = self.daemon(**self.options_)
        again.allowed = [r"recover|replay|killed|unclean|left by|truncated|torn"]
        again.start()
        try:
            self.check(parts, os.path.join(self.mount, f"cut{seed}"), "mount")
            again.unmount()
        finally:
            again.kill()  # so that a failed cut leaves the next one its place
        self.check(parts, os.path.join(self.backing, f"cut{seed}"), "backing directory")

    def check(self, parts, root, where):
        problems = []
        for part in parts:
            if os.path.exists(part.notes_path):
                found = part.check(root, self.cut_at - COMMIT_SECONDS - SLACK_SECONDS)
                problems += [f"{part.name} ({where}): {line}" for line in found[:5]]
        self.assertEqual(problems, [])
        noted = sum(len(part.noted()) for part in parts if os.path.exists(part.notes_path))
        self.assertGreater(noted, 20, "the load did too little to prove anything")


if __name__ == "__main__":
    case.main()
