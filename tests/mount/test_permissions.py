#!/usr/bin/env python3
"""Who may do what, and what new files inherit: modes, groups, ACLs."""

import os
import stat
import struct
import time

from harness import case, syscalls
from harness.session import NOBODY

OTHER = 12345


def acl(*entries):
    """A POSIX ACL as the kernel stores it: (tag, permissions, id) each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFFFFFF
DEFAULT_ACL = acl((1, 7, NO_ID), (2, 6, OTHER), (4, 5, NO_ID), (16, 7, NO_ID), (32, 0, NO_ID))
ACCESS_ACL = acl((1, 6, NO_ID), (2, 4, OTHER), (4, 0, NO_ID), (16, 4, NO_ID), (32, 0, NO_ID))


def make_each(s, prefix):
    """A file of each kind, the ways they can come into being."""
    for mode in (0o777, 0o666, 0o604, 0o2755, 0o4711):
        s.close(s.open(f"{prefix}f{mode:o}", os.O_CREAT | os.O_RDWR, mode))
        s.mkdir(f"{prefix}d{mode:o}", mode)
        s.mknod(f"{prefix}p{mode:o}", stat.S_IFIFO | mode)
        s.mknod(f"{prefix}r{mode:o}", stat.S_IFREG | mode)
        fd = s.open(os.path.dirname(prefix) or ".", os.O_TMPFILE | os.O_RDWR, mode)
        s.link_descriptor(fd, f"{prefix}t{mode:o}")
        for kind in "fdprt":
            name = f"{prefix}{kind}{mode:o}"
            s.lstat(name)
            s.listxattr(name)
            s.getxattr(name, "system.posix_acl_access")
            s.getxattr(name, "system.posix_acl_default")
    s.symlink("target", prefix + "l")
    s.lstat(prefix + "l")


class Permissions(case.MountCase):
    options = {"dev": True, "suid": True}  # as an fstab line has it

    def test_umask(self):
        def scenario(s):
            for mask in (0, 0o22, 0o77, 0o777):
                s.umask(mask)
                make_each(s, f"root{mask:o}")
                with s.user(NOBODY):
                    make_each(s, f"user{mask:o}")
        self.compare(scenario, 0o777)

    def test_sgid_directory(self):
        def scenario(s):
            s.mkdir("shared")
            s.chown("shared", 0, OTHER)
            s.chmod("shared", 0o2777)
            make_each(s, "shared/root")
            with s.user(NOBODY):
                make_each(s, "shared/user")
            with s.user(NOBODY, NOBODY, [OTHER]):
                make_each(s, "shared/member")
                s.chmod("shared/memberf666", 0o2755)
                s.stat("shared/memberf666")
        self.compare(scenario, 0o777)

    def test_default_acl(self):
        def scenario(s):
            s.mkdir("d")
            s.chmod("d", 0o777)
            s.setxattr("d", "system.posix_acl_default", DEFAULT_ACL)
            for mask in (0, 0o22, 0o77):
                s.umask(mask)
                make_each(s, f"d/{mask:o}")
                with s.user(NOBODY):
                    make_each(s, f"d/user{mask:o}")
            s.chmod("d", 0o2777)
            s.mkdir("d/sub")
            s.file("d/sub/f")
            s.stat("d/sub/f")
            s.getxattr("d/sub/f", "system.posix_acl_access")
        self.compare(scenario, 0o777)

    def test_access_acl(self):
        def scenario(s):
            s.file("f", b"content", 0o640)
            s.setxattr("f", "system.posix_acl_access", ACCESS_ACL)
            s.stat("f")
            for uid in (OTHER, NOBODY):
                with s.user(uid):
                    s.open("f")
                    s.open("f", os.O_WRONLY)
                    s.setxattr("f", "system.posix_acl_access", ACCESS_ACL)
            s.chmod("f", 0o600)
            s.getxattr("f", "system.posix_acl_access")
            with s.user(OTHER):
                s.open("f")
            s.chmod("f", 0o644)
            s.getxattr("f", "system.posix_acl_access")
            s.setxattr("f", "system.posix_acl_access", acl((1, 6, NO_ID), (4, 4, NO_ID),
                                                            (32, 4, NO_ID)))
            s.listxattr("f")
            s.stat("f")
            s.setxattr("f", "system.posix_acl_access", b"broken")
            s.setxattr("f", "system.posix_acl_default", DEFAULT_ACL)
            s.removexattr("f", "system.posix_acl_access")
        self.compare(scenario)

    def test_setting_an_acl_drops_sgid(self):
        def scenario(s):
            s.file("f", b"")
            s.chown("f", NOBODY, OTHER)
            s.chmod("f", 0o2755)
            with s.user(NOBODY):
                s.setxattr("f", "system.posix_acl_access", ACCESS_ACL)
            s.stat("f")
        self.compare(scenario)

    def test_every_mode_and_every_reader(self):
        """access() and open() agree with the bits for owner, group and others."""
        def scenario(s):
            s.file("f", b"x")
            s.mkdir("d")
            s.file("d/f", b"y")
            for mode in range(0, 0o1000, 0o21):
                for name in ("f", "d"):
                    s.chown(name, NOBODY, OTHER)
                    s.chmod(name, mode)
                for uid, gid in ((NOBODY, NOBODY), (1, OTHER), (1, 1), (0, 0)):
                    with s.user(uid, gid):
                        for bit in (os.R_OK, os.W_OK, os.X_OK):
                            s.access("f", bit, syscalls.AT_EACCESS)
                            s.access("d", bit, syscalls.AT_EACCESS)
                        for flags in (os.O_RDONLY, os.O_WRONLY):
                            fd = s.open("f", flags)
                            if fd.__class__ is int:
                                os.close(fd)
                        s.stat("d/f")
                        s.listdir("d")
                        s.mkdir("d/x")
                        s.rmdir("d/x")
        self.compare(scenario, 0o777)

    def test_sticky_directory(self):
        def scenario(s):
            for owner in (0, NOBODY, 1):
                top = f"sticky{owner}"
                s.mkdir(top)
                s.chown(top, owner, owner)
                s.chmod(top, 0o1777)
                for whose in (0, NOBODY, 1):
                    for action in ("unlink", "rename", "over", "rmdir"):
                        name = f"{top}/{action}{whose}"
                        (s.mkdir if action == "rmdir" else s.file)(name)
                        s.chown(name, whose, whose)
                    with s.user(NOBODY):
                        s.unlink(f"{top}/unlink{whose}")
                        s.rename(f"{top}/rename{whose}", f"{top}/renamed{whose}")
                        s.file(f"{top}/mine{whose}")
                        s.rename(f"{top}/mine{whose}", f"{top}/over{whose}")
                        s.rmdir(f"{top}/rmdir{whose}")
                        s.rename(f"{top}/over{whose}", f"{top}/rename{whose}",
                                 syscalls.RENAME_EXCHANGE)
                s.listdir(top)
        self.compare(scenario, 0o777)

    def test_an_open_file_outlives_its_rights(self):
        def scenario(s):
            s.file("f", b"content", 0o666)
            with s.user(NOBODY):
                fd = s.open("f", os.O_RDWR)
            s.chmod("f", 0)
            with s.user(NOBODY):
                s.pwrite(fd, b"still", 0)
                s.pread(fd, 10, 0)
                s.ftruncate(fd, 2)
                s.open("f")
                s.fchmod(fd, 0o777)
            s.fstat(fd)
            with s.user(NOBODY):
                made = s.open("made", os.O_CREAT | os.O_RDWR, 0o000)
                s.pwrite(made, b"created without any right", 0)
                s.open("made")
            s.stat("made")
        self.compare(scenario, 0o777)

    def test_protected_regular_and_executables(self):
        def scenario(s):
            s.file("script", b"#!/bin/sh\nexit 3\n", 0o755)
            with open("/bin/true", "rb") as program:
                s.file("program", program.read(), 0o755)
            for path in ("./script", "./program"):
                s.note("run", (path,), os.spawnv(os.P_WAIT, path, [path]))
            child = os.fork()
            if child == 0:
                os.execv("/bin/sleep", ["sleep", "0"])
            os.waitpid(child, 0)
            with open("/bin/sleep", "rb") as program:
                s.file("sleeper", program.read(), 0o755)
            running = os.spawnv(os.P_NOWAIT, "./sleeper", ["sleeper", "5"])
            for _ in range(200):  # until the child has executed it
                if os.readlink(f"/proc/{running}/exe").endswith("sleeper"):
                    break
                time.sleep(0.01)
            s.open("sleeper", os.O_WRONLY)
            s.truncate("sleeper", 0)
            os.kill(running, 9)
            os.waitpid(running, 0)
            writer = s.open("program", os.O_WRONLY)
            child = os.fork()
            if child == 0:
                try:
                    os.execv("./program", ["program"])
                except OSError as error:
                    os._exit(error.errno)
            s.note("execute while written", (), os.waitpid(child, 0)[1] >> 8)
            s.close(writer)
        self.compare(scenario)


if __name__ == "__main__":
    case.main()
