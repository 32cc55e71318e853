#!/usr/bin/env python3
"""Bytes in files: every way to put them there and to read them back, as bare ext4 does it."""

import os

from harness import case, syscalls

K, M, G = 1 << 10, 1 << 20, 1 << 30


def pattern(size, seed=1):
    block = bytes((index * 7 + seed * 13) % 251 for index in range(4099))
    return (block * (size // len(block) + 1))[:size]


class Files(case.MountCase):
    disk_size = "2G"

    def test_write_read_overwrite(self):
        def scenario(s):
            fd = s.open("f", os.O_CREAT | os.O_RDWR)
            for size in (0, 1, 4095, 4096, 4097, 128 * K, 3 * M):
                s.pwrite(fd, pattern(size), 0)
                s.pread(fd, size + 10, 0)
                s.fstat(fd)
            s.pwrite(fd, b"across a page", 4090)
            s.pwrite(fd, b"far", 10 * M + 5)
            s.pread(fd, 64 * K, 4000)
            s.pread(fd, 100, 10 * M)
            s.pread(fd, 10, 20 * M)
            s.fstat(fd)
            s.close(fd)
            fd = s.open("f")
            s.pread(fd, 11 * M, 0)
            s.write(fd, b"read only")
        self.compare(scenario)

    def test_open_flags(self):
        def scenario(s):
            s.file("f", pattern(10 * K))
            fd = s.open("f", os.O_WRONLY | os.O_APPEND)
            s.write(fd, b"one")
            s.pwrite(fd, b"two: append ignores the offset", 0)
            s.seek(fd, 0)
            s.write(fd, b"three")
            s.pread(fd, 4, 0)
            other = s.open("f", os.O_RDWR | os.O_APPEND)
            for turn in range(20):
                s.write(fd, b"a%d" % turn)
                s.write(other, b"b%d" % turn)
            s.pread(other, 20 * K, 0)
            third = s.open("f", os.O_RDWR | os.O_TRUNC)
            s.fstat(fd)
            s.pread(other, 100, 0)
            s.write(fd, b"after")
            s.pread(third, 100, 0)
            s.open("f", os.O_CREAT | os.O_EXCL | os.O_RDWR)
            path_only = s.open("f", os.O_PATH)
            s.read(path_only, 1)
            s.fstat(path_only)
        self.compare(scenario)

    def test_synchronous_and_direct(self):
        def scenario(s):
            for name, flags in (("sync", os.O_SYNC), ("dsync", os.O_DSYNC),
                                ("direct", os.O_DIRECT), ("both", os.O_DIRECT | os.O_SYNC)):
                fd = s.open(name, os.O_CREAT | os.O_RDWR | flags)
                s.direct_write(fd, b"x", 64 * K, 0)
                s.direct_write(fd, b"y", 4 * K, 32 * K)
                s.direct_read(fd, 64 * K, 0)
                s.direct_read(fd, 64 * K, 60 * K)
                buffered = s.open(name, os.O_RDWR)
                s.pread(buffered, 64 * K, 0)
                s.pwrite(buffered, pattern(5000), 100)
                s.direct_read(fd, 16 * K, 0)
                s.direct_write(fd, b"z", 4 * K, 4 * K)
                s.pread(buffered, 16 * K, 0)
                s.fsync(fd)
                s.fdatasync(buffered)
                s.fstat(fd)
        self.compare(scenario)

    def test_truncate(self):
        def scenario(s):
            s.file("f", pattern(100 * K))
            fd = s.open("f", os.O_RDWR)
            for size in (50 * K, 4097, 4096, 1, 0, 1, 70 * K, 3 * M, 10, 10):
                s.ftruncate(fd, size)
                s.fstat(fd)
                s.pread(fd, 80 * K, 0)
                s.pwrite(fd, b"mark", size)
            s.truncate("f", 12345)
            s.pread(fd, 20 * K, 0)
            s.ftruncate(s.open("f"), 1)
            s.ftruncate(fd, -1)
            s.ftruncate(fd, 1 << 50)
            s.fstat(fd)
        self.compare(scenario)

    def test_fallocate_and_holes(self):
        def scenario(s):
            fd = s.open("f", os.O_CREAT | os.O_RDWR)
            s.fallocate(fd, 0, 0, M)
            s.fstat(fd)
            s.pread(fd, M, 0)
            s.pwrite(fd, pattern(4 * M), 0)
            s.fallocate(fd, syscalls.FALLOC_KEEP_SIZE, 8 * M, M)
            s.fstat(fd)
            s.fallocate(fd, syscalls.FALLOC_KEEP_SIZE | syscalls.FALLOC_PUNCH_HOLE, M, M)
            s.pread(fd, 4 * M, 0)
            s.segments(fd)
            s.fallocate(fd, syscalls.FALLOC_KEEP_SIZE | syscalls.FALLOC_PUNCH_HOLE, 100, 5000)
            s.fallocate(fd, syscalls.FALLOC_ZERO_RANGE, 3 * M + 7, 9000)
            s.fallocate(fd, syscalls.FALLOC_ZERO_RANGE, 4 * M - 100, 900)
            s.fallocate(fd, syscalls.FALLOC_ZERO_RANGE | syscalls.FALLOC_KEEP_SIZE, 5 * M, M)
            s.pread(fd, 5 * M, 0)
            s.fstat(fd)
            s.fallocate(fd, syscalls.FALLOC_PUNCH_HOLE, 0, 4096)
            s.fallocate(fd, 0, -1, 10)
            s.fallocate(fd, 0, 0, 0)
            s.fallocate(s.open("f"), 0, 0, 10)
            s.pread(fd, 5 * M, 0)
        self.compare(scenario)

    def test_sparse_files_stay_sparse(self):
        def scenario(s):
            fd = s.open("sparse", os.O_CREAT | os.O_RDWR)
            s.ftruncate(fd, 6 * G)
            for offset in (0, 100 * M, 4 * G - 2, 5 * G + 12345):
                s.pwrite(fd, b"island", offset)
            s.fstat(fd)
            s.segments(fd)
            for offset in (0, 6, 50 * M, 4 * G - 4, 5 * G, 6 * G - 10, 6 * G, 7 * G):
                s.pread(fd, 100, offset)
            fd = s.open("islands", os.O_CREAT | os.O_RDWR)
            for index in range(64):
                s.pwrite(fd, pattern(64 * K, index), index * 4 * M)
            s.fsync(fd)
            s.segments(fd)
            for offset in (0, 64 * K, 4 * M - 1, 4 * M, 255 * M, 300 * M):
                s.seek(fd, offset, os.SEEK_DATA)
                s.seek(fd, offset, os.SEEK_HOLE)
            s.ftruncate(fd, 100 * M)
            s.segments(fd)
        self.compare(scenario)

    def test_beyond_four_gib(self):
        def scenario(s):
            fd = s.open("big", os.O_CREAT | os.O_RDWR)
            s.pwrite(fd, pattern(2 * M), 4 * G - M)
            s.pread(fd, 2 * M, 4 * G - M)
            s.pwrite(fd, b"end", 9 * G)
            s.fstat(fd)
            s.copy_range(fd, fd, M, 4 * G, 12 * G)
            s.pread(fd, M, 12 * G)
            s.ftruncate(fd, 4 * G + 1)
            s.fstat(fd)
            s.pread(fd, 10, 4 * G - 5)
        self.compare(scenario)

    def test_copy_file_range(self):
        def scenario(s):
            s.file("a", pattern(300 * K))
            a, b = s.open("a", os.O_RDWR), s.open("b", os.O_CREAT | os.O_RDWR)
            s.copy_range(a, b, 300 * K)
            s.pread(b, 300 * K, 0)
            s.copy_range(a, b, 5000, 123, 299 * K)
            s.copy_range(a, b, 100, 300 * K, 0)
            s.copy_range(a, a, 100, 0, 50)
            s.copy_range(a, a, 100 * K, 0, 200 * K)
            s.copy_range(a, s.open("b"), 10, 0, 0)
            s.copy_range(a, s.open("b", os.O_WRONLY | os.O_APPEND), 10, 0, 0)
            s.pread(a, 400 * K, 0)
            s.pread(b, 400 * K, 0)
        self.compare(scenario)

    def test_mmap(self):
        def scenario(s):
            s.file("f", pattern(40 * K))
            fd, other = s.open("f", os.O_RDWR), s.open("f")
            s.load(fd, 0, 40 * K, 40 * K)
            s.store(fd, 4000, b"stored across pages" * 10, 40 * K)
            s.pread(other, 5000, 3900)
            s.pwrite(fd, b"written", 20 * K)
            s.load(other, 20 * K, 100, 40 * K)
            s.load(other, 20 * K, 100, 40 * K, True)
            s.store(other, 0, b"x", 4096)
            s.fsync(fd)
            s.close(fd)
            s.load(other, 0, 40 * K, 40 * K)
            s.fstat(other)
        self.compare(scenario)

    def test_unlinked_while_open(self):
        def scenario(s):
            fd = s.open("f", os.O_CREAT | os.O_RDWR)
            s.write(fd, pattern(100 * K))
            s.unlink("f")
            s.fstat(fd)
            s.pwrite(fd, pattern(50 * K, 3), 80 * K)
            s.pread(fd, 200 * K, 0)
            s.ftruncate(fd, 10 * K)
            s.fsync(fd)
            s.fchmod(fd, 0o600)
            s.store(fd, 100, b"mapped", 4096)
            s.pread(fd, 20 * K, 0)
            s.fstat(fd)
            s.stat("f")
            s.file("f", b"another file of that name")
            s.pread(fd, 64, 0)
            s.link_descriptor(fd, "back")  # ENOENT: no link is left
            s.close(fd)
            s.stat("f")
            s.file("old", b"old")
            old = s.open("old")
            s.file("new", b"new")
            s.rename("new", "old")
            s.pread(old, 10, 0)
            s.fstat(old)
        self.compare(scenario)

    def test_tmpfile(self):
        def scenario(s):
            fd = s.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
            s.write(fd, pattern(70 * K))
            s.fstat(fd)
            s.listdir()
            s.link_descriptor(fd, "named")
            s.fstat(fd)
            s.pwrite(fd, b"after", 0)
            s.stat("named")
            s.link_descriptor(fd, "named")
            s.link_descriptor(fd, "second")
            s.same_inode("named", "second")
            s.close(fd)
            s.pread(s.open("named"), 70 * K, 0)
            secret = s.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
            s.write(secret, b"never named")
            s.link_descriptor(secret, "never")
            s.pread(secret, 20, 0)
        self.compare(scenario)

    def test_many_small_writes_in_one_file(self):
        def scenario(s):
            fd = s.open("f", os.O_CREAT | os.O_RDWR)
            for turn in range(600):
                s.pwrite(fd, pattern(1 + turn % 700, turn), turn * 7919 % (1 * M))
            s.pread(fd, 2 * M, 0)
            s.fsync(fd)
            for turn in range(200):
                s.pwrite(fd, pattern(1 + turn % 90, turn), turn * 104729 % (1 * M))
            s.close(fd)
            s.pread(s.open("f"), 2 * M, 0)
        self.compare(scenario)


if __name__ == "__main__":
    case.main()
