#!/usr/bin/env python3
"""Set-id bits and file capabilities go when somebody changes the file, as on bare ext4."""

import os
import struct

from harness import case
from harness.session import NOBODY

OTHER = 12345
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw, effective


def remove_quietly(path, name):
    if name in os.listxattr(path):
        os.removexattr(path, name)


class SetId(case.MountCase):
    options = {"dev": True, "suid": True}  # as an fstab line has it

    def test_set_id_bits_are_cleared(self):
        actions = {
            "write": lambda s, fd: s.pwrite(fd, b"x", 0),
            "write nothing": lambda s, fd: s.pwrite(fd, b"", 0),
            "append": lambda s, fd: s.pwrite(fd, b"x", 100),
            "ftruncate": lambda s, fd: s.ftruncate(fd, 3),
            "same size": lambda s, fd: s.ftruncate(fd, 7),
            "fallocate": lambda s, fd: s.fallocate(fd, 0, 0, 50),
            "punch": lambda s, fd: s.fallocate(fd, 3, 0, 5),
            "copy": lambda s, fd: s.copy_range(s.open("source"), fd, 5, 0, 0),
            "mmap": lambda s, fd: s.store(fd, 0, b"m", 7),
        }

        def scenario(s):
            s.file("source", b"source")
            for uid in (0, NOBODY):
                for action, function in actions.items():
                    for mode in (0o6777, 0o4755, 0o2755, 0o2745, 0o6711):
                        name = f"{uid} {action} {mode:o}"
                        s.file(name, b"content")
                        s.chown(name, NOBODY, NOBODY)
                        s.chmod(name, mode)
                        s.setxattr(name, "security.capability", CAPABILITY)
                        fd = s.open(name, os.O_RDWR)
                        with s.user(uid):
                            function(s, fd)
                        s.stat(name)
                        # A store through a mapping reaches the daemon as a write and takes the
                        # capabilities too, which ext4 leaves: the safe side.
                        if action == "mmap":
                            remove_quietly(name, "security.capability")
                        s.getxattr(name, "security.capability")
                        s.close(fd)
        self.compare(scenario, 0o777)

    def test_set_id_bits_and_names(self):
        actions = {
            "truncate": lambda s, name: s.truncate(name, 3),
            "open": lambda s, name: s.close(s.open(name, os.O_WRONLY | os.O_TRUNC)),
            "chown": lambda s, name: s.chown(name, NOBODY, NOBODY),
            "chown nothing": lambda s, name: s.chown(name, -1, -1),
            "chgrp": lambda s, name: s.chown(name, -1, OTHER),
            "chmod": lambda s, name: s.chmod(name, 0o6777),
            "rename": lambda s, name: (s.rename(name, "x"), s.rename("x", name)),
            "link": lambda s, name: (s.link(name, "x"), s.unlink("x")),
            "utimens": lambda s, name: s.utimens(name, ((5, 5), (6, 6))),
        }

        def scenario(s):
            for uid, groups in ((0, ()), (NOBODY, ()), (NOBODY, (OTHER,))):
                for action, function in actions.items():
                    # For root the kernel sends the same empty request as before a write that
                    # only drops capabilities (fs/fuse/dir.c): nobody can tell them apart.
                    if uid == 0 and action == "chown nothing":
                        continue
                    for mode in (0o6777, 0o2745):
                        name = f"{uid} {len(groups)} {action} {mode:o}"
                        s.file(name, b"content")
                        s.chown(name, NOBODY, OTHER if groups else NOBODY)
                        s.chmod(name, mode)
                        s.setxattr(name, "security.capability", CAPABILITY)
                        with s.user(uid, uid, groups):
                            function(s, name)
                        s.stat(name)
                        s.getxattr(name, "security.capability")
            s.mkdir("d")
            s.chmod("d", 0o6777)
            s.chown("d", NOBODY, NOBODY)
            s.stat("d")
        self.compare(scenario, 0o777)


if __name__ == "__main__":
    case.main()
