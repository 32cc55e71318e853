#!/usr/bin/env python3
"""tar, rsync and cp of a real tree: bit by bit the same, with modes, owners, times and links."""

import os
import time

import common
from common import case, features, tree


class Trees(common.Programs):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = next(common.real_tree())
        cls.expected = tree.snapshot(cls.source)

    def assert_same(self, copy):
        got = tree.snapshot(copy)
        for entry in (*got.values(), *self.expected.values()):
            entry.pop("xattrs", None)
            if "size" not in entry:
                entry.pop("nlink", None)
        self.assertEqual(tree.differences(got, self.expected, times="all")[:20], [])

    def test_tar(self):
        top = self.fresh("tar")
        archive = os.path.join(top, "archive.tar")
        self.run_in(top, "tar", "-C", self.source, "-cpf", archive, ".")
        os.mkdir(os.path.join(top, "out"))
        self.run_in(top, "tar", "-C", "out", "-xpf", archive)
        self.assert_same(os.path.join(top, "out"))
        self.run_in(os.path.join(top, "out"), "tar", "-df", archive)

    def test_rsync(self):
        top = self.fresh("rsync")
        self.run_in(top, "rsync", "-aHAX", self.source + "/", "copy/")
        self.assert_same(os.path.join(top, "copy"))
        again = self.run_in(top, "rsync", "-aHAXi", self.source + "/", "copy/")
        self.assertEqual(again, "", "nothing is left to copy")
        again = self.run_in(top, "rsync", "-aHAXic", self.source + "/", "copy/")
        self.assertEqual(again, "", "nor by checksum")
        victim = next(path for path, entry in sorted(self.expected.items())
                      if entry.get("size", 0) > 5000)
        with open(os.path.join(top, "copy", victim), "r+b") as stream:
            stream.seek(1000)
            stream.write(b"changed")
        again = self.run_in(top, "rsync", "-aHAXi", "--inplace", self.source + "/", "copy/")
        self.assertIn(victim, again)
        self.assert_same(os.path.join(top, "copy"))

    def test_cp_and_rm(self):
        top = self.fresh("cp")
        self.run_in(top, "cp", "-a", self.source, "copy")
        self.assert_same(os.path.join(top, "copy"))
        self.run_in(top, "cp", "-al", "copy", "linked")
        self.run_in(top, "rm", "-r", "copy")
        self.assert_same_content(os.path.join(top, "linked"))
        self.run_in(top, "mv", "linked", "moved")
        self.run_in(top, "rm", "-r", "moved")
        self.assertEqual(os.listdir(top), [])

    def assert_same_content(self, copy):
        got = tree.snapshot(copy)
        self.assertEqual({path: entry.get("content") for path, entry in got.items()},
                         {path: entry.get("content") for path, entry in self.expected.items()})

    def test_find_sees_what_is_newer(self):
        top = self.fresh("find")
        self.run_in(top, "cp", "-a", self.source, "copy")
        self.run_in(top, "touch", "marker")
        time.sleep(0.02)  # file times are as fine as the kernel's tick
        with open(os.path.join(top, "copy", "new"), "w") as stream:
            stream.write("x")
        self.assertIn("copy/new", self.run_in(top, "find", ".", "-newer", "marker", "-type", "f"))
        listed = self.run_in(top, "find", "copy", "-mindepth", "1").splitlines()
        self.assertEqual(len(listed), len(self.expected) + 1)


if __name__ == "__main__":
    features.need_programs("tar", "rsync", "cp", "find")
    case.main()
