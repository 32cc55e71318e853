"""Where backing directories live: the real disk for fsync, an ext4 in RAM for all that costs CPU.

A disk's journal and discards would drown a difference of some percent in a job that never waits for
the disk, so those jobs run on an ext4 on a loop device over a file in /dev/shm.
"""

import contextlib
import os
import pathlib
import shutil
import tempfile

from harness.process import Failed, run, say


def mounts():
    """[(source, mount point, type)] as the kernel sees them, latest last."""
    table = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            source, where, kind = line.split()[:3]
            table.append((source, where.replace("\\040", " "), kind))
    return table


def filesystem_of(path):
    """Type of the filesystem a path lies on."""
    path = os.path.realpath(path)
    best = ("", "unknown")
    for _source, where, kind in mounts():
        inside = path == where or path.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= len(best[0]):
            best = (where, kind)
    return best[1]


def free_memory():
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


class Area:
    """A directory to put backing directories into, and how to make it fresh again."""

    def __init__(self, root, in_ram):
        self.root = pathlib.Path(root)
        self.in_ram = in_ram
        self.filesystem = filesystem_of(root)

    def fresh(self, name):
        """An empty directory; in RAM the freed blocks go back, so that all targets start alike."""
        path = self.root / name
        if path.exists():
            shutil.rmtree(path)
        if self.in_ram:
            run("fstrim", self.root)
        path.mkdir()
        return path


@contextlib.contextmanager
def on_disk(directory):
    try:
        root = tempfile.mkdtemp(prefix="ramfs-bench-", dir=directory)
    except OSError as error:
        raise Failed(f"--dir {directory}: {error.strerror}") from error
    try:
        yield Area(root, in_ram=False)
    finally:
        remove_tree(root)


@contextlib.contextmanager
def in_ram(size_bytes, inodes=None):
    """An ext4 of this size on a loop device over a sparse file in /dev/shm."""
    if free_memory() < size_bytes:
        raise Failed(f"needs {size_bytes >> 20} MB of free memory for the ext4 in RAM, "
                     f"has {free_memory() >> 20}: use a smaller --size")
    with contextlib.ExitStack() as stack:
        root = tempfile.mkdtemp(prefix="ramfs-bench-", dir="/dev/shm")
        stack.callback(remove_tree, root)
        image = os.path.join(root, "ext4.img")
        with open(image, "wb") as file:
            file.truncate(size_bytes)
        # Initialised at once: a background thread that zeroes inode tables would be measured too.
        count = ["-N", str(inodes)] if inodes else []
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", *count, image)
        device = run("losetup", "--find", "--show", image).strip()
        stack.callback(_try, "losetup", "-d", device)
        where = os.path.join(root, "mnt")
        os.mkdir(where)
        run("mount", "-t", "ext4", device, where)
        stack.callback(unmount, where)
        yield Area(where, in_ram=True)


def _try(*command):
    try:
        run(*command)
    except Failed as error:
        say(f"clean-up: {error}")


def is_mounted(path):
    return any(where == str(path) for _source, where, _kind in mounts())


def unmount(path):
    """Unmounts, by force if need be, and says so: a lazy unmount is no clean one."""
    if not is_mounted(path):
        return
    try:
        run("umount", path, timeout=60)
    except Failed as error:
        say(f"clean-up: {error}; detaching it lazily")
        _try("umount", "-l", path)


def remove_tree(root):
    """Removes our scratch directory, never through something still mounted below it."""
    inside = [where for _source, where, _kind in mounts() if where.startswith(str(root) + "/")]
    if inside:
        say(f"clean-up: {inside[0]} is still mounted, {root} is left in place")
        return
    shutil.rmtree(root, ignore_errors=True)
