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
from harness import case, tree  # noqa: E402
from harness.ramfs_case import RamfsCase  # noqa: E402

KILLS = int(os.environ.get("RAMFS_TEST_KILLS", "10"))
WORKERS = 4
# How the next daemon is started must not matter: a log and an arena that exist are replayed.
RESTARTS = ({}, {"durability": "backing"}, {"arena": "16M"}, {"coherence": "open"}, {},
            {"durability": "relaxed"}, {"passthrough": "off"}, {"slot_max": "1M"})
EXPECTED_AFTER_A_KILL = [r"recover|replay|killed|unclean|left by|survive"]


class Kill(RamfsCase):
    def test_no_completed_call_is_lost(self):
        fixed = os.environ.get("RAMFS_TEST_SEED")
        first = int(fixed) if fixed else random.SystemRandom().randrange(10**6)
        for seed in range(first, first + (1 if fixed else KILLS)):
            print(f"# round with RAMFS_TEST_SEED={seed}", flush=True)
            with self.subTest(seed=seed):
                self.round(seed)

    def test_killed_while_writing_back(self):
        """An unmount that is cut short has lost nothing: the next mount finishes it."""
        source = random.Random(int(os.environ.get("RAMFS_TEST_SEED", "1")))
        for turn in range(5):
            made = self.start(commit="1h", writeback="1h", arena="128M", dirty="100M")
            top = os.path.join(self.mount, f"turn{turn}")
            os.mkdir(top)
            for index in range(400):
                with open(os.path.join(top, f"f{index}"), "wb") as stream:
                    stream.write(bytes([index % 251 + 1]) * source.randrange(1, 120_000))
                if index % 5 == 0:
                    os.utime(os.path.join(top, f"f{index}"), ns=(10**18, 10**18 + index))
            seen = tree.snapshot(self.mount)
            made.process.send_signal(signal.SIGTERM)
            time.sleep(source.uniform(0, 0.4))
            made.kill()
            again = self.daemon(**RESTARTS[turn])
            again.allowed = EXPECTED_AFTER_A_KILL
            again.start()
            with self.subTest(turn=turn):
                self.assertEqual(tree.differences(tree.snapshot(self.mount), seen, times="all"), [])
            again.unmount()
            self.assertEqual(tree.differences(tree.snapshot(self.backing), seen, times="all"), [])

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
        again.allowed = EXPECTED_AFTER_A_KILL
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
