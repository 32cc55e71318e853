"""Work on many small files: what unpacking, copying, searching and removing a tree costs.

The tree is made of real files of the machine. Read-only jobs work on a git repository that lay in
the backing directory before the mount; untar, cp -r and rm -rf work on what they made themselves.
"""

import os
import pathlib
import shutil
import statistics

from harness.process import Failed, drop_caches, run, seconds

SOURCES = ("/usr/include", "/usr/share/doc", "/usr/share", "/usr/lib")
LARGEST = 256 * 1024
GIT_ENVIRONMENT = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null",
                       GIT_AUTHOR_NAME="bench", GIT_AUTHOR_EMAIL="bench@localhost",
                       GIT_COMMITTER_NAME="bench", GIT_COMMITTER_EMAIL="bench@localhost")


class Tree:
    """tree.tar and repo.tar (the same tree under git), beside the ext4 in RAM."""

    def __init__(self, directory, files_wanted):
        self.directory = pathlib.Path(directory)
        self.files = 0
        self.bytes = 0
        self.directory.mkdir()
        top = self.directory / "tree"
        for path in _real_files(files_wanted):
            copy = top / path.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy, follow_symlinks=False)
            self.files += 1
            self.bytes += copy.lstat().st_size
        run("tar", "-cf", self.tar, "-C", self.directory, "tree")
        for command in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "tree"]):
            run("git", *command, cwd=top, env=GIT_ENVIRONMENT)
        top.rename(self.directory / "repo")
        run("tar", "-cf", self.repo_tar, "-C", self.directory, "repo")
        shutil.rmtree(self.directory / "repo")

    @property
    def tar(self):
        return self.directory / "tree.tar"

    @property
    def repo_tar(self):
        return self.directory / "repo.tar"

    def lay(self, directory):
        run("tar", "-xf", self.repo_tar, "-C", directory)


def _real_files(wanted):
    """The first so many readable, not too large files of SOURCES, in a fixed order."""
    seen = set()
    for source in SOURCES:
        for directory, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(directory, name)
                if path in seen or not (os.path.islink(path) or os.path.isfile(path)):
                    continue
                if os.lstat(path).st_size > LARGEST:
                    continue
                seen.add(path)
                yield path
                if len(seen) == wanted:
                    return
    raise Failed(f"this machine has only {len(seen)} files for the tree: use --files")


class FilesJob:
    """One command, timed by the wall clock; better: lower, in seconds."""

    suite = "files"
    area = "ram"
    unit = "s"
    higher_is_better = False
    fsynced = False

    def __init__(self, name, question, state, command, after=None, accept=(0,)):
        self.name = name
        self.question = question
        self.state = state
        self._command = command
        self._after = after          # the job whose result this one works on
        self._accept = accept

    @property
    def _reads_only(self):
        return self.state != "new files"

    def measure(self, place, options):
        """{"value"} of one run; what only reads is repeated, its median counts."""
        self._prepare(place, options)
        repeats = options.repeats if self._reads_only else 1
        return {"value": statistics.median(self._once(place, options) for _ in range(repeats))}

    def _prepare(self, place, options):
        if self._after and self._after not in place.done:
            JOBS[self._after].measure(place, options)
        if self.state == "warm":
            self._run(place, options)    # fills the caches, and lets git refresh its index
        os.sync()    # what earlier jobs left dirty is not this job's to write

    def _once(self, place, options):
        if self.state == "cold":
            drop_caches()
        return self._run(place, options)

    def _run(self, place, options):
        place.done.add(self.name)
        command = [str(part).replace("TOP", str(place.top)).replace("TAR", str(options.tree.tar))
                   for part in self._command]
        return seconds(*command, env=GIT_ENVIRONMENT, accept=self._accept)


FIND = ("find", "TOP/repo", "-printf", r"%s %T@ %m %p\n")
GREP = ("grep", "-r", "-F", "qzjxkw vqzx", "TOP/repo")
GIT = ("git", "-C", "TOP/repo", "status", "--porcelain")

JOBS = {job.name: job for job in (
    FilesJob("find-warm", "How long does it take to stat every file of a tree just visited?",
             "warm", FIND),
    FilesJob("grep-warm", "How long does it take to read every file of a tree just read?",
             "warm", GREP, accept=(1,)),
    FilesJob("git-status-warm", "How long does git status take on a clean tree, for the second "
             "time?", "warm", GIT),
    FilesJob("find-cold", "How long does find take after the kernel's caches were dropped?",
             "cold", FIND),
    FilesJob("grep-cold", "How long does grep -r take after the kernel's caches were dropped?",
             "cold", GREP, accept=(1,)),
    FilesJob("git-status-cold", "How long does git status take after the kernel's caches were "
             "dropped?", "cold", GIT, after="git-status-warm"),
    FilesJob("untar", "How long does tar -x of the tree take (archive in RAM, not synced)?",
             "new files", ("tar", "-xf", "TAR", "-C", "TOP")),
    FilesJob("cp-r", "How long does cp -r of the tree just unpacked take (not synced)?",
             "new files", ("cp", "-r", "TOP/tree", "TOP/copy"), after="untar"),
    FilesJob("rm-rf", "How long does rm -rf of the tree just copied take?",
             "new files", ("rm", "-rf", "TOP/copy"), after="cp-r"),
)}
