"""What this machine can do. A missing feature is a stated reason to skip, never a failure."""

import os
import shutil
import sys

SKIPPED = 77  # the exit status meson counts as a skip


def skip_all(reason):
    print(f"SKIP {os.path.basename(sys.argv[0])}: {reason}")
    sys.exit(SKIPPED)


def need_root():
    if os.geteuid() != 0:
        skip_all("needs root: it mounts filesystems and changes user ids")


def need_fuse():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        skip_all(f"needs /dev/fuse: {error.strerror}")


def need_loop():
    if not os.path.exists("/dev/loop-control"):
        skip_all("needs loop devices: no /dev/loop-control")
    if not shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
        skip_all("needs mkfs.ext4")


def need_programs(*names):
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        skip_all("needs " + ", ".join(missing))


def build_directory():
    """Where ramfs and ramfsctl are: RAMFS_BUILD, else build/ beside tests/."""
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("RAMFS_BUILD", os.path.join(here, "..", "..", "..", "build"))


def binary(name):
    path = os.path.abspath(os.path.join(build_directory(), name))
    if not os.access(path, os.X_OK):
        skip_all(f"{name} is not built: set RAMFS_BUILD to the build directory")
    return path
