#!/usr/bin/env python3
"""Several processes at once on the same few names: no call ends in an error that is not its own.

What each call does cannot be told beforehand; that none hangs or fails with EIO, that bytes of a
record are never mixed, and that the backing directory ends as the mount showed it, can.
"""

import os
import pickle
import random
import signal
import time

from harness import case
from harness.random_calls import Player
from harness.recording import Err
from harness.session import Session

WORKERS = 6
SECONDS = float(os.environ.get("RAMFS_TEST_SECONDS", "8"))
NEVER = {"EIO", "ENOTCONN", "ESTALE", "ENOSYS", "EFAULT", "ENOMEM", "EMFILE", "ENFILE", "EBUSY",
         "ENOSPC", "EDEADLK", "ECONNABORTED"}


class Concurrent(case.MountCase):
    reference = False
    options = {"dev": True, "suid": True, "commit": "50ms", "writeback": "100ms", "arena": "16M",
               "slot_max": "2M"}

    def in_parallel(self, work, count=WORKERS, seconds=60):
        """Runs work(index) in `count` processes: their results, or a failure when one hangs."""
        pids = []
        for index in range(count):
            path = os.path.join(self.scratch.path, f"result{index}")
            pid = os.fork()
            if pid == 0:
                try:
                    result = work(index)
                    with open(path, "wb") as stream:
                        pickle.dump(result, stream)
                    os._exit(0)
                finally:
                    os._exit(1)
            pids.append((pid, path))
        end = time.monotonic() + seconds
        results = []
        for pid, path in pids:
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > end:
                    for other, _ in pids:
                        os.kill(other, signal.SIGKILL)
                    self.fail(f"a process did not come back within {seconds} s")
                time.sleep(0.01)
            with open(path, "rb") as stream:
                results.append(pickle.load(stream))
        return results

    def test_random_calls_on_shared_names(self):
        seed = int(os.environ.get("RAMFS_TEST_SEED", random.SystemRandom().randrange(10**6)))
        print(f"# RAMFS_TEST_SEED={seed}")
        top = os.path.join(self.mount, "shared")
        os.mkdir(top)
        os.chmod(top, 0o777)

        def work(index):
            os.umask(0)
            os.chdir(top)
            session = Session()
            player = Player(session, random.Random(seed + index), racing=True)
            end, calls, bad = time.monotonic() + SECONDS, 0, []
            while time.monotonic() < end:
                player.step()
                calls += 1
                bad += [call for call in session.trace
                        if isinstance(call[2], Err) and call[2] in NEVER]
                session.trace.clear()
            return calls, bad[:10]
        results = self.in_parallel(work)
        bad = [call for _, calls in results for call in calls]
        self.assertEqual(bad, [], f"after {sum(count for count, _ in results)} calls")

    def test_appends_are_not_lost_or_mixed(self):
        path = os.path.join(self.mount, "appended")

        def work(index):
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            for turn in range(800):
                record = f"{index} {turn} ".encode()
                os.write(descriptor, record + b"." * (100 + turn % 150 - len(record) - 1) + b"\n")
                if turn % 50 == 0:
                    os.fsync(descriptor)
            return None
        self.in_parallel(work)
        with open(path, "rb") as stream:
            lines = stream.read().split(b"\n")[:-1]
        self.assertEqual(len(lines), WORKERS * 800)
        for index in range(WORKERS):
            turns = [int(line.split()[1]) for line in lines if line.startswith(b"%d " % index)]
            self.assertEqual(turns, list(range(800)), f"records of writer {index}")

    def test_every_writer_owns_its_blocks(self):
        path = os.path.join(self.mount, "blocks")
        with open(path, "wb") as stream:
            stream.truncate(WORKERS * 64 * 4096)

        def work(index):
            source, descriptor = random.Random(index), os.open(path, os.O_RDWR)
            last = {}
            for turn in range(1500):
                number = source.randrange(64) * WORKERS + index
                data = bytes([source.randrange(256)]) * 4096
                os.pwrite(descriptor, data, number * 4096)
                last[number] = data[0]
                if turn % 100 == 0:
                    os.fsync(descriptor)
                check = source.choice(list(last))
                if os.pread(descriptor, 4096, check * 4096) != bytes([last[check]]) * 4096:
                    return f"block {check} is not what was written at turn {turn}"
            return None if all(os.pread(descriptor, 4096, number * 4096) == bytes([value]) * 4096
                               for number, value in last.items()) else "a block was lost"
        self.assertEqual(self.in_parallel(work), [None] * WORKERS)

    def test_a_name_replaced_is_never_missing(self):
        """rename over a name that others open: one of the versions, never none, never half."""
        path = os.path.join(self.mount, "replaced")
        with open(path, "wb") as stream:
            stream.write(b"0" * 5000)

        def work(index):
            for turn in range(300):
                if index < 2:
                    with open(f"{path}.{index}", "wb") as stream:
                        stream.write(bytes([48 + turn % 10]) * 5000)
                    os.rename(f"{path}.{index}", path)
                else:
                    with open(path, "rb") as stream:
                        content = stream.read()
                    if len(content) != 5000 or content.strip(content[:1]):
                        return f"{len(content)} bytes, {content[:20]}"
            return None
        self.assertEqual(self.in_parallel(work), [None] * WORKERS)

    def test_created_once(self):
        """O_EXCL, mkdir, link, symlink, rename NOREPLACE: one of many wins."""
        top = os.path.join(self.mount, "once")
        os.mkdir(top)

        def work(index):
            won = []
            for turn in range(150):
                for kind, attempt in (
                        ("open", lambda p: os.close(os.open(p, os.O_CREAT | os.O_EXCL))),
                        ("mkdir", os.mkdir), ("symlink", lambda p: os.symlink("x", p)),
                        ("mknod", os.mknod)):
                    try:
                        attempt(os.path.join(top, f"{kind}{turn}"))
                        won.append((kind, turn))
                    except FileExistsError:
                        continue
            return won
        winners = [one for result in self.in_parallel(work) for one in result]
        self.assertEqual(len(winners), len(set(winners)))
        self.assertEqual(len(winners), 600)


if __name__ == "__main__":
    case.main()
