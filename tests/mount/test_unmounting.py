#!/usr/bin/env python3
"""Every way out leaves every byte and mtime in the backing directory, and nothing of ours."""

import os
import subprocess
import time

from harness import case, daemon, features, tree
from harness.ramfs_case import RamfsCase, pattern

K = 1 << 10
OLD_NS = (1_100_000_000 * 10**9 + 123_456_789,) * 2


def fill(root):
    """Small and larger files, nested, with times set, rewritten, sparse, unlinked, linked."""
    for directory in ("a", "a/b", "c"):
        os.mkdir(os.path.join(root, directory))
    for index in range(120):
        path = os.path.join(root, ("a", "a/b", "c")[index % 3], f"file{index}")
        with open(path, "wb") as stream:
            stream.write(pattern(index * index * 17, index))
        if index % 4 == 0:
            os.utime(path, ns=OLD_NS)
        if index % 7 == 0:
            os.link(path, path + ".link")
        if index % 11 == 0:
            os.unlink(path)
    with open(os.path.join(root, "large"), "wb") as stream:
        for index in range(40):
            stream.write(pattern(1 << 20, index))
    with open(os.path.join(root, "large"), "r+b") as stream:
        stream.seek(12345)
        stream.write(b"in the middle")
    with open(os.path.join(root, "sparse"), "wb") as stream:
        stream.truncate(1 << 30)
        stream.seek(1 << 29)
        stream.write(b"island")
    os.symlink("large", os.path.join(root, "link"))


class Unmounting(RamfsCase):
    def leave_by(self, way):
        made = self.start(writeback="1h", commit="1h", arena="128M", dirty="100M")
        fill(self.mount)
        seen = tree.snapshot(self.mount)
        made.unmount(way)
        found = tree.snapshot(self.backing)
        self.assertEqual(tree.differences(found, seen, times="all"), [])
        again = self.start()  # nothing to replay, nothing changed by coming back
        self.assertEqual(tree.differences(tree.snapshot(self.mount), found, times="all"), [])
        again.unmount()
        self.assertEqual(tree.differences(tree.snapshot(self.backing), found, times="all"), [])

    def test_ramfsctl(self):
        self.leave_by("ramfsctl")

    def test_umount_without_helper(self):
        self.leave_by("umount -i")

    def test_sigterm(self):
        self.leave_by("SIGTERM")

    def test_sigint(self):
        self.leave_by("SIGINT")

    def test_sighup(self):
        self.leave_by("SIGHUP")

    def test_fusermount(self):
        self.leave_by("fusermount3 -u")

    def test_busy_is_refused_and_nothing_is_lost(self):
        made = self.start()
        path = os.path.join(self.mount, "f")
        with open(path, "w") as stream:
            stream.write("x")
            stream.flush()
            done = self.ctl("umount", self.mount, status=None)
            self.assertNotEqual(done.returncode, 0, "the mount is in use")
            self.assertTrue(done.stderr.strip(), "a reason is given")
            stream.write("y")
        with open(path) as stream:
            self.assertEqual(stream.read(), "xy")
        made.unmount()
        with open(os.path.join(self.backing, "f")) as stream:
            self.assertEqual(stream.read(), "xy")

    def test_lazy_unmount_with_an_open_file(self):
        made = self.start(writeback="1h", commit="1h")
        descriptor = os.open(os.path.join(self.mount, "f"), os.O_CREAT | os.O_RDWR)
        os.write(descriptor, b"before ")
        subprocess.run(["umount", "-i", "-l", self.mount], check=True)
        os.write(descriptor, b"after")
        os.close(descriptor)
        made.check_exit()
        with open(os.path.join(self.backing, "f")) as stream:
            self.assertEqual(stream.read(), "before after")

    def test_sync_brings_everything_to_the_backing_directory(self):
        made = self.start(writeback="1h", commit="1h")
        fill(self.mount)
        self.ctl("sync", self.mount)
        self.assertEqual(tree.differences(tree.snapshot(self.backing), tree.snapshot(self.mount),
                                          times="all"), [])
        made.unmount()

    def test_writeback_by_age(self):
        made = self.start(writeback="500ms", commit="200ms")
        with open(os.path.join(self.mount, "f"), "wb") as stream:
            stream.write(pattern(200 * K, 1))
        end = time.monotonic() + 10
        there = os.path.join(self.backing, "f")
        while time.monotonic() < end:
            with open(there, "rb") as stream:
                if stream.read() == pattern(200 * K, 1):
                    break
            time.sleep(0.05)
        else:
            self.fail("writeback=500ms, and after 10 s the data is not in the backing file")
        self.assertEqual(os.stat(there).st_mtime_ns,
                         os.stat(os.path.join(self.mount, "f")).st_mtime_ns)
        made.unmount()

    def sectors_written(self):
        with open(f"/sys/block/{os.path.basename(self.disk.device)}/stat") as line:
            return int(line.read().split()[6])

    def test_nothing_writes_when_nothing_happens(self):
        made = self.start(writeback="200ms", commit="100ms")
        fill(self.mount)
        self.ctl("sync", self.mount)
        time.sleep(1)
        subprocess.run(["sync", "-f", self.disk.path], check=True)
        before = self.sectors_written()
        time.sleep(2)
        subprocess.run(["sync", "-f", self.disk.path], check=True)
        self.assertLess(self.sectors_written() - before, 200, "sectors written while idle")
        made.unmount()

    def test_unlinked_files_never_reach_the_device(self):
        made = self.start(writeback="1h", commit="1h", arena="256M", dirty="200M")
        before = self.sectors_written()
        for index in range(20):
            path = os.path.join(self.mount, f"temporary{index}")
            with open(path, "wb") as stream:
                stream.write(pattern(4 << 20, index))
            os.unlink(path)
        written = self.sectors_written() - before
        self.assertLess(written * 512, 20 << 20, "80 MB of temporary files reached the device")
        made.unmount()
        self.assert_only(self.backing)


def overlayfs():
    with open("/proc/filesystems") as known:
        return "overlay" in known.read()


class Helper(RamfsCase):
    """/sbin/umount.fuse.ramfs is ramfsctl by another name."""

    def helper(self):
        directory = self.scratch.directory("sbin")
        os.symlink(features.binary("ramfsctl"), os.path.join(directory, "umount.fuse.ramfs"))
        return directory

    def filled(self):
        made = self.start(writeback="1h", commit="1h")
        fill(self.mount)
        return made, tree.snapshot(self.mount)

    def left(self, made, seen):
        """At once after the unmount returned: everything is in place and the daemon gone."""
        self.assertFalse(daemon.is_running(made.process.pid), "the daemon still runs")
        self.assertEqual(tree.differences(tree.snapshot(self.backing), seen, times="all"), [])
        made.check_exit()

    def test_the_helper_itself(self):
        helper = os.path.join(self.helper(), "umount.fuse.ramfs")
        made, seen = self.filled()
        subprocess.run([helper, self.mount], check=True, timeout=60)
        self.left(made, seen)

    def test_umount_8_runs_the_helper_and_waits(self):
        """As installed: a private /sbin holds the helper."""
        if not overlayfs():
            self.skipTest("needs overlayfs for a private /sbin")
        layers = f"lowerdir={self.helper()}:/usr/sbin"

        def action():
            made, seen = self.filled()
            subprocess.run(["umount", self.mount], check=True, timeout=60)
            self.left(made, seen)
        self.with_mounts([("-t", "overlay", "overlay", "-o", layers, "/usr/sbin")], action)


if __name__ == "__main__":
    case.main()
