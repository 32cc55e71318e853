"""A file includes its own layer and those below it; each library stays behind one layer."""

import re

import tree

# Neighbours of the same rank are strangers to each other.
RANK = {
    "base": 0,
    "os": 1,
    "arena": 2,
    "heat": 2,
    "log": 2,
    "writeback": 3,
    "core": 4,
    "fuse": 5,
    "control": 5,
}
TOP = "main"  # src/*.cc and the programs: build everything
PROGRAMS = ("main", "ramfs", "ramfsctl")

# A header by pattern, and where alone it may be included.
LIBRARIES = [
    (r"fuse3?/|fuse_|fuse\.h", ["src/fuse/"], "ask the core's Filesystem, fuse/ translates"),
    (r"rocksdb/", ["src/log/"], "use ramfs/log/log.h"),
    (r"grpc|google/protobuf/|.*\.pb\.h", ["src/control/", "src/ramfsctl"], "use ramfs/control/"),
    (r"spdlog/", ["src/base/logging"], "use ramfs/base/logging.h"),
    (r"libmount/", ["src/os/", "src/fuse/", "src/control/", "src/main", "src/ramfsctl", "src/mount"],
     "the mount table is for those who mount"),
]


def layer_of(path):
    parts = path.relative_to(tree.ROOT).parts
    folders = parts[1:-1] if parts[0] == "src" else parts[2:-1]
    return folders[0] if folders and folders[0] not in PROGRAMS else TOP


def check(path):
    layer = layer_of(path)
    if layer != TOP and layer not in RANK:
        yield f"{tree.name(path)}: {layer} is no layer; they are {', '.join(RANK)}"
        return
    for number, line in tree.code_lines(path):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not match:
            continue
        header, place = match.group(1), f"{tree.name(path)}:{number}"
        ours = re.match(r"ramfs/([a-z]+)/", header)
        if ours and layer != TOP and ours.group(1) != layer:
            target = ours.group(1)
            if RANK.get(target, 99) >= RANK[layer]:
                yield f"{place}: {layer} includes {header}; calls go down, {target} is not below"
        for pattern, allowed, instead in LIBRARIES:
            if re.match(pattern, header) and not tree.name(path).startswith(tuple(allowed)):
                yield f"{place}: {header} belongs to {', '.join(allowed)}; {instead}"


tree.finish([p for path in tree.files("src", "include", suffixes=(".h", ".cc")) for p in check(path)])
