"""Test classes on unittest: a mount per class, held against bare ext4 by calls and as a tree."""

import difflib
import os
import sys
import unittest

from harness import daemon, disks, features, session, subjects, tree


class MountCase(unittest.TestCase):
    """A class gets a mount over `<ext4>/data`, unmounted and checked after its last test."""

    disk_size = "1G"
    options = {}
    reference = True  # a second, identical ext4 to compare with
    scratch = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = disks.Scratch()
        cls.disk = disks.Ext4(cls.scratch, "disk", cls.disk_size)
        cls.backing = cls.scratch.backing(cls.disk)
        cls.scratch.on_close(lambda: daemon.forget_arena(cls.backing))
        cls.bare = None
        if cls.reference:
            cls.bare_disk = disks.Ext4(cls.scratch, "bare", cls.disk_size)
            cls.bare = cls.scratch.backing(cls.bare_disk)
        cls.subject = subjects.make(cls.backing, cls.scratch.directory("mnt"),
                                    cls.scratch.directory("state"), **cls.options)
        try:
            cls.subject.start()
        except BaseException:
            cls.scratch.close()
            raise
        cls.scratch.on_close(cls.subject.kill)
        cls.mount = cls.subject.mount

    @classmethod
    def tearDownClass(cls):
        try:
            cls.finish()
        finally:
            cls.scratch.close()

    @classmethod
    def finish(cls):
        """Unmounts; the backing tree must be what the mount showed and what bare ext4 holds."""
        seen = tree.snapshot(cls.mount)
        cls.subject.unmount()
        left = tree.snapshot(cls.backing)
        problems = [f"after the unmount, against the mount: {line}"
                    for line in tree.differences(left, seen, times="all")]
        if cls.bare:
            problems += [f"backing tree against bare ext4: {line}"
                         for line in tree.differences(left, tree.snapshot(cls.bare))]
        if problems:
            raise AssertionError(f"{len(problems)} differences\n  " + "\n  ".join(problems[:40]))

    def compare(self, scenario, mode=0o755):
        """Runs the scenario on both sides, each in a fresh directory named after the test."""
        name = self.id().split(".")[-1]
        sides = []
        for root in (self.bare, self.mount):
            directory = os.path.join(root, name)
            os.mkdir(directory)
            os.chmod(directory, mode)
            sides.append(session.perform(directory, scenario))
        (expected, bare_problem), (got, problem) = sides
        if bare_problem:
            self.fail(f"on bare ext4, where it has to hold:\n{bare_problem}")
        self.assert_same_trace(expected, got, problem)

    def assert_same_trace(self, expected, got, problem):
        lines = []
        for theirs, ours in aligned(expected, got):
            if theirs[2] != ours[2]:
                arguments = ", ".join(repr(argument) for argument in theirs[1])
                lines.append(f"{theirs[0]}({arguments}): expected {theirs[2]!r}, got {ours[2]!r}")
        if lines or problem or len(expected) != len(got):
            shown = "\n  ".join([first_difference(expected, got), *lines[:30]])
            if os.environ.get("RAMFS_TEST_TRACE"):
                shown += "\n  all calls:\n  " + "\n  ".join(map(str, got))
            self.fail(f"{len(lines)} differences to bare ext4, {len(got)} calls for "
                      f"{len(expected)}\n  {shown}\n{problem or ''}")


def first_difference(expected, got):
    for index, (theirs, ours) in enumerate(zip(expected, got)):
        if theirs != ours:
            return f"first at call {index}: expected {theirs}, got {ours}"
    return f"all of the first {min(len(expected), len(got))} calls agree"


def aligned(expected, got):
    """Pairs of the same call: after a difference one side may look at more than the other."""
    if len(expected) == len(got):
        return zip(expected, got)
    keys = [[(call[0], repr(call[1])) for call in trace] for trace in (expected, got)]
    blocks = difflib.SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    return [(expected[one + step], got[other + step])
            for one, other, size in blocks for step in range(size)]


def main():
    """Runs the calling file's tests; exit 77 when this machine cannot run any of them."""
    features.need_root()
    features.need_loop()
    if subjects.kind() != "plain":
        features.need_fuse()
    if subjects.kind() == "ramfs":
        features.binary("ramfs")
    unittest.main(module="__main__", verbosity=2, argv=sys.argv)
