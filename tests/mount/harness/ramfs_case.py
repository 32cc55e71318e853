"""Tests of ramfs itself: a disk and a private directory for each test, daemons started by it."""

import os
import signal
import subprocess
import sys
import traceback
import unittest

from harness import daemon, disks, features, subjects, syscalls


class RamfsCase(unittest.TestCase):
    disk_size = "1G"
    in_ram = True

    def setUp(self):
        if subjects.kind() != "ramfs":
            self.skipTest("is about ramfs itself")
        features.need_fuse()
        self.scratch = disks.Scratch()
        self.addCleanup(self.scratch.close)
        self.disk = disks.Ext4(self.scratch, "disk", self.disk_size, in_ram=self.in_ram)
        self.backing = self.scratch.backing(self.disk)
        self.scratch.on_close(lambda: daemon.forget_arena(self.backing))
        self.mount = self.scratch.directory("mnt")
        self.state = self.scratch.directory("state")

    def second_backing(self):
        path = self.backing + "-second"
        os.mkdir(path)
        self.scratch.on_close(lambda: daemon.forget_arena(path))
        return path

    def daemon(self, backing=None, mount=None, state=None, **options):
        """Not started. Whatever the test does, it is gone at its end."""
        made = daemon.Daemon(backing or self.backing, mount or self.mount, state or self.state,
                             **options)
        self.addCleanup(made.kill)
        return made

    def start(self, **options):
        return self.daemon(**options).start()

    def ctl(self, *arguments, status=0):
        done = subprocess.run([features.binary("ramfsctl"), *arguments], text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if status is not None:
            self.assertEqual(done.returncode, status, f"ramfsctl {arguments}: {done.stderr}")
        return done

    def with_mounts(self, mounts, action):
        """Runs `action` in a child that sees these mounts, the arguments of mount(8) each."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                syscalls.unshare_mounts()
                disks.run("mount", "--make-rprivate", "/")
                for arguments in mounts:
                    disks.run("mount", *arguments)
                action()
                status = 0
            except BaseException:  # whatever it was, the parent fails by the status
                traceback.print_exc()
            finally:
                for pid in daemons_of(self.mount):
                    stop(pid)
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def assert_only(self, directory, *names):
        """Nothing of ours is left in the backing directory."""
        self.assertEqual(sorted(set(os.listdir(directory)) - {"lost+found"}), sorted(names))


def pattern(size, seed):
    block = bytes((index * 7 + seed * 13) % 251 for index in range(65521))
    return (block * (size // len(block) + 1))[:size]


def stop(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def daemons_of(mount):
    """Pids of background daemons that serve `mount`, by their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                words = line.read().split(b"\0")
        except OSError:
            continue
        if os.fsencode(mount) in words and os.path.basename(words[0]).startswith(b"ramfs"):
            found.append(int(pid))
    return found
