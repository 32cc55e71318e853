#!/usr/bin/env python3
"""Extended attributes of every class, on every kind of file, at their limits."""

import os
import stat

from harness import case
from harness.session import NOBODY


class Xattrs(case.MountCase):
    def test_every_class(self):
        def scenario(s):
            s.file("f", b"x")
            s.mkdir("d")
            s.symlink("f", "l")
            s.mknod("p", stat.S_IFIFO | 0o644)
            for name in ("f", "d", "l", "p"):
                for key in ("user.a", "trusted.a", "security.a", "system.a", "other.a", "user.",
                            "user", ""):
                    for uid in (0, NOBODY):
                        with s.user(uid):
                            s.setxattr(name, key, b"value", 0, False)
                            s.getxattr(name, key, False)
                            s.listxattr(name, False)
                with s.user(NOBODY):
                    s.listxattr(name, False)
                    s.removexattr(name, "trusted.a", False)
                    s.removexattr(name, "user.a", False)
                s.removexattr(name, "trusted.a", False)
                s.removexattr(name, "user.a", False)
                s.listxattr(name, False)
        self.compare(scenario, 0o777)

    def test_create_and_replace(self):
        def scenario(s):
            s.file("f", b"x")
            s.setxattr("f", "user.a", b"1", os.XATTR_REPLACE)
            s.setxattr("f", "user.a", b"1", os.XATTR_CREATE)
            s.setxattr("f", "user.a", b"2", os.XATTR_CREATE)
            s.setxattr("f", "user.a", b"", os.XATTR_REPLACE)
            s.getxattr("f", "user.a")
            s.setxattr("f", "user.a", b"x", 7)
            s.removexattr("f", "user.a")
            s.getxattr("f", "user.a")
            s.removexattr("f", "user.a")
        self.compare(scenario)

    def test_limits(self):
        def scenario(s):
            s.file("f", b"x")
            for size in (0, 1, 100, 2000, 3900, 5000, 65536, 65537):
                s.setxattr("f", "user.size", b"v" * size)
                s.getxattr("f", "user.size")
            s.removexattr("f", "user.size")
            s.setxattr("f", "user." + "k" * 250, b"longest name")
            s.getxattr("f", "user." + "k" * 250)
            s.setxattr("f", "user." + "k" * 251, b"too long")
            for index in range(40):
                s.setxattr("f", f"user.number{index}", b"%d" % index)
            s.listxattr("f")
            s.setxattr("f", "user.bytes", bytes(range(256)))
            s.getxattr("f", "user.bytes")
        self.compare(scenario)

    def test_they_follow_the_file(self):
        def scenario(s):
            s.file("f", b"x")
            s.setxattr("f", "user.a", b"1")
            s.rename("f", "g")
            s.link("g", "h")
            s.getxattr("h", "user.a")
            s.setxattr("h", "user.a", b"2")
            s.getxattr("g", "user.a")
            fd = s.open("g", os.O_RDWR)
            s.unlink("g")
            s.unlink("h")
            s.note("fgetxattr", (), os.getxattr(fd, "user.a"))
            s.file("g", b"a new file")
            s.getxattr("g", "user.a")
        self.compare(scenario)

    def test_rights(self):
        def scenario(s):
            s.file("f", b"x", 0o644)
            s.file("own", b"x", 0o600)
            s.chown("own", NOBODY, NOBODY)
            s.mkdir("sticky")
            s.chmod("sticky", 0o1777)
            s.setxattr("f", "user.a", b"1")
            with s.user(NOBODY):
                for name in ("f", "own", "sticky"):
                    s.setxattr(name, "user.b", b"2")
                    s.getxattr(name, "user.a")
                    s.removexattr(name, "user.a")
                    s.listxattr(name)
            s.chmod("f", 0o200)
            with s.user(NOBODY):
                s.getxattr("f", "user.a")
        self.compare(scenario, 0o777)


if __name__ == "__main__":
    case.main()
