"""The filesystem under test over an ext4 directory. RAMFS_TEST_SUBJECT chooses it:

  ramfs   the product (default)
  plain   the ext4 directory itself: every differential test must pass then, which tests the tests
  bindfs  another stacked filesystem: shows that differences are found
"""

import os
import subprocess

from harness import daemon, features


def kind():
    return os.environ.get("RAMFS_TEST_SUBJECT", "ramfs")


class Plain:
    def __init__(self, backing, **_):
        self.backing = self.mount = backing

    def start(self):
        return self

    def unmount(self):
        pass

    def kill(self):
        pass


class Bindfs:
    def __init__(self, backing, mount, **_):
        self.backing, self.mount = backing, mount

    def start(self):
        subprocess.run(["bindfs", "-o", "default_permissions", self.backing, self.mount],
                       check=True)
        return self

    def unmount(self):
        subprocess.run(["umount", self.mount], check=True)
        daemon.wait_until(lambda: not daemon.fuse_mounted(self.mount), 5)

    def kill(self):
        subprocess.run(["umount", "-l", self.mount], check=False, stderr=subprocess.DEVNULL)


def make(backing, mount, state, **options):
    if kind() == "plain":
        return Plain(backing)
    features.need_fuse()
    if kind() == "bindfs":
        return Bindfs(backing, mount)
    return daemon.Daemon(backing, mount, state, **options)
