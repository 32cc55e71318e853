#!/usr/bin/env python3
"""Random sequences of calls over a small namespace, the same on the mount and on bare ext4.

RAMFS_TEST_SEED=N runs one seed; RAMFS_TEST_STEPS sets the length. A failure names its seed.
RAMFS_TEST_TRACE=1 shows every call of a failing one, RAMFS_TEST_WATCH=1 reads all after each.
"""

import os
import random
import time

from harness import case
from harness.random_calls import Player

STEPS = int(os.environ.get("RAMFS_TEST_STEPS", "400"))
SEEDS = int(os.environ.get("RAMFS_TEST_SEEDS", "12"))
WATCH = os.environ.get("RAMFS_TEST_WATCH") == "1"


def seeds():
    fixed = os.environ.get("RAMFS_TEST_SEED")
    if fixed:
        return [int(fixed)]
    return [*range(1, SEEDS), random.SystemRandom().randrange(10**9)]


class Base(case.MountCase):
    abstract = True

    def play(self, seed):
        def scenario(s):
            player = Player(s, random.Random(seed))
            for _ in range(STEPS):
                player.step()
                if WATCH:
                    player.read_all()
                # Both sides pause alike, so that commits and writebacks fall between the calls.
                if player.random.random() < 0.03:
                    time.sleep(player.random.random() * 0.05)
            player.finish()
        try:
            self.compare(scenario, 0o777)
        except AssertionError as error:
            raise AssertionError(f"replay with RAMFS_TEST_SEED={seed}: {error}") from None


class Ordinary(Base):
    options = {"dev": True, "suid": True, "commit": "100ms", "writeback": "300ms"}


class SmallArena(Base):
    """Eviction, spilling and writeback under every call."""
    options = {"dev": True, "suid": True, "commit": "50ms", "writeback": "100ms",
               "arena": "8M", "slot_max": "1M", "dirty": "2M"}


class Exclusive(Base):
    """Long attribute timeouts: what we tell the kernel must stay true by itself."""
    options = {"dev": True, "suid": True, "coherence": "exclusive", "durability": "backing"}


for kind in (Ordinary, SmallArena, Exclusive):
    for one in seeds():
        def test(self, one=one):
            self.play(one)
        test.__name__ = f"test_seed_{one}"
        setattr(kind, test.__name__, test)

if __name__ == "__main__":
    case.main()
