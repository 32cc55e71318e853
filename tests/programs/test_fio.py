#!/usr/bin/env python3
"""fio with verify: every pattern of writing, each block read back and checked by its checksum."""

import os

import common
from common import case, features

COMMON = ("--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--group_reporting", "--size=32m",
          "--minimal", "--randseed=7", "--fallocate=none")
JOBS = {
    "sequential": ("--rw=write", "--bs=128k"),
    "random": ("--rw=randwrite", "--bs=4k"),
    "mixed sizes": ("--rw=randwrite", "--bsrange=512-64k", "--norandommap=0"),
    "read and write": ("--rw=randrw", "--bs=4k", "--rwmixread=50"),
    "fsync each 16": ("--rw=randwrite", "--bs=4k", "--fsync=16", "--size=8m"),
    "synchronous": ("--rw=randwrite", "--bs=4k", "--sync=1", "--size=4m"),
    "direct": ("--rw=randwrite", "--bs=4k", "--direct=1", "--size=16m"),
    "direct, asynchronous": ("--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio",
                             "--iodepth=16", "--size=16m"),
    "mmap": ("--rw=randwrite", "--bs=4k", "--ioengine=mmap", "--size=16m"),
    "four jobs": ("--rw=randwrite", "--bs=8k", "--numjobs=4", "--size=8m"),
    "larger than the arena": ("--rw=randwrite", "--bs=64k", "--size=160m"),
}


class Fio(common.Programs):
    options = dict(common.Programs.options, arena="64M", writeback="1s")

    def test_every_pattern(self):
        for name, options in JOBS.items():
            with self.subTest(job=name):
                top = self.fresh(name)
                self.run_in(top, "fio", f"--name={name.replace(' ', '_').replace(',', '')}",
                            "--ioengine=psync", f"--directory={top}", *COMMON, *options)


if __name__ == "__main__":
    features.need_programs("fio")
    case.main()
