#!/usr/bin/env python3
"""Every call on every kind of path, as root and as a user: the outcome is bare ext4's.

The table is a product: what can be asked (CALLS) times what the path may be (PATHS). When a call
changed something, the whole small tree is looked at and then built anew.
"""

import os
import stat

from harness import case, syscalls
from harness.session import NOBODY

LONG = "n" * 255
TOO_LONG = "n" * 256
DEEP = "/".join(["d" * 200] * 22)  # beyond PATH_MAX

PATHS = {
    "file": "file", "missing": "missing", "directory": "empty", "full directory": "full",
    "missing parent": "missing/x", "file as parent": "file/x", "file with slash": "file/",
    "directory with slash": "empty/", "missing with slash": "missing/", "dot": "empty/.",
    "dot dot": "full/..", "empty path": "", "link to file": "to_file",
    "link to directory": "to_dir", "dangling link": "dangling", "loop": "loop",
    "through a loop": "loop/x", "through a link": "to_dir/new", "link with slash": "to_dir/",
    "fifo": "fifo", "longest name": LONG, "name too long": TOO_LONG,
    "parent too long": TOO_LONG + "/x", "path too long": DEEP, "hidden": "hidden/inside",
    "new in read-only directory": "readonly/new", "old in read-only directory": "readonly/old",
    "of root": "of_root", "sticky, of root": "sticky/of_root", "sticky, own": "sticky/own",
}

CALLS = {
    "read": lambda s, p: s.open(p, os.O_RDONLY | os.O_NONBLOCK),
    "write": lambda s, p: s.open(p, os.O_WRONLY | os.O_NONBLOCK),
    "truncate on open": lambda s, p: s.open(p, os.O_RDWR | os.O_TRUNC | os.O_NONBLOCK),
    "append": lambda s, p: s.open(p, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK),
    "create": lambda s, p: s.open(p, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o640),
    "create exclusively": lambda s, p: s.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600),
    "directory only": lambda s, p: s.open(p, os.O_RDONLY | os.O_DIRECTORY),
    "no follow": lambda s, p: s.open(p, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK),
    "tmpfile": lambda s, p: s.open(p, os.O_TMPFILE | os.O_RDWR, 0o600),
    "mkdir": lambda s, p: s.mkdir(p, 0o751),
    "rmdir": lambda s, p: s.rmdir(p),
    "unlink": lambda s, p: s.unlink(p),
    "mknod": lambda s, p: s.mknod(p, stat.S_IFIFO | 0o644),
    "symlink": lambda s, p: s.symlink("target", p),
    "readlink": lambda s, p: s.readlink(p),
    "truncate": lambda s, p: s.truncate(p, 7),
    "truncate to less than nothing": lambda s, p: s.truncate(p, -1),
    "chmod": lambda s, p: s.chmod(p, 0o6755),
    "chown to nobody": lambda s, p: s.chown(p, NOBODY, NOBODY),
    "chown to root": lambda s, p: s.chown(p, 0, 0),
    "chown of nothing": lambda s, p: s.chown(p, -1, -1),
    "lchown": lambda s, p: s.chown(p, NOBODY, -1, False),
    "utimens": lambda s, p: s.utimens(p, ((1000, 1), (2000, 2))),
    "utimens now": lambda s, p: s.utimens(p, ((0, syscalls.UTIME_NOW),) * 2),
    "utimens omit": lambda s, p: s.utimens(p, ((0, syscalls.UTIME_OMIT),) * 2),
    "stat": lambda s, p: s.stat(p),
    "lstat": lambda s, p: s.lstat(p),
    "access rwx": lambda s, p: s.access(p, os.R_OK | os.W_OK | os.X_OK, syscalls.AT_EACCESS),
    "access w": lambda s, p: s.access(p, os.W_OK, syscalls.AT_EACCESS),
    "list": lambda s, p: s.listdir(p) if p else s.stat(p),
    "chdir": lambda s, p: (s.chdir(p), s.chdir(base(s))),
    "set xattr": lambda s, p: s.setxattr(p, "user.x", b"v"),
    "get xattr": lambda s, p: s.getxattr(p, "user.absent"),
    "remove xattr": lambda s, p: s.removexattr(p, "user.absent"),
    "trusted xattr": lambda s, p: s.setxattr(p, "trusted.x", b"v"),
    "unknown xattr class": lambda s, p: s.setxattr(p, "nonsense.x", b"v"),
    "list xattrs": lambda s, p: s.listxattr(p),
}

PAIRS = {
    "link": lambda s, a, b: s.link(a, b),
    "rename": lambda s, a, b: s.rename(a, b),
    "rename noreplace": lambda s, a, b: s.rename(a, b, syscalls.RENAME_NOREPLACE),
    "exchange": lambda s, a, b: s.rename(a, b, syscalls.RENAME_EXCHANGE),
    "whiteout": lambda s, a, b: s.rename(a, b, syscalls.RENAME_WHITEOUT),
    "bad flags": lambda s, a, b: s.rename(a, b, 6),
}
FROM = ("file", "empty", "full", "missing", "to_file", "to_dir", "fifo", "full/child", "file/x",
        "sticky/of_root", "sticky/own", "readonly/old", "empty/.", "full/..", TOO_LONG, "loop/x")
TO = ("new", "file", "empty", "full", "full/child", "full/sub/new", "to_file", "to_dir", "dangling",
      "missing/x", "file/x", "empty/new", "new/", "sticky/of_root", "sticky/new", "readonly/new",
      "readonly/old", LONG, TOO_LONG, "")


def base(session):
    return session.base


def build(session, owner):
    """One of each kind below a fresh directory, owned by `owner`; the base stays at hand."""
    session.count = getattr(session, "count", 0) + 1
    if session.count == 1:
        session.top = os.getcwd()
    session.base = os.path.join(session.top, f"t{session.count}")
    os.mkdir(session.base)
    os.chdir(session.base)
    for name in ("empty", "full", "full/sub", "hidden", "readonly", "sticky"):
        os.mkdir(name)
    for name in ("file", "full/child", "hidden/inside", "readonly/old", "sticky/own",
                 "sticky/of_root", "of_root", LONG):
        with open(name, "wb") as stream:
            stream.write(b"content")
    for name, target in (("to_file", "file"), ("to_dir", "full"), ("dangling", "nowhere"),
                         ("loop", "loop")):
        os.symlink(target, name)
    os.mkfifo("fifo")
    for directory, names, files in os.walk(session.base):
        for name in [".", *names, *files]:
            os.chown(os.path.join(directory, name), owner, owner, follow_symlinks=False)
    for name in ("of_root", "sticky", "sticky/of_root"):
        os.chown(name, 0, 0)
    os.chmod("sticky", 0o1777)
    os.chmod("readonly", 0o555)
    os.chmod("of_root", 0o644)
    if owner:
        os.chown("hidden", 0, 0)
        os.chmod("hidden", 0o700)


def leave(session):
    """The whole small tree, so that a call that did something is compared too."""
    for directory, names, files in os.walk(session.base):
        names.sort()
        for name in sorted(names + files):
            session.lstat(os.path.relpath(os.path.join(directory, name), session.base))
    os.chdir(session.top)


def close_all(session):
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{entry}").startswith(session.top):
                os.close(int(entry))
        except OSError:
            continue


def settle(session, owner, before):
    if session.note("changed", (), snapshot_key(session.base) != before):
        leave(session)
        build(session, owner)


def one_path(call, owner):
    def scenario(session):
        build(session, owner)
        for path in PATHS.values():
            before = snapshot_key(session.base)
            with session.user(owner):
                CALLS[call](session, path)
            close_all(session)
            settle(session, owner, before)
    return scenario


def snapshot_key(root):
    """What a call can change, but for times: test_times.py is about those."""
    key = []
    for directory, names, files in os.walk(root):
        names.sort()
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            found = os.lstat(path)
            key.append((path, found.st_ino, found.st_nlink, found.st_mode, found.st_uid,
                        found.st_gid, stat.S_ISDIR(found.st_mode) or found.st_size,
                        os.listxattr(path, follow_symlinks=False)))
    return key


def two_paths(call, owner):
    def scenario(session):
        build(session, owner)
        for source in FROM:
            for target in TO:
                before = snapshot_key(session.base)
                with session.user(owner):
                    PAIRS[call](session, source, target)
                settle(session, owner, before)
    return scenario


class Errors(case.MountCase):
    pass


def add(name, scenario):
    def test(self):
        self.compare(scenario, 0o777)
    test.__name__ = f"test_{name}"
    setattr(Errors, test.__name__, test)


for uid, who in ((0, "root"), (NOBODY, "user")):
    for call in CALLS:
        add(f"{call.replace(' ', '_').replace(',', '')}_as_{who}", one_path(call, uid))
    for call in PAIRS:
        add(f"{call.replace(' ', '_')}_as_{who}", two_paths(call, uid))

if __name__ == "__main__":
    case.main()
