#!/usr/bin/env python3
"""Locks between processes: flock, POSIX record locks, open-file-description locks."""

import fcntl
import os
import signal
import time

from harness import case, syscalls

READ, WRITE, FREE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def elsewhere(function):
    """What `function` ends with in another process: 0, or its errno."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if function() is None else 255)
        except OSError as error:
            os._exit(error.errno)
    return os.waitpid(child, 0)[1] >> 8


def asked(function):
    """The answer of `function` in another process, through a pipe."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, repr(function()).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def flock(path, kind):
    def attempt():
        fcntl.flock(os.open(path, os.O_RDWR), kind | fcntl.LOCK_NB)
    return attempt


def posix(path, kind, start, length):
    return lambda: syscalls.posix_lock(os.open(path, os.O_RDWR), kind, start, length)


def ofd(path, kind, start, length):
    return lambda: syscalls.ofd_lock(os.open(path, os.O_RDWR), kind, start, length)


class Locks(case.MountCase):
    def test_flock(self):
        def scenario(s):
            s.file("f", b"x")
            fd = s.open("f", os.O_RDWR)
            fcntl.flock(fd, fcntl.LOCK_SH)
            s.note("shared", (), elsewhere(flock("f", fcntl.LOCK_SH)))
            s.note("exclusive", (), elsewhere(flock("f", fcntl.LOCK_EX)))
            fcntl.flock(fd, fcntl.LOCK_EX)
            s.note("shared", (), elsewhere(flock("f", fcntl.LOCK_SH)))
            twin = os.dup(fd)
            s.close(fd)
            s.note("held by the copy", (), elsewhere(flock("f", fcntl.LOCK_SH)))
            fcntl.flock(twin, fcntl.LOCK_UN)
            s.note("free", (), elsewhere(flock("f", fcntl.LOCK_EX)))
            fcntl.flock(twin, fcntl.LOCK_EX)
            os.close(twin)
            s.note("closed", (), elsewhere(flock("f", fcntl.LOCK_EX)))
            directory = s.open(".", os.O_RDONLY)
            fcntl.flock(directory, fcntl.LOCK_EX)
            s.note("directory", (), elsewhere(lambda: fcntl.flock(
                os.open(".", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)))
        self.compare(scenario)

    def test_posix_locks(self):
        def scenario(s):
            s.file("f", b"x" * 1000)
            fd = s.open("f", os.O_RDWR)
            syscalls.posix_lock(fd, WRITE, 100, 100)
            syscalls.posix_lock(fd, READ, 300, 0)
            for kind, start, length in ((READ, 0, 100), (READ, 199, 1), (WRITE, 200, 100),
                                        (READ, 300, 10), (WRITE, 5000, 1), (READ, 0, 0)):
                s.note("attempt", (kind, start, length), elsewhere(posix("f", kind, start, length)))
                s.note("holder", (kind, start, length), asked(
                    lambda k=kind, a=start, n=length: syscalls.lock_holder(
                        os.open("f", os.O_RDWR), k, a, n)))
            syscalls.posix_lock(fd, FREE, 150, 10)
            s.note("the hole", (), elsewhere(posix("f", WRITE, 150, 10)))
            s.note("before the hole", (), elsewhere(posix("f", WRITE, 140, 11)))
            s.close(s.open("f"))  # any close of the file drops the process's locks
            s.note("dropped", (), elsewhere(posix("f", WRITE, 0, 0)))
        self.compare(scenario)

    def test_open_file_description_locks(self):
        def scenario(s):
            s.file("f", b"x" * 1000)
            fd = s.open("f", os.O_RDWR)
            syscalls.ofd_lock(fd, WRITE, 0, 10)
            s.close(s.open("f"))  # does not drop it
            s.note("other process", (), elsewhere(ofd("f", READ, 5, 1)))
            s.note("record lock", (), elsewhere(posix("f", READ, 5, 1)))
            try:
                syscalls.ofd_lock(os.open("f", os.O_RDWR), READ, 5, 1)
                outcome = "granted"
            except OSError as error:
                outcome = error.errno
            s.note("same process", (), outcome)
            s.note("holder", (), asked(lambda: syscalls.lock_holder(
                os.open("f", os.O_RDWR), WRITE, 0, 0, syscalls.F_OFD_GETLK)))
            s.close(fd)
            s.note("after close", (), elsewhere(ofd("f", WRITE, 0, 0)))
        self.compare(scenario)

    def test_waiting_for_a_lock(self):
        def scenario(s):
            s.file("f", b"x")
            for kind in ("flock", "posix"):
                ready, go = os.pipe()
                holder = os.fork()
                if holder == 0:
                    fd = os.open("f", os.O_RDWR)
                    take(kind, fd)
                    os.write(go, b"!")
                    time.sleep(0.3)
                    os._exit(0)  # which lets go
                os.read(ready, 1)
                start = time.monotonic()
                take(kind, os.open("f", os.O_RDWR))
                waited = time.monotonic() - start
                s.note(kind, (), 0.1 < waited < 3)
                os.waitpid(holder, 0)
        self.compare(scenario)

    def test_a_waiter_can_be_interrupted(self):
        def scenario(s):
            s.file("f", b"x")
            for kind in ("flock", "posix"):
                fd = os.open("f", os.O_RDWR)
                take(kind, fd)
                waiter = os.fork()
                if waiter == 0:
                    signal.signal(signal.SIGALRM, interrupted)
                    signal.setitimer(signal.ITIMER_REAL, 0.2)
                    try:
                        take(kind, os.open("f", os.O_RDWR))
                    except InterruptedError:
                        os._exit(4)
                    os._exit(0)
                s.note(kind, (), os.waitpid(waiter, 0)[1] >> 8)
                os.close(fd)
        self.compare(scenario)

    def test_a_killed_holder_lets_go(self):
        def scenario(s):
            s.file("f", b"x")
            for kind in ("flock", "posix"):
                ready, go = os.pipe()
                holder = os.fork()
                if holder == 0:
                    take(kind, os.open("f", os.O_RDWR))
                    os.write(go, b"!")
                    signal.pause()
                os.read(ready, 1)
                os.kill(holder, signal.SIGKILL)
                os.waitpid(holder, 0)
                take(kind, os.open("f", os.O_RDWR))
                s.note(kind, (), "taken over")
        self.compare(scenario)


def interrupted(*_):
    raise InterruptedError


def take(kind, descriptor):
    if kind == "flock":
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)


if __name__ == "__main__":
    case.main()
