"""A ramfs daemon under test: started, watched, unmounted, and held to what its log says."""

import glob
import os
import re
import shutil
import signal
import subprocess
import time

from harness import disks, features

START_SECONDS = float(os.environ.get("RAMFS_TEST_START_SECONDS", "60"))
STOP_SECONDS = float(os.environ.get("RAMFS_TEST_STOP_SECONDS", "120"))
TROUBLE = re.compile(r"\b(warning|warn|error|critical)\b|AddressSanitizer|ThreadSanitizer|"
                     r"LeakSanitizer|runtime error:|Assertion|terminate called", re.IGNORECASE)


class DaemonTrouble(AssertionError):
    """The daemon died, left with an error, or logged what the test did not expect."""


def wait_until(condition, seconds, step=0.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return condition()


class Daemon:
    """ramfs in the foreground over `backing` at `mount`, its files under `state`.

    `options` are added to those every test has; a value of None drops one.
    """

    def __init__(self, backing, mount, state, user=None, **options):
        self.backing, self.mount, self.state = backing, mount, state
        self.user = user
        os.makedirs(state, exist_ok=True)
        self.logfile = os.path.join(state, "daemon.log")
        self.stderr = os.path.join(state, "daemon.stderr")
        self.options = {"arena": "64M", "log": os.path.join(state, "log"),
                        "control": os.path.join(state, "control.sock"),
                        "logfile": self.logfile, "loglevel": "info"}
        extra = os.environ.get("RAMFS_TEST_OPTIONS", "")
        self.options.update(item.partition("=")[::2] for item in extra.split(",") if item)
        self.options.update({key: value for key, value in options.items()})
        self.allowed = []  # patterns of warnings the test provokes on purpose
        self.process = None

    def option_string(self):
        items = [key if value in ("", True) else f"{key}={value}"
                 for key, value in self.options.items() if value is not None]
        return ",".join(items)

    def command(self, foreground=True):
        return [features.binary("ramfs"), *(["-f"] if foreground else []),
                "-o", self.option_string(), self.backing, self.mount]

    def start(self):
        device = device_of(self.mount)
        with open(self.stderr, "ab") as stderr:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=stderr, stderr=stderr, user=self.user,
                                            extra_groups=[] if self.user else None)
        ready = wait_until(lambda: self.process.poll() is not None
                           or device_of(self.mount) != device, START_SECONDS)
        if not ready or self.process.poll() is not None:
            status = self.process.poll()
            self.kill()
            raise DaemonTrouble(f"ramfs did not mount (exit {status}): {self.output()}")
        return self

    def output(self):
        text = ""
        for path in (self.logfile, self.stderr):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as lines:
                    text += lines.read()
        return text

    def trouble(self):
        return [line for line in self.output().splitlines() if TROUBLE.search(line)
                and not any(re.search(pattern, line) for pattern in self.allowed)]

    def kill(self):
        """kill -9, and the dead mount taken away so that the next one can come."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if fuse_mounted(self.mount):
            subprocess.run(["umount", "-i", "-l", self.mount], check=False)

    def wait_exit(self):
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            stacks = thread_states(self.process.pid)
            self.kill()
            raise DaemonTrouble(f"the daemon did not exit within {STOP_SECONDS} s after the "
                                f"unmount: {stacks}\n{self.output()[-2000:]}") from None

    def unmount(self, way="ramfsctl"):
        """Unmounts, waits for the daemon, and fails on its exit status and on its log."""
        if way == "ramfsctl":
            done = subprocess.run([features.binary("ramfsctl"), "umount", self.mount],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=STOP_SECONDS)
            if done.returncode != 0:
                raise DaemonTrouble(f"ramfsctl umount: exit {done.returncode}: {done.stdout}")
        elif way in ("SIGTERM", "SIGINT", "SIGHUP"):
            self.process.send_signal(getattr(signal, way))
        else:
            command = {"umount -i": ["umount", "-i"], "fusermount3 -u": ["fusermount3", "-u"]}[way]
            subprocess.run([*command, self.mount], check=True)
        self.check_exit()

    def check_exit(self):
        status = self.wait_exit()
        if fuse_mounted(self.mount):
            raise DaemonTrouble(f"the daemon is gone (exit {status}), the mount is not")
        if status != 0:
            raise DaemonTrouble(f"the daemon's exit status is {status}: {self.output()[-3000:]}")
        self.check_log()

    def check_log(self):
        lines = self.trouble()
        if lines:
            shown = "\n  ".join(lines[:20])
            raise DaemonTrouble(f"unexpected lines in the daemon's log:\n  {shown}")


def forget_arena(backing):
    """Takes away what a killed daemon left in RAM, as a reboot does. How much was there: mounts.

    The tests' backing directories have names of their own, so that no other mount's arena is hit.
    """
    name = os.path.basename(backing)
    found = glob.glob(f"/run/ramfs/{name}-*") + glob.glob(f"/dev/shm/ramfs-*-{name}-*")
    mounts = [place for place, _ in disks.mounted()
              if any(place.startswith(top + "/") for top in found)]
    for place in reversed(mounts):
        subprocess.run(["umount", "-l", place], check=False)
    for top in found:
        shutil.rmtree(top, ignore_errors=True)
    return len(mounts)


def is_running(pid):
    """A zombie is gone: only its parent has not asked for the status yet."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def device_of(path):
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1


def fuse_mounted(path):
    return any(place == path and kind.startswith("fuse") for place, kind in disks.mounted())


def thread_states(pid):
    """Name, state and kernel function of each thread: where a daemon hangs."""
    lines = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            base = f"/proc/{pid}/task/{task}"
            with open(f"{base}/comm") as name, open(f"{base}/wchan") as where:
                lines.append(f"{name.read().strip()}:{where.read().strip()}")
        except OSError:
            continue
    return " ".join(lines)
