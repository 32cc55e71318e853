#!/usr/bin/env python3
"""Starting: what is refused, with exit 1 and one line that says what and what to do."""

import os
import subprocess

from harness import case, features
from harness.ramfs_case import RamfsCase, daemons_of


class Refused(RamfsCase):
    def refused(self, *words, options=None, backing=None, mount=None, env=None, user=None):
        """Runs ramfs in the background form; it must fail by name and leave nothing mounted."""
        made = self.daemon(**(options or {}))
        command = [features.binary("ramfs"), "-o", made.option_string(),
                   backing or self.backing, mount or self.mount]
        before = mounts(self.scratch.path)
        done = subprocess.run(command, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user)
        self.assertEqual(done.returncode, 1, f"{command}: {done.stderr}")
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, f"not one line: {done.stderr!r}")
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual(mounts(self.scratch.path), before, "something stayed mounted")
        self.assertEqual(daemons_of(mount or self.mount), [], "something stayed running")
        return lines[0]

    def test_unknown_option_is_named(self):
        self.refused("frobnicate", options={"frobnicate": "7"})

    def test_malformed_values_are_named(self):
        for option, value in (("arena", "12Q"), ("arena", "-1"), ("arena", ""), ("commit", "soon"),
                              ("writeback", "5x"), ("durability", "perhaps"), ("dirty", "x%"),
                              ("coherence", "maybe"), ("slot_max", "big"), ("halflife", "x"),
                              ("passthrough", "2"), ("io_uring", "sometimes"),
                              ("loglevel", "shouting"), ("promote", "x"), ("demote", "x")):
            with self.subTest(option=option, value=value):
                self.refused(option, options={option: value})

    def test_backing_directory_missing(self):
        self.refused("/missing", backing=self.backing + "/missing")

    def test_backing_is_a_file(self):
        path = os.path.join(self.backing, "file")
        open(path, "w").close()
        self.refused(path, backing=path)

    def test_mount_point_missing(self):
        self.refused("nowhere", mount=self.mount + "/nowhere")

    def test_mount_point_is_a_file(self):
        path = os.path.join(self.scratch.path, "plain file")
        open(path, "w").close()
        self.refused("plain file", mount=path)

    def test_mounted_twice_over_one_directory(self):
        first = self.start()
        self.refused(self.backing, mount=self.scratch.directory("second"),
                     options={"log": self.scratch.directory("other"),
                              "control": os.path.join(self.state, "other.sock")})
        first.unmount()

    def test_log_locked_by_another_daemon(self):
        first = self.start()
        other = self.second_backing()
        self.refused(os.path.join(self.state, "log"), backing=other,
                     mount=self.scratch.directory("second"),
                     options={"control": os.path.join(self.state, "other.sock")})
        first.unmount()

    def test_damaged_log(self):
        first = self.start()
        with open(os.path.join(self.mount, "f"), "w") as stream:
            stream.write("x")
        first.unmount()
        log = os.path.join(self.state, "log")
        damaged = 0
        for directory, _, files in os.walk(log):
            for name in files:
                if name.startswith("MANIFEST") or name == "CURRENT":
                    with open(os.path.join(directory, name), "r+b") as stream:
                        stream.write(b"\xffgarbage\xff" * 20)
                    damaged += 1
        self.assertGreater(damaged, 0, "no RocksDB files in the log directory")
        self.refused(log)

    def test_arena_larger_than_ram(self):
        self.refused("arena", options={"arena": "64T"})

    def test_log_directory_cannot_be_made(self):
        path = os.path.join(self.scratch.path, "file")
        open(path, "w").close()
        self.refused(path, options={"log": path + "/log"})

    def test_log_inside_the_backing_directory(self):
        """What is ours must not appear among the user's files."""
        self.refused("log", options={"log": os.path.join(self.backing, "log")})

    def test_wrong_number_of_arguments(self):
        for arguments in ((), (self.backing,), (self.backing, self.mount, "third")):
            done = subprocess.run([features.binary("ramfs"), *arguments], timeout=30,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertTrue(done.stderr.strip())


class Accepted(RamfsCase):
    def test_every_option_once(self):
        made = self.start(arena="5%", durability="log", commit="2", writeback="1500ms",
                          dirty="20M", promote="3", demote="1", halflife="5m", slot_max="8M",
                          coherence="open", loglevel="debug", noatime=True, nosuid=True,
                          nodev=True, allow_other=True, default_permissions=True, rw=True)
        with open(os.path.join(self.mount, "f"), "w") as stream:
            stream.write("x")
        made.unmount()
        self.assert_only(self.backing, "f")

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            done = subprocess.run([features.binary("ramfs"), option], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("ramfs", done.stdout)


def mounts(below):
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:
        return sorted(line.split()[1] for line in table if line.split()[1].startswith(below))


if __name__ == "__main__":
    case.main()
