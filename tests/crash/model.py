"""What a directory must hold after a number of calls, and one worker that makes them.

Each worker owns a directory. Before a call it writes down what it is about to do, after it that it
is done; the notes live in shared memory, which neither a killed daemon nor a cut disk takes along.
"""

import os
import pickle
import random
import struct

from harness import syscalls

K = 1 << 10
NAMES = ("a", "b", "c", "d", "e")


class Notes:
    """Intents and completions of one worker, appended to a file with a length before each."""

    def __init__(self, path):
        self.file_ = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def add(self, kind, operation):
        raw = pickle.dumps((kind, operation))
        os.write(self.file_, struct.pack("I", len(raw)) + raw)


def read_notes(path):
    """(completed operations, the one under way or None)"""
    with open(path, "rb") as stream:
        raw = stream.read()
    done, pending, at = [], None, 0
    while at + 4 <= len(raw):
        size = struct.unpack_from("I", raw, at)[0]
        kind, operation = pickle.loads(raw[at + 4:at + 4 + size])
        at += 4 + size
        if kind == "intent":
            pending = operation
        elif kind == "done":
            done.append(pending)
            pending = None
        else:  # the call failed by itself: nothing happened
            pending = None
    return done, pending


def draw(source):
    """One operation on the worker's namespace, as plain data."""
    name = source.choice(NAMES)
    which = source.choices(("write", "append", "truncate", "rename", "unlink", "sync", "save",
                            "punch", "link", "mkdir"),
                           (30, 15, 8, 6, 5, 8, 8, 4, 2, 1))[0]
    if which == "write":
        size = source.choice((10, 500, 4 * K, 9000, 60 * K))
        return (which, name, source.randrange(256 * K), filled(source, size))
    if which in ("append", "save"):
        return (which, name, filled(source, source.choice((10, 3000, 30 * K))))
    if which == "truncate":
        return (which, name, source.choice((0, 1, 5000, 100 * K, 300 * K)))
    if which == "punch":
        return (which, name, source.randrange(128 * K), 1 + source.randrange(64 * K))
    if which in ("rename", "link"):
        return (which, name, source.choice(NAMES))
    return (which, name)


def filled(source, most):
    return (source.randrange(1, 256), source.randint(1, most))


def expand(fill):
    """Data is noted as (byte, length), so that the notes stay small."""
    return bytes([fill[0]]) * fill[1]


def perform(root, operation):
    """The real calls. Each data operation is one system call between open and close."""
    which, name, *rest = operation
    path = os.path.join(root, name)
    if which == "unlink":
        return os.unlink(path)
    if which == "rename":
        return os.rename(path, os.path.join(root, rest[0]))
    if which == "link":
        return os.link(path, os.path.join(root, rest[0]))
    if which == "mkdir":
        return os.mkdir(path + ".d")
    if which == "save":
        return save(root, path, expand(rest[0]))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if which == "write":
            os.pwrite(descriptor, expand(rest[1]), rest[0])
        elif which == "append":
            os.lseek(descriptor, 0, os.SEEK_END)
            os.write(descriptor, expand(rest[0]))
        elif which == "truncate":
            os.ftruncate(descriptor, rest[0])
        elif which == "punch":
            syscalls.fallocate(descriptor, 3, *rest)
        elif which == "sync":
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return None


def save(root, path, content):
    """As editors do it."""
    temporary = os.path.join(root, "tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


class Model:
    """Names to inodes, inodes to bytes: what perform() leaves on a correct filesystem."""

    def __init__(self):
        self.names, self.data, self.next_ = {}, {}, 0

    def inode(self, name):
        if name not in self.names:
            self.names[name] = self.next_
            self.data[self.next_] = bytearray()
            self.next_ += 1
        return self.data[self.names[name]]

    def apply(self, operation):
        which, name, *rest = operation
        if which == "unlink":
            del self.names[name]
        elif which == "rename":
            self.rename(name, rest[0])
        elif which == "link":
            self.names[rest[0]] = self.names[name]
        elif which == "mkdir":
            self.names[name + ".d"] = None
        elif which == "save":
            self.names.pop("tmp", None)
            self.inode("tmp")[:] = expand(rest[0])
            self.rename("tmp", name)
        else:
            self.change(self.inode(name), which, rest)

    def rename(self, old, new):
        if self.names[old] != self.names.get(new, -1):
            self.names[new] = self.names.pop(old)

    @staticmethod
    def change(content, which, rest):
        if which == "write":
            offset, data = rest[0], expand(rest[1])
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            content[offset:offset + len(data)] = data
        elif which == "append":
            content.extend(expand(rest[0]))
        elif which == "truncate":
            content.extend(bytes(max(0, rest[0] - len(content))))
            del content[rest[0]:]
        elif which == "punch":
            end = min(len(content), rest[0] + rest[1])
            if end > rest[0]:
                content[rest[0]:end] = bytes(end - rest[0])

    def view(self):
        return {name: None if inode is None else bytes(self.data[inode])
                for name, inode in self.names.items()}


def found(root):
    view = {}
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if os.path.isdir(path):
            view[name] = None
        else:
            with open(path, "rb") as stream:
                view[name] = stream.read()
    return view


def violations(root, done, pending):
    """How `root` differs from what was completed; the call under way may have got anywhere."""
    before, after = Model(), Model()
    for operation in done:
        before.apply(operation)
        after.apply(operation)
    allowed = [before.view()]
    if pending:
        try:
            after.apply(pending)
            allowed += [after.view(), *midways(before.view(), pending)]
        except KeyError:
            pass  # it would have failed: nothing may have happened
    got = found(root)
    if any(got == view for view in allowed):
        return []
    if pending and got.keys() in [view.keys() for view in allowed]:
        lines = mixed(got, allowed)
        if not lines:
            return []
        return lines
    return [describe_difference(got, allowed[0]), f"under way was {pending and pending[:2]}"]


def midways(view, pending):
    """The states between the steps of an operation that is several calls."""
    which, name, *rest = pending
    states = []
    if which == "save":
        states = [dict(view, tmp=b""), dict(view, tmp=expand(rest[0]))]
    elif which in ("write", "append", "truncate", "punch", "sync") and name not in view:
        states = [dict(view, **{name: b""})]
    return states


def mixed(got, allowed):
    """Each byte of each file is that of one of the allowed states: a write cut in the middle."""
    lines = []
    for name, content in got.items():
        versions = [view[name] for view in allowed if name in view]
        if content in versions or content is None:
            continue
        longest = max(len(version) for version in versions)
        if len(content) > longest:
            lines.append(f"{name}: {len(content)} bytes, at most {longest} expected")
            continue
        for at in range(0, len(content), 512):
            piece = content[at:at + 512]
            if not any(piece == version[at:at + 512].ljust(len(piece), b"\0")
                       for version in versions) and not bytewise(piece, versions, at):
                lines.append(f"{name}: bytes at {at} are of no version")
                break
    return lines


def bytewise(piece, versions, at):
    return all(any(at + index < len(version) and version[at + index] == byte
                   for version in versions) or byte == 0 for index, byte in enumerate(piece))


def describe_difference(got, expected):
    lines = []
    for name in sorted(got.keys() | expected.keys()):
        one, other = got.get(name, "absent"), expected.get(name, "absent")
        if one != other:
            lines.append(f"{name}: {brief(one)}, expected {brief(other)}{first(one, other)}")
    return "; ".join(lines)


def brief(content):
    return f"{len(content)} bytes" if isinstance(content, bytes) else str(content)


def first(one, other):
    if not isinstance(one, bytes) or not isinstance(other, bytes):
        return ""
    limit = min(len(one), len(other))
    at = next((index for index in range(limit) if one[index] != other[index]), limit)
    wrong = sum(a != b for a, b in zip(one, other))
    return f" (first at {at}, {wrong} bytes differ)"


def work(root, notes_path, seed):
    """Until the filesystem goes away."""
    notes, source = Notes(notes_path), random.Random(seed)
    while True:
        operation = draw(source)
        notes.add("intent", operation)
        try:
            perform(root, operation)
        except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError):
            notes.add("failed", operation)
            continue
        except OSError:
            return  # the daemon died under it
        notes.add("done", operation)
