"""Real programs on the mount: what they need from the mount tests' harness."""

import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mount"))

from harness import case, features, tree  # noqa: E402,F401

CLEAN = {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/sbin:/usr/sbin",
         "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
         "GIT_CONFIG_GLOBAL": "/dev/null",
         "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
         "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


class Programs(case.MountCase):
    reference = False
    disk_size = "3G"
    options = {"arena": "128M", "commit": "1s", "writeback": "3s", "dev": True, "suid": True}

    def run_in(self, directory, *command, seconds=60, status=0):
        process = subprocess.Popen(command, cwd=directory, env=CLEAN, text=True, errors="replace",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            self.fail(f"{' '.join(command)}: not done after {seconds} s\n"
                      f"{process.communicate()[0][-3000:]}")
        if status is not None:
            self.assertEqual(process.returncode, status,
                             f"{' '.join(command)}\n{output[-3000:]}")
        return output

    def fresh(self, name):
        path = os.path.join(self.mount, name)
        os.mkdir(path)
        return path


def real_tree():
    """Some thousand files that every Debian or Ubuntu has, with links and odd modes among them."""
    for path in ("/usr/share/perl", "/usr/lib/python3", "/usr/share/zoneinfo", "/etc"):
        if os.path.isdir(path):
            yield path
