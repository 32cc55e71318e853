#!/usr/bin/env python3
"""Every way in: background, over the backing directory itself, mount(8), fstab, as a user, ro."""

import os
import shutil
import stat
import subprocess
import time

from harness import case, daemon, disks, features
from harness.ramfs_case import RamfsCase, daemons_of, stop

USER = 65534


class Mounting(RamfsCase):
    def leave(self, mount=None, user=None):
        """ramfsctl umount, and the background daemon is gone afterwards."""
        mount = mount or self.mount
        pids = daemons_of(mount)
        self.addCleanup(lambda: [stop(pid) for pid in pids])
        self.assertEqual(len(pids), 1, "one daemon serves the mount")
        done = subprocess.run([features.binary("ramfsctl"), "umount", mount], text=True, user=user,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(daemons_of(mount), [], "umount returned before the daemon was gone")
        self.assertFalse(daemon.fuse_mounted(mount))

    def entry(self, mount=None):
        with open("/proc/self/mounts", encoding="utf-8") as table:
            for line in table:
                fields = line.split()
                if fields[1] == (mount or self.mount) and fields[2].startswith("fuse"):
                    return fields
        self.fail("no such mount")

    def test_it_returns_when_usable(self):
        made = self.daemon()
        started = time.monotonic()
        subprocess.run(made.command(foreground=False), check=True, stdin=subprocess.DEVNULL,
                       timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(os.path.join(self.mount, "f"), "w") as stream:  # at once
            stream.write("usable")
        self.assertLess(time.monotonic() - started, 10)
        fields = self.entry()
        self.assertEqual(fields[2], "fuse.ramfs")
        self.assertEqual(fields[0], self.backing)
        options = fields[3].split(",")
        self.assertIn("allow_other", options)
        self.assertIn("default_permissions", options)
        self.leave()
        self.assert_only(self.backing, "f")
        made.check_log()

    def test_over_the_backing_directory_itself(self):
        with open(os.path.join(self.backing, "before"), "w") as stream:
            stream.write("from before")
        made = self.daemon(mount=self.backing)
        subprocess.run(made.command(foreground=False), check=True, stdin=subprocess.DEVNULL,
                       timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: [stop(pid) for pid in daemons_of(self.backing)])
        with open(os.path.join(self.backing, "before")) as stream:
            self.assertEqual(stream.read(), "from before")
        with open(os.path.join(self.backing, "during"), "w") as stream:
            stream.write("made during")
        os.rename(os.path.join(self.backing, "before"), os.path.join(self.backing, "renamed"))
        self.leave(self.backing)
        self.assert_only(self.backing, "during", "renamed")
        with open(os.path.join(self.backing, "during")) as stream:
            self.assertEqual(stream.read(), "made during")
        made.check_log()

    def as_installed(self, action):
        """mount(8) finds ramfs in the standard path only, so a private /usr/local/bin holds it."""
        if not shutil.which("mount.fuse3", path=disks.TOOLS["PATH"]):
            self.skipTest("needs mount.fuse3")
        directory = self.scratch.directory("bin")
        for name in ("ramfs", "ramfsctl"):
            os.symlink(features.binary(name), os.path.join(directory, name))
        self.with_mounts([("--bind", directory, "/usr/local/bin")], action)

    def mount8(self, *arguments):
        done = subprocess.run(["mount", *arguments], env=disks.TOOLS, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.entry()[:3], [self.backing, self.mount, "fuse.ramfs"])

    def test_mount_8(self):
        made = self.daemon()

        def action():
            self.mount8("-t", "fuse.ramfs", self.backing, self.mount, "-o", made.option_string())
            with open(os.path.join(self.mount, "f"), "w") as stream:
                stream.write("x")
            os.mknod(os.path.join(self.mount, "null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
            with open(os.path.join(self.mount, "null"), "w") as stream:
                stream.write("devices work, as on a local filesystem")
            self.leave()
        self.as_installed(action)
        self.assert_only(self.backing, "f", "null")
        made.check_log()

    def test_fstab(self):
        made = self.daemon()
        table = os.path.join(self.state, "fstab")
        with open(table, "w") as stream:
            stream.write(f"{self.backing} {self.mount} fuse.ramfs defaults,noauto,nofail,_netdev,"
                         f"x-systemd.requires=/,{made.option_string()} 0 0\n")

        def action():
            self.mount8("-T", table, self.mount)
            with open(os.path.join(self.mount, "f"), "w") as stream:
                stream.write("x")
            self.leave()
        self.as_installed(action)
        self.assert_only(self.backing, "f")
        made.check_log()

    def as_user(self, *command):
        done = subprocess.run(command, user=USER, group=USER, extra_groups=[], text=True, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60,
                              stderr=subprocess.STDOUT, env=dict(disks.TOOLS, HOME=self.state))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_as_a_user(self):
        """An unprivileged user mounts with fusermount3, without passthrough, for himself only."""
        if not shutil.which("fusermount3"):
            self.skipTest("needs fusermount3")
        for path in (self.backing, self.mount, self.state):
            os.chown(path, USER, USER)
        directory = self.scratch.directory("bin")
        for name in ("ramfs", "ramfsctl"):  # the build directory may not be his to enter
            shutil.copy(features.binary(name), os.path.join(directory, name))
        made = self.daemon()
        command = made.command(foreground=False)
        command[0] = os.path.join(directory, "ramfs")

        def action():
            self.as_user(*command)
            self.as_user("sh", "-c", f"set -e; cd {self.mount}; echo hello > f; mkdir d; "
                         "mv f d/g; cat d/g; chmod 4755 d/g; ls -l d; ln d/g d/h; sync d/g")
            self.assertEqual(self.entry()[2], "fuse.ramfs")
            with self.assertRaises(PermissionError):  # root is not let in without allow_other
                os.listdir(self.mount)
            self.as_user(os.path.join(directory, "ramfsctl"), "umount", self.mount)
        # Containers often keep /dev/fuse for root; everywhere else it is open to all.
        device = os.path.join(self.scratch.path, "fuse")
        os.mknod(device, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(device, 0o666)
        self.with_mounts([("--bind", device, "/dev/fuse")], action)
        self.assert_only(self.backing, "d")
        with open(os.path.join(self.backing, "d", "g")) as stream:
            self.assertEqual(stream.read(), "hello\n")
        self.assertEqual(os.stat(os.path.join(self.backing, "d", "g")).st_mode & 0o7777, 0o4755)
        made.check_log()

    def test_read_only(self):
        with open(os.path.join(self.backing, "f"), "w") as stream:
            stream.write("content")
        made = self.start(ro=True)
        self.assertIn("ro", self.entry()[3].split(","))
        path = os.path.join(self.mount, "f")
        with open(path) as stream:
            self.assertEqual(stream.read(), "content")
        for attempt in (lambda: open(path, "w"), lambda: os.unlink(path),
                        lambda: os.mkdir(self.mount + "/d"), lambda: os.chmod(path, 0o600),
                        lambda: os.truncate(path, 0), lambda: os.utime(path),
                        lambda: os.setxattr(path, "user.a", b"1")):
            with self.assertRaises(OSError) as raised:
                attempt()
            self.assertEqual(raised.exception.errno, 30)
        made.unmount()

    def test_a_mount_point_with_spaces(self):
        odd = self.scratch.directory("a mount\tpoint, with: odd 'characters'")
        made = self.daemon(mount=odd)
        made.command(foreground=False)
        subprocess.run(made.command(foreground=False), check=True, stdin=subprocess.DEVNULL,
                       timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(os.path.join(odd, "f"), "w") as stream:
            stream.write("x")
        self.leave(odd)
        self.assert_only(self.backing, "f")

    def test_two_mounts_side_by_side(self):
        other = self.second_backing()
        one = self.start()
        two = self.daemon(backing=other, mount=self.scratch.directory("mnt2"),
                          state=self.scratch.directory("state2")).start()
        for which, made in (("one", one), ("two", two)):
            with open(os.path.join(made.mount, "f"), "w") as stream:
                stream.write(which)
        one.unmount()
        with open(os.path.join(two.mount, "f")) as stream:
            self.assertEqual(stream.read(), "two")
        two.unmount()


if __name__ == "__main__":
    case.main()
