"""What programs do that rely on fsync, each with its check after a power cut.

Notes carry the time, so that the check knows what was older than `commit` when the power went.
"""

import os
import random
import struct
import time
import zlib

BLOCK = 4096
BLOCKS = 64


def sealed(number, version, size=BLOCK):
    """A block that says which it is and can be told from a torn or stale one."""
    body = struct.pack("<QQ", number, version)
    body += bytes([version * 37 % 251]) * (size - 20)
    return body + struct.pack("<I", zlib.crc32(body))


def opened(raw):
    """(number, version) of a sealed block, None for zeros, ValueError when it is neither."""
    if not raw.strip(b"\0"):
        return None
    if zlib.crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
        raise ValueError("torn")
    return struct.unpack("<QQ", raw[:16])


class Pattern:
    """run() works until the filesystem goes away; check() holds `root` against the notes."""

    def __init__(self, name, notes):
        self.name, self.notes_path = name, notes

    def note(self, *fields):
        line = " ".join(str(field) for field in (time.monotonic(), *fields)) + "\n"
        os.write(self.notes_, line.encode())

    def run(self, root, seed):
        self.notes_ = os.open(self.notes_path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        source = random.Random(seed)
        try:
            self.work(os.path.join(root, self.name), source)
        except OSError:
            pass

    def noted(self):
        with open(self.notes_path, encoding="ascii") as lines:
            return [(float(line.split()[0]), *line.split()[1:]) for line in lines]


class Blocks(Pattern):
    """A database: blocks rewritten in place, fsync now and then."""

    def work(self, path, source):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        version = 0
        while True:
            version += 1
            number = source.randrange(BLOCKS)
            self.note("begin", number, version)
            os.pwrite(descriptor, sealed(number, version), number * BLOCK)
            self.note("wrote", number, version)
            if source.random() < 0.1:
                (os.fsync if source.random() < 0.5 else os.fdatasync)(descriptor)
                self.note("synced")
            time.sleep(source.random() * 0.002)

    def check(self, root, old_enough):
        needed, latest, begun = {}, {}, {}
        for when, kind, *fields in self.noted():
            if kind == "begin":
                begun[int(fields[0])] = int(fields[1])
            elif kind == "wrote":
                latest[int(fields[0])] = int(fields[1])
                if when < old_enough:
                    needed[int(fields[0])] = int(fields[1])
            else:
                needed.update(latest)
        problems = []
        for number, version in needed.items():
            try:
                got = block_of(os.path.join(root, self.name), number)
            except (OSError, ValueError) as error:
                problems.append(f"block {number}: {error}, version {version} was promised")
                continue
            if got is None or got[0] != number or not version <= got[1] <= begun[number]:
                problems.append(f"block {number}: found {got}, version {version} was promised")
        return problems


def block_of(path, number):
    with open(path, "rb") as stream:
        stream.seek(number * BLOCK)
        return opened(stream.read(BLOCK))


class Saves(Pattern):
    """An editor: a new file renamed over the old one, with and without fsync before."""

    def work(self, path, source):
        version = 0
        while True:
            version += 1
            descriptor = os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
            os.write(descriptor, sealed(0, version, source.choice((100, 5000, 70000))))
            synced = source.random() < 0.3
            if synced:
                os.fsync(descriptor)
            os.close(descriptor)
            self.note("begin", version)
            os.rename(path + ".new", path)
            self.note("renamed", version)
            if synced:
                directory = os.open(os.path.dirname(path), os.O_RDONLY)
                os.fsync(directory)
                os.close(directory)
                self.note("synced", version)
            time.sleep(source.random() * 0.02)

    def check(self, root, old_enough):
        needed, last = 0, 0
        for when, kind, version in self.noted():
            last = int(version)
            if kind == "synced" or (kind == "renamed" and when < old_enough):
                needed = int(version)
        path = os.path.join(root, self.name)
        if not os.path.exists(path):
            return [f"the file is gone, version {needed} was promised"] if needed else []
        with open(path, "rb") as stream:
            raw = stream.read()
        try:
            got = opened(raw)
        except ValueError:
            got = "half a file"
        if not isinstance(got, tuple) or not needed <= got[1] <= last:
            return [f"found {got} in {len(raw)} bytes, version {needed} to {last} was promised"]
        return []


class Creates(Pattern):
    """A mail spool: create, write, fsync, close; names must be durable with the data."""

    def work(self, path, source):
        os.mkdir(path)
        number = 0
        while True:
            number += 1
            name = os.path.join(path, f"m{number}")
            descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            os.write(descriptor, sealed(number, 1, source.choice((64, 3000, 50000))))
            if source.random() < 0.5:
                os.fsync(descriptor)
                self.note("synced", number)
            os.close(descriptor)
            self.note("made", number)
            if source.random() < 0.2 and number > 5:
                gone = source.randrange(1, number)
                self.note("unlinking", gone)
                try:
                    os.unlink(os.path.join(path, f"m{gone}"))
                except FileNotFoundError:
                    continue
            time.sleep(source.random() * 0.004)

    def check(self, root, old_enough):
        needed = set()
        for when, kind, number in self.noted():
            if kind == "synced" or (kind == "made" and when < old_enough):
                needed.add(number)
            elif kind == "unlinking":
                needed.discard(number)
        problems = []
        for number in needed:
            try:
                with open(os.path.join(root, self.name, f"m{number}"), "rb") as stream:
                    if opened(stream.read()) != (int(number), 1):
                        problems.append(f"m{number}: wrong content")
            except (OSError, ValueError) as error:
                problems.append(f"m{number}: {error}")
        return problems


class Journal(Pattern):
    """A journal: appended records, each durable when its write() returns (O_DSYNC)."""

    def work(self, path, source):
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_DSYNC, 0o644)
        number = 0
        while True:
            os.write(descriptor, sealed(number, 1, 256))
            self.note("wrote", number)
            number += 1
            time.sleep(source.random() * 0.005)

    def check(self, root, _):
        count = len(self.noted())
        if not count:
            return []
        with open(os.path.join(root, self.name), "rb") as stream:
            raw = stream.read()
        if len(raw) < count * 256:
            return [f"{len(raw) // 256} records of {count}"]
        return [f"record {index} is damaged" for index in range(count)
                if good(raw[index * 256:index * 256 + 256]) != (index, 1)]


def good(raw):
    try:
        return opened(raw)
    except ValueError:
        return "torn"


class Mapped(Pattern):
    """Stores through MAP_SHARED, durable after msync."""

    def work(self, path, source):
        import mmap
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        os.ftruncate(descriptor, BLOCKS * BLOCK)
        with mmap.mmap(descriptor, BLOCKS * BLOCK) as memory:
            version = 0
            while True:
                version += 1
                number = source.randrange(BLOCKS)
                self.note("begin", number, version)
                memory[number * BLOCK:(number + 1) * BLOCK] = sealed(number, version)
                memory.flush()
                self.note("wrote", number, version)
                self.note("synced")
                time.sleep(source.random() * 0.01)

    check = Blocks.check


ALL = (Blocks, Saves, Creates, Journal, Mapped)
