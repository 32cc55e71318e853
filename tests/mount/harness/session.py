"""System calls whose outcomes are written down, so that two filesystems can be compared.

A scenario is a function that takes a Session. It runs once on the filesystem under test and once on
bare ext4, each time in a child process and a directory of its own; the two traces must be equal.
What differs between any two filesystems by nature (inode numbers, times of now) is left out.
"""

import contextlib
import os
import pickle
import stat
import sys
import time
import traceback

from harness import syscalls
from harness.recording import Descriptor, Err, digest, errno_name, recorded
from harness.session_data import DataCalls

NOBODY = 65534


class Gone(Exception):
    """A scenario's own check did not hold."""


class Session(DataCalls):
    """Calls on names."""

    def __init__(self):
        self.trace, self.opened_ = [], 0

    def note(self, name, arguments, result):
        shown = tuple(digest(argument) for argument in arguments)
        self.trace.append((name, shown, digest(result)))
        return result

    def user(self, uid, gid=None, groups=()):
        return as_user(uid, uid if gid is None else gid, groups)

    def stat(self, path):
        return self.attributes(path, True)

    def lstat(self, path):
        return self.attributes(path, False)

    def attributes(self, path, follow):
        """Mode, links, owner, size and device: what must be equal on both sides."""
        try:
            found = os.stat(path, follow_symlinks=follow)
        except OSError as error:
            return self.note("stat", (path,), errno_name(error.errno))
        return self.note("stat", (path,), comparable(found))

    def fstat(self, descriptor):
        if isinstance(descriptor, Err):
            return descriptor
        return self.note("fstat", (descriptor,), comparable(os.fstat(descriptor)))

    def same_inode(self, one, other):
        try:
            a, b = os.lstat(one), os.lstat(other)
            result = (a.st_ino, a.st_dev) == (b.st_ino, b.st_dev)
        except OSError as error:
            result = errno_name(error.errno)
        return self.note("same_inode", (one, other), result)

    def effects(self, action, *paths):
        """Which of mtime and ctime of `paths` an action moves, e.g. ['mc', 'c']."""
        before = [stamps(path) for path in paths]
        time.sleep(0.012)  # longer than a tick of the kernel's coarse clock
        action()
        changed = []
        for path, (mtime, ctime) in zip(paths, before):
            now = stamps(path)
            changed.append(("m" if now[0] != mtime else "") + ("c" if now[1] != ctime else ""))
        what = f"effects of call {len(self.trace) - 1}, {self.trace[-1][:2]}"
        return self.note(what, paths, changed)

    def check(self, condition, message):
        """A fact that must hold on both sides, said in the scenario itself."""
        if not condition:
            raise Gone(message)

    @recorded
    def open(self, path, flags=os.O_RDONLY, mode=0o666):
        self.opened_ += 1
        return Descriptor(os.open(path, flags, mode), f"fd {self.opened_} of {brief(path)}")

    @recorded
    def close(self, descriptor):
        os.close(descriptor)

    @recorded
    def mkdir(self, path, mode=0o777):
        os.mkdir(path, mode)

    @recorded
    def rmdir(self, path):
        os.rmdir(path)

    @recorded
    def unlink(self, path):
        os.unlink(path)

    @recorded
    def rename(self, old, new, flags=None):
        if flags is None:
            os.rename(old, new)
        else:
            syscalls.renameat2(old, new, flags)

    @recorded
    def link(self, old, new):
        os.link(old, new, follow_symlinks=False)

    @recorded
    def link_descriptor(self, descriptor, new):
        syscalls.linkat_descriptor(descriptor, new)

    @recorded
    def symlink(self, target, path):
        os.symlink(target, path)

    @recorded
    def readlink(self, path):
        return os.readlink(path)

    @recorded
    def mknod(self, path, mode, device=0):
        os.mknod(path, mode, device)

    @recorded
    def chmod(self, path, mode):
        os.chmod(path, mode)

    @recorded
    def chown(self, path, uid, gid, follow=True):
        os.chown(path, uid, gid, follow_symlinks=follow)

    @recorded
    def truncate(self, path, size):
        os.truncate(path, size)

    @recorded
    def utimens(self, path, times, flags=0):
        syscalls.utimensat(path, times, flags)

    @recorded
    def times(self, path):
        found = os.lstat(path)
        return (found.st_atime_ns, found.st_mtime_ns)

    @recorded
    def mtime(self, path):
        return os.lstat(path).st_mtime_ns

    @recorded
    def mtime_if_old(self, path):
        """A time that was set explicitly; that of a write just now is no two sides' same."""
        found = os.lstat(path).st_mtime_ns
        return found if found < 1_500_000_000 * 10**9 else "recent"

    @recorded
    def access(self, path, mode, flags=0):
        syscalls.faccessat(path, mode, flags)

    @recorded
    def listdir(self, path="."):
        return sorted(os.listdir(path))

    @recorded
    def chdir(self, path):
        os.chdir(path)

    @recorded
    def umask(self, mask):
        os.umask(mask)

    @recorded
    def setxattr(self, path, name, value, flags=0, follow=True):
        os.setxattr(path, name, value, flags, follow_symlinks=follow)

    @recorded
    def getxattr(self, path, name, follow=True):
        return os.getxattr(path, name, follow_symlinks=follow)

    @recorded
    def removexattr(self, path, name, follow=True):
        os.removexattr(path, name, follow_symlinks=follow)

    @recorded
    def listxattr(self, path, follow=True):
        return sorted(os.listxattr(path, follow_symlinks=follow))

    def file(self, path, content=b"", mode=0o644):
        """Makes a file with content, not recorded beyond its outcome."""
        descriptor = self.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, mode)
        if not isinstance(descriptor, Err):
            if content:
                self.write(descriptor, content)
            self.close(descriptor)
        return descriptor


def comparable(found):
    size = -1 if stat.S_ISDIR(found.st_mode) else found.st_size  # a directory's is its history
    return (oct(found.st_mode), found.st_nlink, found.st_uid, found.st_gid, size, found.st_rdev)


def brief(path):
    return path if len(path) < 40 else "…" + path[-20:]


def stamps(path):
    try:
        found = os.lstat(path)
    except OSError:
        return (None, None)
    return (found.st_mtime_ns, found.st_ctime_ns)


@contextlib.contextmanager
def as_user(uid, gid, groups=()):
    """Effective ids and groups for a while; the real uid stays 0 so that the way back is open."""
    os.setgroups(list(groups))
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def perform(directory, scenario):
    """Runs a scenario in a child process below `directory`: (trace, error text or None)."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        session, problem = Session(), None
        try:
            os.umask(0o022)
            os.setgroups([])
            os.chdir(directory)
            scenario(session)
        except BaseException:  # the parent reports whatever it was
            problem = traceback.format_exc()
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump((session.trace, problem), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        raw = pipe.read()
    status = os.waitpid(child, 0)[1]
    if not raw:
        return [], f"the child died with status {status}"
    return pickle.loads(raw)
