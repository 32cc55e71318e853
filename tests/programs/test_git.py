#!/usr/bin/env python3
"""git: commit, clone, branch, merge, gc, fsck."""

import os

import common
from common import case, features


class Git(common.Programs):
    def commit(self, repository, turn):
        for index in range(60):
            path = os.path.join(repository, f"d{index % 7}", f"f{index}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "a") as stream:
                stream.write(f"turn {turn}, line of file {index}\n" * (index + turn))
        self.run_in(repository, "git", "add", "-A")
        self.run_in(repository, "git", "commit", "-q", "-m", f"turn {turn}")

    def test_a_repository_lives_through_a_day(self):
        origin, top = self.fresh("origin"), self.fresh("git")
        self.run_in(origin, "git", "init", "-q", "-b", "main")
        for turn in range(12):
            self.commit(origin, turn)
        self.run_in(top, "git", "clone", "-q", "--no-local", origin, "clone")
        clone = os.path.join(top, "clone")
        self.run_in(clone, "git", "checkout", "-q", "-b", "work")
        for turn in range(12, 18):
            self.commit(clone, turn)
        self.run_in(clone, "git", "rebase", "-q", "main")
        self.run_in(clone, "git", "checkout", "-q", "main")
        self.run_in(clone, "git", "merge", "-q", "--no-ff", "-m", "merge", "work")
        self.run_in(clone, "git", "push", "-q", origin, "HEAD:incoming")
        self.run_in(clone, "git", "gc", "-q", "--aggressive", "--prune=now")
        for repository in (origin, clone):
            self.run_in(repository, "git", "fsck", "--full", "--strict")
            self.assertEqual(self.run_in(repository, "git", "status", "--porcelain"), "")
        self.run_in(top, "git", "clone", "-q", clone, "linked")  # hard links
        self.run_in(os.path.join(top, "linked"), "git", "fsck", "--full")
        log = self.run_in(clone, "git", "log", "--oneline")
        self.assertEqual(len(log.splitlines()), 19)

    def test_worktrees_and_stash(self):
        top = self.fresh("worktrees")
        self.run_in(top, "git", "init", "-q", "-b", "main")
        self.commit(top, 1)
        self.run_in(top, "git", "worktree", "add", "-q", "-b", "side", "side")
        with open(os.path.join(top, "d0", "f0"), "a") as stream:
            stream.write("changed\n")
        self.run_in(top, "git", "stash", "-q")
        self.run_in(top, "git", "stash", "pop", "-q")
        self.run_in(top, "git", "reset", "-q", "--hard")
        self.run_in(top, "git", "clean", "-qfdx", "-e", "side")
        self.run_in(top, "git", "fsck", "--full")


if __name__ == "__main__":
    features.need_programs("git")
    case.main()
