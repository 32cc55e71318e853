#!/usr/bin/env python3
"""The namespace: links, renames with every flag, special files, long names and paths."""

import os
import stat

from harness import case, syscalls
from harness.session import NOBODY

NOREPLACE, EXCHANGE = syscalls.RENAME_NOREPLACE, syscalls.RENAME_EXCHANGE
WHITEOUT = syscalls.RENAME_WHITEOUT


class Names(case.MountCase):
    options = {"dev": True, "suid": True}  # as an fstab line has it

    def test_hard_links(self):
        def scenario(s):
            s.file("a", b"shared")
            s.link("a", "b")
            s.mkdir("d")
            s.link("b", "d/c")
            for name in ("a", "b", "d/c"):
                s.stat(name)
            s.same_inode("a", "d/c")
            fd = s.open("d/c", os.O_RDWR)
            s.pwrite(fd, b"written through another name", 0)
            s.pread(s.open("a"), 100, 0)
            s.unlink("a")
            s.fstat(fd)
            s.rename("b", "d/c")  # the same inode: nothing happens
            s.stat("b")
            s.unlink("b")
            s.fstat(fd)
            s.link("d", "link_to_directory")
            s.symlink("d/c", "sym")
            s.link("sym", "sym2")  # the link itself
            s.readlink("sym2")
            s.lstat("sym")
        self.compare(scenario)

    def test_rename(self):
        def scenario(s):
            s.file("a", b"a")
            s.file("b", b"bb")
            held = s.open("b")
            s.rename("a", "b")
            s.pread(held, 10, 0)
            s.pread(s.open("b"), 10, 0)
            for name in ("d1", "d2", "d1/sub"):
                s.mkdir(name)
            s.rename("d1/sub", "d2/sub")
            s.stat("d1")
            s.stat("d2")
            s.rename("d2", "d2/sub/inside")
            s.rename("d1", "d2")
            s.rename("d2/sub", "d1")
            s.file("d1/f", b"f")
            s.rename("d1", "moved")
            s.pread(s.open("moved/f"), 10, 0)
            s.stat("d1/f")
            s.rename("b", "b")
            s.listdir()
        self.compare(scenario)

    def test_rename_flags(self):
        def scenario(s):
            s.file("a", b"a")
            s.file("b", b"b")
            s.mkdir("d")
            s.file("d/x", b"x")
            s.rename("a", "b", NOREPLACE)
            s.rename("a", "c", NOREPLACE)
            s.rename("c", "b", EXCHANGE)
            s.pread(s.open("b"), 5, 0)
            s.rename("b", "d", EXCHANGE)
            s.stat("b")
            s.stat("d")
            s.listdir("b")
            s.rename("b", "nowhere", EXCHANGE)
            s.rename("b/x", "b", EXCHANGE)
            s.rename("c", "w", WHITEOUT)
            s.lstat("c")
            s.rename("w", "d", WHITEOUT)
            s.lstat("w")
            s.rename("d", "e", WHITEOUT | NOREPLACE)
            s.rename("d", "e", EXCHANGE | NOREPLACE)
            s.rename("d", "e", 1 << 20)
            s.listdir()
        self.compare(scenario)

    def test_exchange_of_open_files(self):
        def scenario(s):
            s.file("a", b"the first")
            s.file("b", b"the second, longer")
            a, b = s.open("a", os.O_RDWR), s.open("b", os.O_RDWR)
            s.rename("a", "b", EXCHANGE)
            s.pwrite(a, b"AAA", 0)
            s.pwrite(b, b"BBB", 0)
            s.pread(s.open("a"), 50, 0)
            s.pread(s.open("b"), 50, 0)
            s.stat("a")
            s.stat("b")
        self.compare(scenario)

    def test_special_files(self):
        def scenario(s):
            for name, mode, device in (("fifo", stat.S_IFIFO | 0o640, 0),
                                       ("socket", stat.S_IFSOCK | 0o600, 0),
                                       ("char", stat.S_IFCHR | 0o666, os.makedev(1, 3)),
                                       ("block", stat.S_IFBLK | 0o660, os.makedev(259, 70000)),
                                       ("plain", stat.S_IFREG | 0o604, 0)):
                s.mknod(name, mode, device)
                s.stat(name)
                s.chmod(name, 0o622)
                s.chown(name, NOBODY, 12)
                s.stat(name)
                s.rename(name, name + "2")
                s.link(name + "2", name)
                s.stat(name)
            fd = s.open("char", os.O_RDWR)
            s.write(fd, b"into the null device")
            s.read(fd, 10)
            reader = s.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
            writer = s.open("fifo", os.O_WRONLY | os.O_NONBLOCK)
            s.write(writer, b"through")
            s.read(reader, 100)
            with s.user(NOBODY):
                s.mknod("c2", stat.S_IFCHR | 0o666, os.makedev(1, 3))
                s.mknod("f2", stat.S_IFIFO | 0o666)
        self.compare(scenario, 0o777)

    def test_symlinks(self):
        def scenario(s):
            s.symlink("x" * 4095, "longest")
            s.readlink("longest")
            s.lstat("longest")
            s.symlink("x" * 4096, "too_long")
            s.symlink("", "empty")
            s.symlink("y" * 60, "fits_no_inode")
            s.readlink("fits_no_inode")
            s.file("f", b"content")
            s.symlink("f", "l")
            s.chown("l", 7, 8, False)
            s.lstat("l")
            s.utimens("l", ((10**9, 5), (10**9, 6)), syscalls.AT_SYMLINK_NOFOLLOW)
            s.times("l")
            s.open("l", os.O_NOFOLLOW)
            s.pread(s.open("l"), 20, 0)
            s.rename("l", "m")
            s.readlink("m")
            s.symlink("loop", "loop")
            s.open("loop")
        self.compare(scenario)

    def test_longest_names(self):
        def scenario(s):
            for name in ("n" * 255, "ü" * 127 + "x", "\udcff\udc80 \n'\"\\", "..."):
                s.file(name, b"x")
                s.stat(name)
                s.mkdir(name + "d" if len(os.fsencode(name)) < 255 else "d" + name[1:])
                s.rename(name, name[:-1])
                s.link(name[:-1], name)
            for call in (s.file, s.mkdir, s.stat, s.unlink):
                call("n" * 256)
            s.rename("...", "n" * 256)
            s.symlink("x", "n" * 256)
            s.listdir()
        self.compare(scenario)

    def test_paths_near_path_max(self):
        def scenario(s):
            top = os.getcwd()
            name = "d" * 250
            for _ in range(20):  # deeper than any one path may be long
                s.mkdir(name)
                s.chdir(name)
                s.file("f", b"deep")
                s.stat("../f")
            s.listdir()
            os.chdir(top)
            room = 4095 - len(os.fsencode(top)) - 1
            for extra in (0, 1):  # PATH_MAX counts the final NUL
                steps, left = divmod(room + extra, 251)
                path = top + "/" + "/".join([name] * steps + ["x" * left])
                try:  # not recorded with its name: that depends on how long the way here is
                    os.close(os.open(path, os.O_CREAT | os.O_RDWR))
                    outcome = os.unlink(path)
                except OSError as error:
                    outcome = error.errno
                s.note("long path", (extra,), outcome)
        self.compare(scenario)

    def test_removal(self):
        def scenario(s):
            s.mkdir("d")
            s.file("d/f")
            s.rmdir("d")
            s.unlink("d")
            s.rmdir("d/f")
            s.unlink("d/f")
            before = s.open("d", os.O_RDONLY | os.O_DIRECTORY)
            s.rmdir("d")
            s.fstat(before)
            s.rmdir("d")
            s.mkdir("e")
            s.chdir("e")
            s.rmdir("../e")
            s.file("inside a removed directory")
            s.mkdir("same")
            s.listdir(".")
        self.compare(scenario)

    def test_statx_birth_time(self):
        """btime is the backing file's: set at creation, kept by writes and renames."""
        def scenario(s):
            s.file("f", b"x")
            mask, _, born, _ = syscalls.statx("f")
            s.check(mask & syscalls.STATX_BTIME, "btime is not told")
            s.check(abs(born - os.stat("f").st_ctime_ns) < 10**9, "btime is not the creation's")
            fd = s.open("f", os.O_RDWR)
            s.pwrite(fd, b"more", 100)
            s.fsync(fd)
            s.rename("f", "g")
            s.utimens("g", ((5, 5), (6, 6)))
            s.check(syscalls.statx("g")[2] == born, "btime moved")
        self.compare(scenario)

    def test_inode_flags(self):
        def scenario(s):
            s.file("f", b"content")
            s.mkdir("d")
            for name in ("f", "d"):
                fd = s.open(name)
                call(s, "get", lambda fd=fd: syscalls.inode_flags(fd) & ~0x80000)
                for flags in (syscalls.FS_NODUMP_FL | syscalls.FS_NOATIME_FL,
                              syscalls.FS_APPEND_FL, syscalls.FS_IMMUTABLE_FL, 0):
                    call(s, "set", lambda fd=fd, flags=flags: syscalls.set_inode_flags(
                        fd, syscalls.inode_flags(fd) & 0x80000 | flags))
                    call(s, "get", lambda fd=fd: syscalls.inode_flags(fd) & ~0x80000)
                    s.open(name, os.O_WRONLY)
                    s.open(name, os.O_WRONLY | os.O_APPEND)
                    s.unlink(name)
                    s.rename(name, "other")
                    s.chmod(name, 0o700)
                    s.file(name + "/x", b"")
                with s.user(NOBODY):
                    call(s, "set", lambda fd=fd: syscalls.set_inode_flags(fd, 0x40))
        self.compare(scenario)


def call(session, name, function):
    try:
        result = function()
    except OSError as error:
        result = error.errno
    session.note(name, (), result)


if __name__ == "__main__":
    case.main()
