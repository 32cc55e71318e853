#!/usr/bin/env python3
"""More data than the arena: spilled in bounded memory, without an error and without a stall.

RAMFS_TEST_LARGE=1 copies 10 GB through 256 MB instead of 2 GB through 64 MB.
"""

import hashlib
import os
import threading
import time

from harness import case
from harness.ramfs_case import RamfsCase, pattern

M = 1 << 20
LARGE = os.environ.get("RAMFS_TEST_LARGE") == "1"
TOTAL, ARENA = (10 << 30, 256 * M) if LARGE else (2 << 30, 64 * M)
STALL_SECONDS = float(os.environ.get("RAMFS_TEST_STALL_SECONDS", "2"))
OVERHEAD = 250 * M  # the daemon besides its arena: code, log buffers, a sanitizer's shadow aside


class Memory(threading.Thread):
    """The most a process held, seen four times a second. Arena pages are in RssShmem."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.stop_ = pid, 0, threading.Event()

    def run(self):
        while not self.stop_.wait(0.25):
            try:
                with open(f"/proc/{self.pid}/status") as status:
                    rss = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
            except OSError:
                return
            self.most = max(self.most, rss[0] * 1024 if rss else 0)

    def result(self):
        self.stop_.set()
        self.join()
        return self.most


class Large(RamfsCase):
    disk_size, in_ram = ("14G", False) if LARGE else ("4G", True)

    def copy_in(self, path, total):
        """Writes `total` bytes; returns their hash and the longest single write()."""
        hashed, longest = hashlib.sha1(), 0.0
        pieces = [pattern(M, seed) for seed in range(7)]
        with open(path, "wb", buffering=0) as stream:
            for index in range(total // M):
                start = time.monotonic()
                self.assertEqual(stream.write(pieces[index * index % 7]), M)
                longest = max(longest, time.monotonic() - start)
                hashed.update(pieces[index * index % 7])
        return hashed.hexdigest(), longest

    def hash_of(self, path):
        hashed = hashlib.sha1()
        with open(path, "rb", buffering=0) as stream:
            while piece := stream.read(M):
                hashed.update(piece)
        return hashed.hexdigest()

    def test_a_copy_larger_than_the_arena(self):
        made = self.start(arena=str(ARENA), commit="1s", writeback="5s")
        memory = Memory(made.process.pid)
        memory.start()
        path = os.path.join(self.mount, "big")
        expected, longest = self.copy_in(path, TOTAL)
        self.assertEqual(self.hash_of(path), expected)
        most = memory.result()
        made.unmount()
        self.assertEqual(self.hash_of(os.path.join(self.backing, "big")), expected)
        self.assertEqual(os.stat(os.path.join(self.backing, "big")).st_size, TOTAL)
        self.assertLess(longest, STALL_SECONDS, "one write() stalled")
        if not os.environ.get("RAMFS_TEST_SANITIZED"):
            self.assertLess(most, ARENA + OVERHEAD, "memory is not bounded")

    def test_many_files_larger_than_the_arena(self):
        made = self.start(arena="32M", slot_max="8M", commit="1s", writeback="2s")
        longest = 0.0
        for index in range(300):
            start = time.monotonic()
            with open(os.path.join(self.mount, f"f{index}"), "wb") as stream:
                stream.write(pattern(M, index))
            longest = max(longest, time.monotonic() - start)
        for index in range(300):
            with open(os.path.join(self.mount, f"f{index}"), "rb") as stream:
                self.assertEqual(stream.read(), pattern(M, index), index)
        made.unmount()
        for index in range(300):
            with open(os.path.join(self.backing, f"f{index}"), "rb") as stream:
                self.assertEqual(stream.read(), pattern(M, index), index)
        self.assertLess(longest, STALL_SECONDS, "one file stalled")

    def test_several_writers_at_once_are_slowed_evenly(self):
        made = self.start(arena="32M", commit="500ms", writeback="2s")
        results = {}

        def work(number):
            path = os.path.join(self.mount, f"writer{number}")
            try:
                results[number] = self.copy_in(path, 128 * M)
            except OSError as error:
                results[number] = error
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made.unmount()
        for number, outcome in results.items():
            self.assertIsInstance(outcome, tuple, f"writer {number}: {outcome}")
            self.assertEqual(self.hash_of(f"{self.backing}/writer{number}"), outcome[0])
            self.assertLess(outcome[1], STALL_SECONDS, f"writer {number} stalled")

    def test_a_file_grows_over_slot_max(self):
        made = self.start(arena="64M", slot_max="2M", commit="1h", writeback="1h")
        path = os.path.join(self.mount, "f")
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        for index in range(8):
            os.pwrite(descriptor, pattern(M, index), index * M)
            if index % 3 == 0:
                os.fsync(descriptor)
        os.pwrite(descriptor, b"early again", 100)
        expected = bytearray(b"".join(pattern(M, index) for index in range(8)))
        expected[100:111] = b"early again"
        self.assertEqual(os.pread(descriptor, 9 * M, 0), bytes(expected))
        os.ftruncate(descriptor, M)  # small enough again
        os.pwrite(descriptor, b"tail", M)
        self.assertEqual(os.pread(descriptor, 9 * M, 0), bytes(expected[:M]) + b"tail")
        os.close(descriptor)
        made.unmount()
        with open(os.path.join(self.backing, "f"), "rb") as stream:
            self.assertEqual(stream.read(), bytes(expected[:M]) + b"tail")

    def test_large_existing_files_are_changed_in_place(self):
        with open(os.path.join(self.backing, "old"), "wb") as stream:
            for index in range(100):
                stream.write(pattern(M, index))
        made = self.start(arena="32M", slot_max="4M")
        with open(os.path.join(self.mount, "old"), "r+b", buffering=0) as stream:
            for index in range(0, 100, 9):
                stream.seek(index * M + 777)
                stream.write(b"changed%d" % index)
            stream.seek(0)
            content = stream.read()
        made.unmount()
        expected = bytearray(b"".join(pattern(M, index) for index in range(100)))
        for index in range(0, 100, 9):
            text = b"changed%d" % index
            expected[index * M + 777:index * M + 777 + len(text)] = text
        self.assertEqual(content, bytes(expected))
        with open(os.path.join(self.backing, "old"), "rb") as stream:
            self.assertEqual(stream.read(), bytes(expected))


if __name__ == "__main__":
    case.main()
