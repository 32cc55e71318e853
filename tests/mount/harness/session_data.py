"""The part of a Session that moves bytes: calls on descriptors."""

import mmap
import os
import stat

from harness import syscalls
from harness.recording import recorded


class DataCalls:
    @recorded
    def write(self, descriptor, data):
        return os.write(descriptor, data)

    @recorded
    def pwrite(self, descriptor, data, offset):
        return os.pwrite(descriptor, data, offset)

    @recorded
    def read(self, descriptor, size):
        return os.read(descriptor, size)

    @recorded
    def pread(self, descriptor, size, offset):
        return os.pread(descriptor, size, offset)

    @recorded
    def seek(self, descriptor, offset, whence=os.SEEK_SET):
        return os.lseek(descriptor, offset, whence)

    @recorded
    def fsync(self, descriptor):
        os.fsync(descriptor)

    @recorded
    def fdatasync(self, descriptor):
        os.fdatasync(descriptor)

    @recorded
    def ftruncate(self, descriptor, size):
        os.ftruncate(descriptor, size)

    @recorded
    def fchmod(self, descriptor, mode):
        os.fchmod(descriptor, mode)

    @recorded
    def fchown(self, descriptor, uid, gid):
        os.fchown(descriptor, uid, gid)

    @recorded
    def fallocate(self, descriptor, mode, offset, length):
        syscalls.fallocate(descriptor, mode, offset, length)

    @recorded
    def copy_range(self, descriptor, target, count, offset_from=None, offset_to=None):
        return os.copy_file_range(descriptor, target, count, offset_from, offset_to)

    @recorded
    def segments(self, descriptor):
        """Where data is, to 64 KiB: the exact extents are the filesystem's own affair."""
        grain = 64 * 1024
        rounded = []
        for start, end in syscalls.data_segments(descriptor):
            start, end = start // grain * grain, -(-end // grain) * grain
            if rounded and rounded[-1][1] >= start:
                rounded[-1] = (rounded[-1][0], end)
            else:
                rounded.append((start, end))
        return rounded

    @recorded
    def holes_are_zeros(self, descriptor):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None  # where in a directory one may seek to is the filesystem's own affair
        size, at, good = os.fstat(descriptor).st_size, 0, True
        for start, end in [*syscalls.data_segments(descriptor), (size, size)]:
            good = good and not os.pread(descriptor, start - at, at).strip(b"\0")
            at = end
        return good

    @recorded
    def store(self, descriptor, offset, data, length):
        """Stores through MAP_SHARED and msync."""
        with mmap.mmap(descriptor, length, mmap.MAP_SHARED) as memory:
            memory[offset:offset + len(data)] = data
            memory.flush()

    @recorded
    def load(self, descriptor, offset, size, length, private=False):
        kind = mmap.MAP_PRIVATE if private else mmap.MAP_SHARED
        with mmap.mmap(descriptor, length, kind, prot=mmap.PROT_READ) as memory:
            return bytes(memory[offset:offset + size])

    @recorded
    def direct_write(self, descriptor, fill, size, offset):
        """An aligned buffer, as O_DIRECT wants it."""
        with mmap.mmap(-1, size) as memory:
            memory[:] = fill * size
            return os.pwritev(descriptor, [memory], offset)

    @recorded
    def direct_read(self, descriptor, size, offset):
        with mmap.mmap(-1, size) as memory:
            count = os.preadv(descriptor, [memory], offset)
            return bytes(memory[:count])
