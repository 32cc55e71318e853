#!/usr/bin/env python3
"""What each call does to mtime and ctime of the file and its parents, as POSIX and ext4 have it."""

import os
import stat
import time

from harness import case, syscalls
from harness.session import NOBODY

OLD = ((1_000_000_000, 111), (1_100_000_000, 222_333_444))


class Times(case.MountCase):
    def test_utimens(self):
        def scenario(s):
            s.file("f", b"x")
            s.mkdir("d")
            for name in ("f", "d"):
                for times in (OLD, ((0, 0), (0, 1)), ((-5, 999_999_999), (1 << 33, 5)),
                              ((7, 7), (0, syscalls.UTIME_OMIT)),
                              ((0, syscalls.UTIME_OMIT), (9, 123_456_789)),
                              ((0, syscalls.UTIME_OMIT),) * 2, ((1, 10**9), (1, 1))):
                    s.utimens(name, times)
                    s.times(name)
            s.utimens("f", ((0, syscalls.UTIME_NOW),) * 2)
            s.check(abs(os.stat("f").st_mtime - time.time()) < 5, "now is not now")
            s.chown("f", NOBODY, NOBODY)
            s.chmod("f", 0o666)
            with s.user(1):
                s.utimens("f", OLD)
                s.utimens("f", ((0, syscalls.UTIME_NOW),) * 2)
            with s.user(NOBODY):
                s.utimens("f", OLD)
            s.times("f")
        self.compare(scenario, 0o777)

    def test_a_set_mtime_survives_writeback(self):
        """cp -p, tar and rsync: data first, time second, close last."""
        def scenario(s):
            fd = s.open("f", os.O_CREAT | os.O_WRONLY)
            s.write(fd, b"data" * 5000)
            s.utimens("f", OLD)
            s.close(fd)
            s.mtime("f")
            fd = s.open("f", os.O_RDWR)
            s.mtime("f")
            s.pwrite(fd, b"x", 0)
            s.fsync(fd)
            s.utimens("f", OLD)
            s.fsync(fd)
            s.mtime("f")
            s.close(fd)
            s.mtime("f")
            os.sync()
            s.mtime("f")
        self.compare(scenario)

    def test_effects_on_data_calls(self):
        def scenario(s):
            s.file("f", b"content" * 1000)
            s.file("source", b"source")
            fd = s.open("f", os.O_RDWR)
            watched = ("f", ".")
            for action in (
                    lambda: s.pwrite(fd, b"x", 0), lambda: s.pwrite(fd, b"", 0),
                    lambda: s.pread(fd, 10, 0), lambda: s.ftruncate(fd, 100),
                    lambda: s.ftruncate(fd, 100), lambda: s.truncate("f", 50),
                    lambda: s.truncate("f", 50), lambda: s.fallocate(fd, 0, 0, 5000),
                    lambda: s.fallocate(fd, 1, 8000, 5000), lambda: s.fallocate(fd, 3, 0, 4096),
                    lambda: s.fsync(fd), lambda: s.close(s.open("f", os.O_RDWR | os.O_TRUNC)),
                    lambda: s.close(s.open("f", os.O_RDWR | os.O_TRUNC)),
                    lambda: s.pwrite(fd, b"y" * 5000, 0),
                    lambda: s.copy_range(s.open("source"), fd, 5, 0, 0),
                    lambda: s.store(fd, 0, b"mapped", 4096), lambda: s.open("f"),
                    lambda: s.close(s.open("f", os.O_CREAT | os.O_RDWR))):
                s.effects(action, *watched)
            s.fstat(fd)
        self.compare(scenario)

    def test_effects_on_attributes(self):
        def scenario(s):
            s.file("f", b"content")
            fd = s.open("f", os.O_RDWR)
            for action in (
                    lambda: s.chmod("f", 0o600), lambda: s.chmod("f", 0o600),
                    lambda: s.chown("f", 5, 6),
                    lambda: s.fchmod(fd, 0o640), lambda: s.setxattr("f", "user.a", b"1"),
                    lambda: s.setxattr("f", "user.a", b"1", os.XATTR_CREATE),
                    lambda: s.removexattr("f", "user.a"), lambda: s.removexattr("f", "user.a"),
                    lambda: s.utimens("f", OLD), lambda: s.stat("f"),
                    lambda: s.access("f", os.R_OK), lambda: s.open("missing")):
                s.effects(action, "f", ".")
        self.compare(scenario)

    def test_effects_on_names(self):
        def scenario(s):
            s.mkdir("a")
            s.mkdir("b")
            s.file("a/f", b"x")
            s.file("a/g", b"y")
            for name in ("a/f", "a/g"):  # one comes to stand where the other was
                s.utimens(name, OLD)
            s.mkdir("a/d")
            steps = (
                (lambda: s.file("a/new"), ("a", ".")),
                (lambda: s.open("a/new", os.O_CREAT), ("a", "a/new")),
                (lambda: s.mkdir("a/sub"), ("a", "b")),
                (lambda: s.rmdir("a/sub"), ("a", "b")),
                (lambda: s.link("a/f", "b/f"), ("a/f", "a", "b")),
                (lambda: s.unlink("b/f"), ("a/f", "a", "b")),
                (lambda: s.symlink("x", "b/l"), ("a", "b")),
                (lambda: s.readlink("b/l"), ("b/l", "b")),
                (lambda: s.mknod("b/p", stat.S_IFIFO | 0o600), ("a", "b")),
                (lambda: s.rename("a/f", "a/h"), ("a", "b")),
                (lambda: s.rename("a/h", "b/h"), ("a", "b")),
                (lambda: s.rename("b/h", "a/g"), ("a", "b", "a/g")),
                (lambda: s.rename("a/d", "b/d"), ("a", "b", "a/g")),
                (lambda: s.rename("a/missing", "b/x"), ("a", "b")),
                (lambda: s.rename("a/g", "b/p", syscalls.RENAME_EXCHANGE), ("a", "b", "a/g")),
                (lambda: s.mkdir("b/d"), ("b", "b/d")),
                (lambda: s.listdir("b"), ("b", "b/d")),
                (lambda: s.unlink("b/missing"), ("a", "b")),
            )
            for action, watched in steps:
                s.effects(action, *watched)
            for old, new in (("b/p", "b/q"), ("b/d", "a/e")):
                before = os.lstat(old).st_ctime_ns
                time.sleep(0.012)
                s.rename(old, new)
                s.note("ctime of the renamed", (old,), os.lstat(new).st_ctime_ns != before)
        self.compare(scenario)

    def test_later_is_never_older(self):
        """Whatever changes a file, its mtime is not before that of a file changed earlier."""
        def scenario(s):
            s.file("a")
            s.file("b")
            descriptors = {name: s.open(name, os.O_RDWR) for name in "ab"}
            ways = {
                "write": lambda name: os.pwrite(descriptors[name], b"x", 0),
                "touch": lambda name: os.utime(name),
                "truncate": lambda name: os.truncate(name, 100),
            }
            for first in ways:
                for second in ways:
                    older = 0
                    for _ in range(40):
                        ways[first]("a")
                        ways[second]("b")
                        older += os.stat("b").st_mtime_ns < os.stat("a").st_mtime_ns
                    s.note(f"{first} before {second}", (), older)
        self.compare(scenario)

    def test_times_agree_with_the_clock(self):
        """mtime of a write is now, by the clock that bare files have, and never goes back."""
        def scenario(s):
            s.file("f", b"x")
            fd, last = s.open("f", os.O_RDWR), 0
            for turn in range(50):
                s.pwrite(fd, b"%d" % turn, turn)
                now = os.fstat(fd).st_mtime_ns
                s.check(now >= last, "mtime went back")
                s.check(abs(now - time.time_ns()) < 10**9, "mtime is not now")
                s.check(os.stat("f").st_mtime_ns == now, "stat and fstat disagree")
                last = now
            s.close(fd)
            s.check(os.stat("f").st_mtime_ns == last, "close moved mtime")
            time.sleep(0.5)
            s.check(os.stat("f").st_mtime_ns == last, "mtime moved by itself")
        self.compare(scenario)


if __name__ == "__main__":
    case.main()
