"""Private directories and ext4 filesystems on loop devices, gone again on every exit path."""

import atexit
import fcntl
import os
import re
import shutil
import struct
import subprocess
import tempfile

EXT4_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)
NO_LOG_FLUSH = 2
TOOLS = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")


def run(*command, **options):
    """Runs a command that has to succeed; its output is in the exception when it does not."""
    done = subprocess.run(command, env=TOOLS, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def mounted():
    """[(mount point, type)] of what is mounted, oldest first."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:
        fields = [line.split() for line in table]
    # Blanks are written in octal.
    return [(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field[1]), field[2])
            for field in fields]


def is_mounted(path):
    return any(place == path for place, _ in mounted())


class Scratch:
    """A private directory. close() unmounts what is left below it, newest first, and removes it."""

    def __init__(self, base=None):
        self.path = tempfile.mkdtemp(prefix="ramfs-t-", dir=base)
        os.chmod(self.path, 0o755)  # other users of the tests pass through it
        self.tag = os.path.basename(self.path).removeprefix("ramfs-t-")
        self.owner_ = os.getpid()
        self.undo_ = []
        atexit.register(self.close)

    def directory(self, name, mode=0o755):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    def backing(self, disk):
        """A directory on `disk` with a name that no other test's backing directory has."""
        path = os.path.join(disk.path, f"data-{self.tag}")
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def on_close(self, action):
        self.undo_.append(action)

    def close(self):
        if os.getpid() != self.owner_ or self.path is None:
            return  # a forked child inherits atexit, but not the duty
        while self.undo_:
            try:
                self.undo_.pop()()
            except (OSError, RuntimeError) as error:
                print(f"# clean-up: {error}")
        left = [place for place, _ in mounted() if place.startswith(self.path + "/")]
        for mount in reversed(left):
            subprocess.run(["umount", "-i", "-l", mount], check=False, env=TOOLS)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path = None


class Ext4:
    """An ext4 filesystem on a loop device over a sparse file, in RAM where /dev/shm has room."""

    def __init__(self, scratch, name, size="1G", options=(), in_ram=True):
        base = "/dev/shm" if in_ram and os.access("/dev/shm", os.W_OK) else scratch.path
        descriptor, self.image = tempfile.mkstemp(prefix=f"ramfs-t-{name}-", dir=base)
        os.close(descriptor)
        self.device = None
        self.path = scratch.directory(name)
        scratch.on_close(self.remove)
        run("truncate", "-s", size, self.image)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1",
            *options, self.image)
        self.device = run("losetup", "-f", "--show", self.image).strip()
        self.mount()

    def mount(self):
        run("mount", "-t", "ext4", self.device, self.path)

    def unmount(self):
        run("umount", self.path)

    def cut_power(self):
        """Everything unsynced is gone and all further I/O fails, as when the plug is pulled."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def remove(self):
        if is_mounted(self.path):
            subprocess.run(["umount", "-l", self.path], check=False, env=TOOLS)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], check=False, env=TOOLS)
            self.device = None
        if os.path.exists(self.image):
            os.unlink(self.image)
