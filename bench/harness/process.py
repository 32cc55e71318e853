"""Commands, signals and /proc: everything that touches other processes.

Nothing here outlives the benchmark by accident: a command runs in its own session and is killed with
its children when we are interrupted, and stop_signals() turns every polite signal into an exception,
so that the ExitStacks above unmount and detach on every way out.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time


class Failed(Exception):
    """A command, a mount or a measurement did not work; the text says why."""


class Interrupted(BaseException):
    """A signal asked us to stop. Not an Exception: nothing but clean-up may catch it."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop_signals():
    """From here on SIGINT, SIGTERM and SIGHUP raise Interrupted, once."""

    def stop(number, _frame):
        # A second Ctrl-C must not cut the clean-up short.
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def _kill_group(child):
    os.killpg(child.pid, signal.SIGKILL)
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        # Waits in the kernel for a FUSE daemon that hangs; it ends when the mount is cut off.
        say(f"{child.args[0]} (pid {child.pid}) does not end yet")


def run(*command, cwd=None, env=None, timeout=600, accept=(0,), quiet=False):
    """Runs to the end, returns its standard output; Failed with its last words otherwise.

    Output goes through files, not pipes: a daemon that keeps its parent's descriptors open would
    otherwise hang us.
    """
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stderr=errors,
                stdout=subprocess.DEVNULL if quiet else output, start_new_session=True)
        except FileNotFoundError as error:
            raise Failed(f"{command[0]} is not installed (scripts/deps installs it)") from error
        try:
            status = child.wait(timeout)
        except BaseException as error:
            _kill_group(child)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"{command[0]} did not end within {timeout} s") from error
            raise
        errors.seek(0)
        output.seek(0)
        if status not in accept:
            words = errors.read().decode(errors="replace")
            words = words or output.read().decode(errors="replace")
            raise Failed(f"{os.path.basename(command[0])}: exit {status}: {_last_line(words)}")
        return output.read().decode(errors="replace")


def seconds(*command, **options):
    """Wall time of a command whose output nobody reads."""
    start = time.perf_counter()
    run(*command, quiet=True, **options)
    return time.perf_counter() - start


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


def wait_until(condition, limit_s, step_s=0.02):
    """True as soon as the condition holds, False after limit_s."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True


def alive(pid):
    """A zombie nobody reaps has ended as far as we care."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def daemons_of(program, mountpoint):
    """Process ids of `program … mountpoint`, however it put itself into the background."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or not alive(entry):
            continue
        try:
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (os.path.basename(words[0]) == os.fsencode(os.path.basename(program))
                and os.fsencode(mountpoint) in words):
            found.append(int(entry))
    return found


def end_daemon(pid, limit_s=10):
    """Ends a daemon we started and that would not go by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not alive(pid):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        wait_until(lambda: not alive(pid), limit_s)
