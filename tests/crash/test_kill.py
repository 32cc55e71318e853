#!/usr/bin/env python3
"""kill -9 of the daemon at random moments under load: no completed call is lost.

RAMFS_TEST_SEED=N replays one round's load (the moment of the kill is as drawn, not as scheduled).
RAMFS_TEST_KILLS=N sets the number of rounds.
"""

import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mount"))
import model  # noqa: E402
from harness import case  # noqa: E402
from harness.ramfs_case import RamfsCase  # noqa: E402

KILLS = int(os.environ.get("RAMFS_TEST_KILLS", "10"))
WORKERS = 4
# How the next daemon is started must not matter: a log and an arena that exist are replayed.
RESTARTS = ({}, {"durability": "backing"}, {"arena": "16M"}, {"coherence": "open"}, {},
            {"durability": "relaxed"}, {"passthrough": "off"}, {"slot_max": "1M"})


class Kill(RamfsCase):
    def test_no_completed_call_is_lost(self):
        fixed = os.environ.get("RAMFS_TEST_SEED")
        first = int(fixed) if fixed else random.SystemRandom().randrange(10**6)
        for seed in range(first, first + (1 if fixed else KILLS)):
            print(f"# round with RAMFS_TEST_SEED={seed}", flush=True)
            with self.subTest(seed=seed):
                self.round(seed)

    def round(self, seed):
        source = random.Random(seed)
        top = f"round{seed}"
        made = self.daemon(commit=source.choice(("50ms", "1s", "1h")),
                           writeback=source.choice(("100ms", "1s", "1h")),
                           arena=source.choice(("16M", "64M")))
        made.start()
        os.mkdir(os.path.join(self.mount, top))
        pids = [self.worker(top, number, seed) for number in range(WORKERS)]
        time.sleep(source.uniform(0.05, 2.5))
        self.assertIsNone(made.process.poll(), "the daemon died before it was killed: "
                          + made.output()[-2000:])
        made.process.send_signal(signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)
        made.kill()
        if source.random() < 0.4:  # again, in the middle of recovery
            second = self.daemon(**RESTARTS[seed % len(RESTARTS)])
            second.process = subprocess.Popen(
                second.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            time.sleep(source.uniform(0, 0.3))
            second.kill()
        self.verify(top, seed)

    def worker(self, top, number, seed):
        root = os.path.join(self.mount, top, f"w{number}")
        os.mkdir(root)
        pid = os.fork()
        if pid == 0:
            try:
                model.work(root, self.notes(top, number), seed * 100 + number)
            finally:
                os._exit(0)
        return pid

    def notes(self, top, number):
        return os.path.join(self.state, f"{top}.notes{number}")

    def verify(self, top, seed):
        again = self.daemon(**RESTARTS[seed % len(RESTARTS)])
        again.allowed = [r"recover|replay|killed|unclean|left by|survive"]
        again.start()
        try:
            problems, calls, views = self.compare(top)
            again.unmount()
        finally:
            again.kill()
        for number in range(WORKERS):
            if model.found(os.path.join(self.backing, top, f"w{number}")) != views[number]:
                problems.append(f"worker {number}: the backing directory is not what was shown")
        self.assertEqual(problems, [], f"after {calls} completed calls")
        self.assertGreater(calls, 0)

    def compare(self, top):
        problems, calls, views = [], 0, []
        for number in range(WORKERS):
            done, pending = model.read_notes(self.notes(top, number))
            calls += len(done)
            where = os.path.join(self.mount, top, f"w{number}")
            problems += [f"worker {number}: {line}"
                         for line in model.violations(where, done, pending)]
            views.append(model.found(where))
        return problems, calls, views


if __name__ == "__main__":
    case.main()
