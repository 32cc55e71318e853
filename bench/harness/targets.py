"""The filesystems side by side, each mounted fresh over its own backing directory.

A peer that failed to mount leaves the bare directory in its place, and figures of that would look
splendid. So a target counts as mounted only when the kernel's table says so and a file written
through it has been seen below; otherwise it is reported as "not mounted: reason".
"""

import contextlib
import os
import pathlib
import time

from harness.area import is_mounted, mounts, unmount
from harness.process import Failed, alive, daemons_of, end_daemon, run, say, wait_until

MARKER = ".ramfs-bench-marker"
DAEMON_EXIT_S = 120


class Target:
    """One filesystem. Subclasses say how to mount it and where written files must turn up."""

    name = ""
    kind = ()            # types /proc/mounts may show
    program = None       # the daemon, if there is one
    durable = True       # whether fsync keeps anything
    through = False      # files are laid through the mount, there is nothing to mount over

    def __init__(self, options):
        self.options = options

    def mount(self, place):
        raise NotImplementedError

    def unmount(self, place):
        run("umount", place.top, timeout=60)

    def below(self, place):
        """Directory in which a file written through the mount must appear, if there is one."""
        return place.backing

    def settle(self, place):
        """Makes what was written appear below."""

    def stage(self, _place):
        """What must stand before the mount and go after the last look below it."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def mounted(self, place):
        """Mounted and verified; on the way out unmounted, with the daemon gone."""
        with self.stage(place):
            try:
                self.mount(place)
                token = self._verify(place)
                place.pids = self._daemons(place)
                yield place
            finally:
                self._leave(place)
            self._verify_left(place, token)

    def _daemons(self, place):
        return daemons_of(self.program, str(place.top)) if self.program else []

    def _leave(self, place):
        pids = self._daemons(place)
        if is_mounted(place.top):
            try:
                self.unmount(place)
            except Failed as error:
                # A daemon that hangs holds up every umount, the lazy one too: it goes first.
                say(f"{self.name}: {error}; stopping its daemon")
                for pid in pids:
                    end_daemon(pid)
                unmount(place.top)
        for pid in pids:
            if not wait_until(lambda pid=pid: not alive(pid), DAEMON_EXIT_S):
                say(f"{self.name}: the daemon (pid {pid}) did not end, stopping it")
                end_daemon(pid)

    def _verify(self, place):
        if not self.kind:
            return None
        found = [kind for _source, where, kind in mounts() if where == str(place.top)]
        if not found or found[-1] not in self.kind:
            raise Failed(f"/proc/mounts shows {found[-1] if found else 'nothing'} at the mount "
                         f"point, not {' or '.join(self.kind)}")
        token = f"{self.name} {time.time_ns()}\n".encode()
        with open(place.top / MARKER, "wb") as file:
            file.write(token)
            os.fsync(file.fileno())
        below = self.below(place)
        if below is None:
            return None
        self.settle(place)
        if not wait_until((below / MARKER).exists, 5):
            raise Failed("a file written through the mount does not appear below it")
        return token

    def _verify_left(self, place, token):
        """After the unmount the bytes, not only the name, must be below."""
        if token is None:
            return
        try:
            left = (self.below(place) / MARKER).read_bytes()
        except OSError as error:
            raise Failed(f"after unmount the marker is gone: {error.strerror}") from error
        if left != token:
            raise Failed("after unmount the marker's bytes below differ from those written")


class Ext4(Target):
    name = "ext4"

    def mount(self, place):
        place.top = place.backing


class Tmpfs(Target):
    name, kind, durable, through = "tmpfs", ("tmpfs",), False, True

    def mount(self, place):
        run("mount", "-t", "tmpfs", "-o", "size=80%", "ramfs-bench", place.top)

    def below(self, place):
        return None


class Overlay(Target):
    """Upper on a tmpfs: what people use today to work in RAM over a directory."""

    name, kind, durable, through = "overlayfs", ("overlay",), False, True

    @contextlib.contextmanager
    def stage(self, place):
        ram = place.root / "ram"
        ram.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=80%", "ramfs-bench", ram)
        try:
            (ram / "upper").mkdir()
            (ram / "work").mkdir()
            yield
        finally:
            unmount(ram)

    def mount(self, place):
        ram = place.root / "ram"
        run("mount", "-t", "overlay", "ramfs-bench", "-o",
            f"lowerdir={place.backing},upperdir={ram}/upper,workdir={ram}/work", place.top)

    def below(self, place):
        return place.root / "ram" / "upper"


class Bindfs(Target):
    name, kind, program = "bindfs", ("fuse", "fuse.bindfs"), "bindfs"

    def mount(self, place):
        run("bindfs", place.backing, place.top, timeout=60)


class Mergerfs(Target):
    name, kind, program = "mergerfs", ("fuse.mergerfs",), "mergerfs"

    def mount(self, place):
        # Its default keeps 4 GB free on every branch, more than the ext4 in RAM has.
        run("mergerfs", "-o", "minfreespace=0", place.backing, place.top, timeout=60)


class Ramfs(Target):
    name, kind, program = "ramfs", ("fuse.ramfs",), "ramfs"

    def _binary(self):
        path = pathlib.Path(self.options.ramfs).absolute()
        if not os.access(path, os.X_OK):
            raise Failed(f"{self.options.ramfs} is not there (meson compile -C build)")
        return path

    def _control(self):
        path = self._binary().with_name("ramfsctl")
        return path if os.access(path, os.X_OK) else None

    def mount(self, place):
        log = place.root / "log"
        log.mkdir()
        options = f"arena={self.options.arena},log={log}"
        if self.options.ramfs_options:
            options += f",{self.options.ramfs_options}"
        run(self._binary(), "-o", options, place.backing, place.top, timeout=60)

    def settle(self, place):
        if self._control():
            run(self._control(), "sync", place.top, timeout=60)

    def unmount(self, place):
        if self._control():
            run(self._control(), "umount", place.top, timeout=180)
        else:
            run("umount", "-i", place.top, timeout=180)


ALL = {each.name: each for each in (Ext4, Tmpfs, Overlay, Bindfs, Mergerfs, Ramfs)}


class Place:
    """The directories of one target in one area: backing below, top where it is used."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.backing = self.root / "backing"
        self.top = self.root / "top"
        self.pids = []       # the daemon's, while mounted
        self.done = set()    # jobs run in this mount
        self.backing.mkdir()
        self.top.mkdir()
