#!/usr/bin/env python3
"""stress-ng's file classes, briefly and with verification, one by one and several at once."""

import os

import common
from common import case, features

STRESSORS = ("access", "chmod", "chown", "copy-file", "dentry", "dir", "dirdeep", "dirmany",
             "dup", "fallocate", "fcntl", "fiemap", "file-ioctl", "filename", "flock", "fpunch",
             "fsize", "fstat", "getdent", "hdd", "iomix", "lease", "link", "locka", "lockf",
             "lockofd", "metamix", "mmapfork", "msync", "open", "readahead", "rename", "seal",
             "seek", "symlink", "sync-file", "touch", "truncate", "unlink", "utime", "verity",
             "xattr")
UNFIT = {"fiemap", "verity", "seal", "mmapfork"}  # FUSE has no such call, or it is about no file
SECONDS = os.environ.get("RAMFS_TEST_STRESS_SECONDS", "1")


class Stress(common.Programs):
    options = dict(common.Programs.options, arena="64M")

    def test_each_class(self):
        top = self.fresh("each")
        known = self.run_in(top, "stress-ng", "--stressors").split()
        for name in STRESSORS:
            if name in UNFIT or name not in known:
                continue
            with self.subTest(stressor=name):
                output = self.run_in(top, "stress-ng", "--temp-path", top, f"--{name}", "2",
                                     "--timeout", SECONDS, "--verify", "--no-rand-seed",
                                     "--oomable", status=None)
                lines = [line for line in output.splitlines() if "fail:" in line]
                self.assertEqual(lines, [], output)
        self.run_in(top, "sh", "-c", "rm -rf -- ./*")

    def test_all_at_once(self):
        top = self.fresh("mix")
        output = self.run_in(top, "stress-ng", "--temp-path", top, "--hdd", "2", "--hdd-bytes",
                             "32M", "--rename", "1", "--link", "1", "--dentry", "1", "--seek", "1",
                             "--seek-size", "8M", "--fallocate", "1", "--fallocate-bytes", "32M",
                             "--timeout", "8", "--verify", status=None)
        self.assertEqual([line for line in output.splitlines() if "fail:" in line], [], output)
        self.run_in(top, "sh", "-c", "rm -rf -- ./*")


if __name__ == "__main__":
    features.need_programs("stress-ng")
    case.main()
