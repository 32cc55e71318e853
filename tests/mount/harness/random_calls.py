"""Draws calls on a small namespace. What is drawn depends on the seed alone, never on outcomes
that two filesystems could differ in, except whether a descriptor was got."""

import os
import stat

from harness import syscalls
from harness.recording import Err
from harness.session import NOBODY

K = 1024
NAMES = ("a", "b", "c", "d", "e")
FLAGS = (0, 0, 0, os.O_APPEND, os.O_TRUNC, os.O_DIRECT, os.O_SYNC, os.O_DSYNC)
FALLOCATE = (0, 1, 3, 3, 16, 17)


class Player:
    def __init__(self, session, source, racing=False):
        self.s, self.random, self.racing_ = session, source, racing
        self.open_, self.direct_ = [], set()
        self.calls = [(weight, getattr(self, name)) for name, weight in {
            "open": 14, "close": 8, "write": 18, "read": 14, "truncate": 5, "ftruncate": 4,
            "fallocate": 5, "copy": 4, "map_store": 4, "map_load": 3, "direct": 4, "sync": 6,
            "mkdir": 4, "rmdir": 2, "unlink": 6, "rename": 8, "link": 5, "symlink": 2,
            "tmpfile": 2, "name_tmpfile": 2, "mknod": 1, "attributes": 6, "xattr": 6, "listing": 4,
            "look": 8, "seek": 3}.items()]
        for name in ("x", "y", "x/z"):
            session.mkdir(name, 0o777)
            session.chmod(name, 0o777)

    def step(self):
        weights = [weight for weight, _ in self.calls]
        call = self.random.choices([call for _, call in self.calls], weights)[0]
        if self.random.random() < 0.2:
            with self.s.user(self.random.choice((NOBODY, 1))):
                call()
        else:
            call()

    def finish(self):
        for descriptor in self.open_:
            self.s.fstat(descriptor)
            self.s.direct_read(descriptor, 4 << 20, 0)
            self.s.close(descriptor)
        self.read_all()

    def read_all(self):
        for directory in (".", "x", "y", "x/z"):
            for name in self.s.listdir(directory):
                path = f"{directory}/{name}"
                self.s.lstat(path)
                self.s.listxattr(path, False)
                if os.path.isfile(path) and not os.path.islink(path):
                    descriptor = os.open(path, os.O_RDONLY)
                    self.s.pread(descriptor, 4 << 20, 0)
                    os.close(descriptor)

    def path(self):
        directory = self.random.choice(("", "", "x/", "y/", "x/z/"))
        return directory + self.random.choice(NAMES)

    def descriptor(self, any_kind=False):
        """Bare ext4 refuses unaligned O_DIRECT, which FUSE takes: those get aligned calls only."""
        fit = [one for one in self.open_ if any_kind or one not in self.direct_]
        return self.random.choice(fit) if fit else Err("none open")

    def offset(self):
        scale = self.random.choice((10, 4 * K, 4 * K, 64 * K, 512 * K, 2048 * K))
        place = self.random.randrange(scale)
        return place // (4 * K) * 4 * K if self.random.random() < 0.4 else place

    def bytes(self):
        size = self.random.choice((1, 10, 100, 4 * K, 5000, 20 * K, 128 * K, 300 * K))
        return bytes([self.random.randrange(1, 256)]) * self.random.randint(1, size)

    def keep(self, descriptor, flags=0):
        if isinstance(descriptor, Err):
            return
        self.open_.append(descriptor)
        (self.direct_.add if flags & os.O_DIRECT else self.direct_.discard)(descriptor)
        if len(self.open_) > 8:
            self.s.close(self.open_.pop(self.random.randrange(8)))

    def open(self):
        flags = self.random.choice((os.O_RDONLY, os.O_RDWR, os.O_RDWR, os.O_WRONLY))
        flags |= self.random.choice(FLAGS) | os.O_NONBLOCK
        if self.random.random() < 0.7:
            flags |= os.O_CREAT
        if self.random.random() < 0.1:
            flags |= os.O_EXCL
        mode = self.random.choice((0o644, 0o666, 0o600))
        self.keep(self.s.open(self.path(), flags, mode), flags)

    def close(self):
        if self.open_:
            self.s.close(self.open_.pop(self.random.randrange(len(self.open_))))

    def write(self):
        if self.random.random() < 0.3:
            self.s.write(self.descriptor(), self.bytes())
        else:
            self.s.pwrite(self.descriptor(), self.bytes(), self.offset())

    def read(self):
        if self.random.random() < 0.3:
            self.s.read(self.descriptor(), self.random.choice((10, 5000, 256 * K)))
        else:
            self.s.pread(self.descriptor(), self.random.choice((10, 5000, 3 << 20)), self.offset())

    def truncate(self):
        self.s.truncate(self.path(), self.offset())

    def ftruncate(self):
        self.s.ftruncate(self.descriptor(), self.offset())

    def fallocate(self):
        self.s.fallocate(self.descriptor(), self.random.choice(FALLOCATE), self.offset(),
                         1 + self.offset())

    def copy(self):
        self.s.copy_range(self.descriptor(), self.descriptor(), 1 + self.offset(), self.offset(),
                          self.offset())

    def map_store(self):
        if self.racing_:
            return  # another's truncate under a mapping is SIGBUS, anywhere
        descriptor, data = self.descriptor(), self.bytes()
        size = self.size(descriptor)
        if size > len(data):
            self.s.store(descriptor, self.random.randrange(size - len(data)), data, size)

    def map_load(self):
        if self.racing_:
            return
        descriptor = self.descriptor()
        size = self.size(descriptor)
        if size:
            self.s.load(descriptor, 0, size, size, self.random.random() < 0.5)

    @staticmethod
    def size(descriptor):
        if isinstance(descriptor, Err):
            return 0
        found = os.fstat(descriptor)
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def direct(self):
        place, size = self.offset() // 4096 * 4096, 4096 * self.random.randint(1, 32)
        if self.random.random() < 0.5:
            self.s.direct_write(self.descriptor(True), b"D", size, place)
        else:
            self.s.direct_read(self.descriptor(True), size, place)

    def sync(self):
        call = self.random.choice((self.s.fsync, self.s.fdatasync))
        call(self.descriptor(True))

    def seek(self):
        self.s.holes_are_zeros(self.descriptor())

    def mkdir(self):
        self.s.mkdir(self.path(), self.random.choice((0o777, 0o755, 0o2777, 0o1777)))

    def rmdir(self):
        self.s.rmdir(self.path())

    def unlink(self):
        self.s.unlink(self.path())

    def rename(self):
        flags = self.random.choice((None, None, None, 1, 2, 2, 4))
        self.s.rename(self.path(), self.path(), flags)

    def link(self):
        self.s.link(self.path(), self.path())

    def symlink(self):
        self.s.symlink(self.random.choice(NAMES), self.path())

    def tmpfile(self):
        where = self.random.choice((".", "x", "y"))
        self.keep(self.s.open(where, os.O_TMPFILE | os.O_RDWR, 0o644))

    def name_tmpfile(self):
        self.s.link_descriptor(self.descriptor(), self.path())

    def mknod(self):
        self.s.mknod(self.path(), self.random.choice((stat.S_IFIFO, stat.S_IFREG)) | 0o666)

    def attributes(self):
        which = self.random.randrange(4)
        if which == 0:
            mode = self.random.choice((0o644, 0o600, 0o777, 0o4755, 0o2775, 0o666))
            self.s.chmod(self.path(), mode)
        elif which == 1:
            self.s.chown(self.path(), self.random.choice((0, 1, NOBODY)), -1,
                         self.random.random() < 0.5)
        elif which == 2:
            old = (1_000_000_000 + self.random.randrange(10**8), self.random.randrange(10**9))
            self.s.utimens(self.path(), (old, old))
        else:
            self.s.mtime_if_old(self.path())

    def xattr(self):
        name = self.random.choice(("user.one", "user.two", "trusted.t"))
        which = self.random.randrange(3)
        if which == 0:
            self.s.setxattr(self.path(), name, self.bytes()[:1000], self.random.randrange(3))
        elif which == 1:
            self.s.getxattr(self.path(), name)
        else:
            self.s.removexattr(self.path(), name)

    def listing(self):
        self.s.listdir(self.random.choice((".", "x", "y", "x/z", "x/a")))

    def look(self):
        if self.random.random() < 0.5:
            self.s.fstat(self.descriptor(True))
        else:
            self.s.lstat(self.path())
