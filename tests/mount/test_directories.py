#!/usr/bin/env python3
"""Reading directories: complete, without repetition, at any offset, while they change."""

import os

from harness import case, syscalls


def names_of(descriptor, size=4096):
    entries = []
    while True:
        some = syscalls.getdents(descriptor, size)
        if not some:
            return entries
        entries += some


class Directories(case.MountCase):
    disk_size = "2G"

    def directory(self, count):
        path = os.path.join(self.mount, self.id().split(".")[-1])
        os.mkdir(path)
        for index in range(count):
            os.close(os.open(os.path.join(path, f"entry{index}"), os.O_CREAT | os.O_WRONLY))
        if self.bare:  # the trees are compared at the end
            same = os.path.join(self.bare, os.path.basename(path))
            os.mkdir(same)
            for index in range(count):
                os.close(os.open(os.path.join(same, f"entry{index}"), os.O_CREAT | os.O_WRONLY))
        return path

    def both(self, path, action):
        action(path)
        if self.bare and self.bare != self.mount:
            action(os.path.join(self.bare, os.path.basename(path)))

    def test_listing_with_types(self):
        def scenario(s):
            s.mkdir("d")
            s.file("f")
            s.symlink("f", "l")
            s.mknod("p", 0o010644)
            s.mknod("sock", 0o140644)
            fd = s.open(".", os.O_RDONLY | os.O_DIRECTORY)
            s.note("entries", (), sorted((name, kind) for name, _, kind in names_of(fd)))
            s.note("inodes", (), all(entry.inode() == os.lstat(entry.path).st_ino
                                     for entry in os.scandir(".")))
            s.note("parents", (), os.stat("d/..").st_ino == os.stat(".").st_ino)
        self.compare(scenario)

    def test_every_offset_can_be_sought(self):
        path = self.directory(1000)
        descriptor = os.open(path, os.O_RDONLY)
        entries = names_of(descriptor)
        self.assertEqual(len({name for name, _, _ in entries}), 1002)
        self.assertEqual(len(entries), 1002)
        for index in (0, 1, 2, 500, 999, 1000, 3, 1001):
            os.lseek(descriptor, entries[index][1], os.SEEK_SET)
            rest = [name for name, _, _ in names_of(descriptor)]
            self.assertEqual(rest, [name for name, _, _ in entries[index + 1:]], f"after {index}")
        os.lseek(descriptor, 0, os.SEEK_SET)
        self.assertEqual(names_of(descriptor), entries)
        os.close(descriptor)

    def test_reading_while_it_changes(self):
        """What is there throughout is seen exactly once, whatever comes and goes meanwhile."""
        path = self.directory(3000)
        descriptor = os.open(path, os.O_RDONLY)
        seen, turn = [], 0
        while True:
            some = syscalls.getdents(descriptor, 1024)
            if not some:
                break
            seen += [name for name, _, _ in some]
            for index in range(5):
                number = turn * 5 + index
                if number % 2 == 0 and number < 3000:
                    self.both(path, lambda where, n=number: os.unlink(f"{where}/entry{n}"))
                self.both(path, lambda where, n=number: os.close(
                    os.open(f"{where}/new{n}", os.O_CREAT | os.O_WRONLY)))
            turn += 1
        os.close(descriptor)
        self.assertEqual(len(seen), len(set(seen)), "a name came twice")
        missed = {f"entry{index}" for index in range(1, 3000, 2)} - set(seen)
        self.assertFalse(missed, "names that were there throughout were missed")
        self.assertEqual(sorted(os.listdir(path)), sorted(set(os.listdir(path))))

    def test_removing_while_reading(self):
        """rm -r: each batch read is removed before the next is asked for."""
        path = self.directory(5000)
        descriptor = os.open(path, os.O_RDONLY)
        while True:
            some = syscalls.getdents(descriptor, 4096)
            if not some:
                break
            for name, _, _ in some:
                if name not in (".", ".."):
                    self.both(path, lambda where, n=name: os.unlink(f"{where}/{n}"))
        os.close(descriptor)
        self.assertEqual(os.listdir(path), [])
        self.both(path, os.rmdir)

    def test_an_open_listing_sees_what_rewind_shows(self):
        def scenario(s):
            s.file("a")
            fd = s.open(".", os.O_RDONLY | os.O_DIRECTORY)
            s.note("first", (), sorted(name for name, _, _ in names_of(fd)))
            s.file("b")
            s.unlink("a")
            os.lseek(fd, 0, os.SEEK_SET)
            s.note("second", (), sorted(name for name, _, _ in names_of(fd)))
            s.fsync(fd)
        self.compare(scenario)

    def test_small_buffers(self):
        path = self.directory(50)
        descriptor = os.open(path, os.O_RDONLY)
        with self.assertRaises(OSError) as raised:
            syscalls.getdents(descriptor, 8)
        self.assertEqual(raised.exception.errno, 22)
        self.assertEqual(len(names_of(descriptor, 40)), 52)
        os.close(descriptor)

    def test_a_hundred_thousand_files(self):
        path = os.path.join(self.mount, "many")
        self.both(path, os.mkdir)

        def fill(where):
            descriptor = os.open(where, os.O_RDONLY)
            for index in range(100_000):
                os.mknod(f"file-with-a-longer-name-{index}", dir_fd=descriptor)
            os.close(descriptor)
        self.both(path, fill)
        names = os.listdir(path)
        self.assertEqual(len(names), 100_000)
        self.assertEqual(len(set(names)), 100_000)
        with os.scandir(path) as entries:
            sizes = sum(entry.stat().st_nlink for entry in entries)
        self.assertEqual(sizes, 100_000)
        self.both(path, lambda where: [os.unlink(f"{where}/{name}") for name in names[::2]])
        self.assertEqual(sorted(os.listdir(path)), sorted(names[1::2]))




if __name__ == "__main__":
    case.main()
