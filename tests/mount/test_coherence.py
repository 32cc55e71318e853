#!/usr/bin/env python3
"""Changes made directly in the backing directory are noticed at open; of two nothing is lost."""

import os
import time

from harness import case
from harness.ramfs_case import RamfsCase


class Coherence(RamfsCase):
    def read(self, name):
        with open(os.path.join(self.mount, name), "rb") as stream:
            return stream.read()

    def put(self, root, name, content):
        with open(os.path.join(root, name), "wb") as stream:
            stream.write(content)

    def test_content_changed_below(self):
        made = self.start(coherence="open", writeback="100ms", commit="50ms")
        self.put(self.mount, "f", b"through the mount")
        self.ctl("sync", self.mount)
        for content in (b"changed directly", b"changed again!!!", b"longer than it was before"):
            self.assertTrue(self.read("f"))  # cached now
            time.sleep(0.02)
            self.put(self.backing, "f", content)
            self.assertEqual(self.read("f"), content)
        made.unmount()
        with open(os.path.join(self.backing, "f"), "rb") as stream:
            self.assertEqual(stream.read(), b"longer than it was before")

    def test_names_changed_below(self):
        made = self.start(coherence="open")
        self.assertFalse(os.path.exists(os.path.join(self.mount, "new")))
        self.put(self.backing, "new", b"made below")
        os.mkdir(os.path.join(self.backing, "d"))
        self.put(self.backing, "d/x", b"x")
        time.sleep(1.2)  # attributes and names may be a second old
        self.assertEqual(self.read("new"), b"made below")
        self.assertEqual(sorted(os.listdir(self.mount)), ["d", "new"])
        os.rename(os.path.join(self.backing, "new"), os.path.join(self.backing, "d", "moved"))
        os.unlink(os.path.join(self.backing, "d", "x"))
        time.sleep(1.2)
        self.assertFalse(os.path.exists(os.path.join(self.mount, "new")))
        self.assertEqual(os.listdir(os.path.join(self.mount, "d")), ["moved"])
        self.assertEqual(self.read("d/moved"), b"made below")
        made.unmount()

    def test_replaced_below(self):
        """An editor's save: a new file renamed over the old one."""
        made = self.start(coherence="open")
        self.put(self.mount, "f", b"old")
        self.ctl("sync", self.mount)
        self.assertEqual(self.read("f"), b"old")
        self.put(self.backing, "f.new", b"replaced")
        os.rename(os.path.join(self.backing, "f.new"), os.path.join(self.backing, "f"))
        time.sleep(1.2)
        self.assertEqual(self.read("f"), b"replaced")
        self.put(self.mount, "f", b"written through")
        made.unmount()
        self.assert_only(self.backing, "f")
        with open(os.path.join(self.backing, "f"), "rb") as stream:
            self.assertEqual(stream.read(), b"written through")

    def test_attributes_changed_below(self):
        made = self.start(coherence="open")
        self.put(self.mount, "f", b"x")
        os.stat(os.path.join(self.mount, "f"))
        os.chmod(os.path.join(self.backing, "f"), 0o741)
        os.setxattr(os.path.join(self.backing, "f"), "user.a", b"below")
        time.sleep(1.2)
        self.assertEqual(os.stat(os.path.join(self.mount, "f")).st_mode & 0o777, 0o741)
        self.assertEqual(os.getxattr(os.path.join(self.mount, "f"), "user.a"), b"below")
        made.unmount()

    def test_changed_on_both_sides(self):
        """Neither side's bytes are silently overwritten: one stays in place, the other is kept."""
        made = self.start(coherence="open", writeback="1h", commit="1h")
        made.allowed = [r"both sides|conflict|changed (in|below|directly|behind)"]
        self.put(self.mount, "f", b"the first version")
        self.ctl("sync", self.mount)
        self.put(self.mount, "f", b"dirty in the arena")
        time.sleep(0.02)
        self.put(self.backing, "f", b"changed below meanwhile")
        self.ctl("sync", self.mount, status=None)
        made.unmount()
        found = []
        for directory, _, files in os.walk(self.scratch.path):
            for name in files:
                path = os.path.join(directory, name)
                if os.path.getsize(path) < 1 << 20:
                    with open(path, "rb") as stream:
                        found.append(stream.read())
        self.assertTrue(any(b"changed below meanwhile" == content for content in found))
        text = made.output()
        self.assertTrue("f" in text and any(b"dirty in the arena" in content for content in found),
                        "the mount's version is nowhere, or the log does not name the file")


if __name__ == "__main__":
    case.main()
