#!/usr/bin/env python3
"""Room: statfs is the backing filesystem's, and ENOSPC comes from write(), never later."""

import os

from harness import case, tree

M = 1 << 20


class Space(case.MountCase):
    disk_size = "96M"
    reference = False
    options = {"arena": "64M"}  # most of the disk would fit: room must be promised all the same

    def test_statfs(self):
        there, here = os.statvfs(self.backing), os.statvfs(self.mount)
        self.assertEqual(here.f_frsize, there.f_frsize)
        self.assertEqual(here.f_blocks, there.f_blocks)
        self.assertEqual(here.f_namemax, 255)
        self.assertEqual(here.f_files, there.f_files)
        self.assertLess(abs(here.f_bavail - there.f_bavail) * here.f_frsize, 16 * M)

    def fill(self, name, piece=M):
        """Writes until ENOSPC: how many bytes were accepted, and whether close and fsync agreed."""
        path = os.path.join(self.mount, name)
        self.addCleanup(remove, path)
        descriptor, accepted = os.open(path, os.O_CREAT | os.O_WRONLY), 0
        try:
            while accepted < 400 * M:
                accepted += os.write(descriptor, bytes([accepted // piece % 251 + 1]) * piece)
        except OSError as error:
            self.assertEqual(error.errno, 28, "a full disk is ENOSPC")
        else:
            self.fail("400 MB were accepted by a filesystem of 96 MB")
        os.fsync(descriptor)  # what was accepted has its room
        os.close(descriptor)
        self.assertEqual(os.stat(path).st_size, accepted)
        return path, accepted

    def test_enospc_at_write_and_all_accepted_bytes_kept(self):
        self.assertGreater(os.statvfs(self.mount).f_bavail * 4096, 40 * M)
        path, accepted = self.fill("full")
        self.assertGreater(accepted, 40 * M, "room was there")
        with open(path, "rb") as stream:
            for index in range(accepted // M):
                self.assertEqual(stream.read(M)[:10], bytes([index % 251 + 1]) * 10)
        self.addCleanup(remove, os.path.join(self.mount, "more"))
        with self.assertRaises(OSError) as raised:
            with open(os.path.join(self.mount, "more"), "wb", buffering=0) as stream:
                for _ in range(64):
                    stream.write(b"x" * M)
        self.assertEqual(raised.exception.errno, 28)
        remove(os.path.join(self.mount, "more"))
        remove(path)
        again, second = self.fill("again", 64 * 1024)  # the room came back
        self.assertGreater(second, accepted * 3 // 4)
        os.truncate(again, 10)

    def test_rewriting_in_place_needs_no_room(self):
        path = os.path.join(self.mount, "existing")
        self.addCleanup(remove, path)
        with open(path, "wb") as stream:
            stream.write(b"a" * (8 * M))
            os.fsync(stream.fileno())
        self.fill("filler")
        with open(path, "r+b", buffering=0) as stream:
            for index in range(8):
                stream.write(b"b" * M)
            os.fsync(stream.fileno())

    def test_a_hole_has_no_room_yet(self):
        path = os.path.join(self.mount, "hole")
        self.addCleanup(remove, path)
        with open(path, "wb") as stream:
            stream.truncate(10 << 30)
        self.fill("filler2")
        with self.assertRaises(OSError) as raised:
            descriptor = os.open(path, os.O_WRONLY)
            for index in range(64):
                os.pwrite(descriptor, b"x" * M, index * 100 * M)
        self.assertEqual(raised.exception.errno, 28)
        os.close(descriptor)

    def test_fallocate_beyond_the_disk(self):
        path = os.path.join(self.mount, "reserve")
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        with self.assertRaises(OSError) as raised:
            os.posix_fallocate(descriptor, 0, 1 << 30)
        self.assertEqual(raised.exception.errno, 28)
        os.close(descriptor)
        os.unlink(path)

    @classmethod
    def finish(cls):
        seen = tree.snapshot(cls.mount)
        cls.subject.unmount()
        problems = tree.differences(tree.snapshot(cls.backing), seen, times="all")
        if problems:
            raise AssertionError("\n".join(problems))


def remove(path):
    if os.path.exists(path):
        os.unlink(path)


if __name__ == "__main__":
    case.main()
