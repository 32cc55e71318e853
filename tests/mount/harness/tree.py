"""What a directory tree holds, and how two trees differ."""

import hashlib
import os
import stat

from harness import syscalls

EXPLICIT_BEFORE_NS = 1_500_000_000 * 10**9  # the scenarios set old times: those are comparable


def describe(path):
    found = os.lstat(path)
    entry = {"mode": oct(found.st_mode), "uid": found.st_uid, "gid": found.st_gid,
             "nlink": found.st_nlink, "rdev": found.st_rdev, "mtime": found.st_mtime_ns}
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFLNK:
        entry["target"] = os.readlink(path)
    elif kind == stat.S_IFREG:
        entry["size"] = found.st_size
        entry["content"], entry["data"] = content(path)
    entry["xattrs"] = {name: os.getxattr(path, name, follow_symlinks=False)
                       for name in sorted(os.listxattr(path, follow_symlinks=False))}
    entry["inode"] = found.st_ino
    return entry


def content(path):
    """Hash of the bytes and how many lie in data, reading no holes."""
    total, hashed = 0, hashlib.sha1()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for start, end in whole_blocks(syscalls.data_segments(descriptor)):
            while start < end:
                piece = os.pread(descriptor, min(1 << 20, end - start), start)
                if not piece:
                    break
                total += len(piece)
                hash_nonzero(hashed, piece, start)
                start += len(piece)
    finally:
        os.close(descriptor)
    return hashed.hexdigest(), total


def whole_blocks(segments):
    """Some filesystems know their data to the byte: rounded to 4 KiB and joined."""
    joined = []
    for start, end in segments:
        start, end = start // 4096 * 4096, -(-end // 4096) * 4096
        if joined and joined[-1][1] >= start:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def hash_nonzero(hashed, piece, start):
    # Whether zeros are a hole or data is the filesystem's affair: only other bytes are hashed,
    # each 4 KiB block with its place.
    for at in range(0, len(piece), 4096):
        block = piece[at:at + 4096].rstrip(b"\0")
        if block:
            hashed.update((start + at).to_bytes(8, "little") + block)


def snapshot(root):
    """Descriptor by descriptor, because a tree may be deeper than a path may be long."""
    entries = {}
    for directory, names, files, descriptor in os.fwalk(root):
        names[:] = [name for name in names if name != "lost+found"]
        for name in names + files:
            key = os.path.relpath(os.path.join(directory, name), root)
            entries[key] = describe(f"/proc/self/fd/{descriptor}/{name}")
    return entries


def link_groups(entries):
    groups = {}
    for path, entry in entries.items():
        if entry.get("nlink", 1) > 1 and "size" in entry:
            groups.setdefault(entry["inode"], []).append(path)
    return sorted(sorted(paths) for paths in groups.values())


def differences(ours, theirs, times="explicit"):
    """Lines that say how the tree under test differs from the other. times: explicit, all, none."""
    lines = [f"missing: {path}" for path in sorted(theirs.keys() - ours.keys())]
    lines += [f"too much: {path}" for path in sorted(ours.keys() - theirs.keys())]
    for path in sorted(ours.keys() & theirs.keys()):
        one, other = ours[path], theirs[path]
        for key in sorted((one.keys() | other.keys()) - {"inode", "mtime", "data"}):
            if one.get(key) != other.get(key):
                lines.append(f"{path}: {key} is {one.get(key)!r}, expected {other.get(key)!r}")
        if times == "all" or (times == "explicit" and other["mtime"] < EXPLICIT_BEFORE_NS):
            if one["mtime"] != other["mtime"]:
                lines.append(f"{path}: mtime is {one['mtime']}, expected {other['mtime']}")
        if one.get("data", 0) > other.get("data", 0) * 1.25 + (1 << 20):
            lines.append(f"{path}: {one['data']} bytes of data, expected about {other['data']}")
    if link_groups(ours) != link_groups(theirs):
        lines.append("hard links join other names than expected")
    return lines
