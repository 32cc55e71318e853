"""System calls that Python's os module lacks, with errno as OSError."""

import ctypes
import fcntl
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EACCESS = 0x200
AT_EMPTY_PATH = 0x1000
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE = 1, 2, 16
FALLOC_COLLAPSE_RANGE, FALLOC_INSERT_RANGE = 8, 32
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, FS_NOATIME_FL = 0x20, 0x10, 0x40, 0x80
STATX_BASIC, STATX_BTIME = 0x7FF, 0x800
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
SYS_GETDENTS64 = 217


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def path_bytes(path):
    return os.fsencode(path)


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, path_bytes(old), AT_FDCWD, path_bytes(new), flags))


def linkat_descriptor(descriptor, new):
    """Gives an O_TMPFILE (or unlinked) file a name."""
    source = path_bytes(f"/proc/self/fd/{descriptor}")
    checked(libc.linkat(AT_FDCWD, source, AT_FDCWD, path_bytes(new), AT_SYMLINK_FOLLOW))


def fallocate(descriptor, mode, offset, length):
    checked(libc.fallocate(descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def faccessat(path, mode, flags=0):
    checked(libc.faccessat(AT_FDCWD, path_bytes(path), mode, flags))


def utimensat(path, times, flags=0):
    """times: ((seconds, nanoseconds), (seconds, nanoseconds)) for atime and mtime."""
    packed = struct.pack("qqqq", *times[0], *times[1])
    checked(libc.utimensat(AT_FDCWD, path_bytes(path), packed, flags))


def unshare_mounts():
    """A mount namespace of this process's own."""
    checked(libc.unshare(0x00020000))


def syncfs(descriptor):
    checked(libc.syncfs(descriptor))


def statx(path, mask=STATX_BASIC | STATX_BTIME):
    """(mask, attributes, btime ns, mtime ns) of struct statx."""
    buffer = ctypes.create_string_buffer(256)
    checked(libc.statx(AT_FDCWD, path_bytes(path), AT_SYMLINK_NOFOLLOW, mask, buffer))
    returned, _, attributes = struct.unpack_from("IIQ", buffer, 0)
    birth = struct.unpack_from("qI", buffer, 80)
    change = struct.unpack_from("qI", buffer, 112)
    return (returned, attributes, birth[0] * 10**9 + birth[1], change[0] * 10**9 + change[1])


def inode_flags(descriptor):
    buffer = fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, struct.pack("l", 0))
    return struct.unpack("l", buffer)[0] & 0xFFFFFFFF


def set_inode_flags(descriptor, flags):
    fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags))


def lock_record(kind, start, length):
    return struct.pack("hhqqi", kind, os.SEEK_SET, start, length, 0)


def ofd_lock(descriptor, kind, start, length):
    fcntl.fcntl(descriptor, F_OFD_SETLK, lock_record(kind, start, length))


def posix_lock(descriptor, kind, start, length):
    fcntl.fcntl(descriptor, fcntl.F_SETLK, lock_record(kind, start, length))


def lock_holder(descriptor, kind, start, length, command=fcntl.F_GETLK):
    """(kind, start, length) of the lock in the way; F_UNLCK when there is none."""
    answer = fcntl.fcntl(descriptor, command, lock_record(kind, start, length))
    found, _, begin, size, _ = struct.unpack("hhqqi", answer)
    return (found,) if found == fcntl.F_UNLCK else (found, begin, size)


def getdents(descriptor, size=4096):
    """One getdents64 call: [(name, offset cookie, type)], empty at the end."""
    buffer = ctypes.create_string_buffer(size)
    count = checked(libc.syscall(SYS_GETDENTS64, descriptor, buffer, size))
    entries, at = [], 0
    while at < count:
        _, cookie, length, kind = struct.unpack_from("QqHB", buffer, at)
        name = buffer.raw[at + 19:at + length].split(b"\0", 1)[0]
        entries.append((os.fsdecode(name), cookie, kind))
        at += length
    return entries


def data_segments(descriptor):
    """[(start, end)] of what SEEK_DATA and SEEK_HOLE call data; the position stays as it was."""
    size, position = os.fstat(descriptor).st_size, os.lseek(descriptor, 0, os.SEEK_CUR)
    segments, at = [], 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        segments.append((start, at))
    os.lseek(descriptor, position, os.SEEK_SET)
    return segments
