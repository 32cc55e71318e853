#!/usr/bin/env python3
"""A compile with make and with ninja: all of it, then nothing, then only what changed."""

import os
import shutil
import time

import common
from common import case, features

UNITS = 24
COMPILER = "cc"


class Build(common.Programs):
    def sources(self, top):
        os.mkdir(os.path.join(top, "src"))
        for index in range(UNITS):
            with open(os.path.join(top, "src", f"u{index}.c"), "w") as stream:
                stream.write(f'#include "common.h"\n#include <stdio.h>\n#include <string.h>\n'
                             f"int unit{index}(void) {{ return OFFSET + {index}; }}\n")
        with open(os.path.join(top, "src", "common.h"), "w") as stream:
            stream.write("#define OFFSET 1\n")
        calls = " + ".join(f"unit{index}()" for index in range(UNITS))
        declared = "".join(f"int unit{index}(void);\n" for index in range(UNITS))
        with open(os.path.join(top, "src", "main.c"), "w") as stream:
            stream.write(f"#include <stdio.h>\n{declared}int main(void) {{\n"
                         f'  printf("%d\\n", {calls});\n  return 0;\n}}\n')

    def makefile(self, top):
        with open(os.path.join(top, "Makefile"), "w") as stream:
            stream.write("objects := $(patsubst src/%.c,%.o,$(wildcard src/*.c))\n"
                         f"program: $(objects)\n\t{COMPILER} -o $@ $^\n"
                         f"%.o: src/%.c\n\t{COMPILER} -MMD -c -o $@ $<\n-include $(wildcard *.d)\n")

    def ninja_file(self, top):
        names = [*(f"u{index}" for index in range(UNITS)), "main"]
        with open(os.path.join(top, "build.ninja"), "w") as stream:
            stream.write(f"rule cc\n  command = {COMPILER} -MMD -MF $out.d -c -o $out $in\n"
                         "  depfile = $out.d\n  deps = gcc\n"
                         f"rule link\n  command = {COMPILER} -o $out $in\n")
            for name in names:
                stream.write(f"build {name}.o: cc src/{name}.c\n")
            stream.write("build program: link " + " ".join(f"{name}.o" for name in names) + "\n")

    def cycle(self, top, tool, idle):
        expected = sum(1 + index for index in range(UNITS))
        self.run_in(top, *tool)
        self.assertEqual(self.run_in(top, "./program").strip(), str(expected))
        self.assertIn(idle, self.run_in(top, *tool))
        time.sleep(1.1)  # make's own idea of newer is as fine as its clock
        with open(os.path.join(top, "src", "u3.c"), "a") as stream:
            stream.write("int more;\n")
        output = self.run_in(top, *tool, *(["-v"] if tool[0] == "ninja" else []))
        self.assertIn("u3.o", output)
        self.assertNotIn("-o u4.o", output)
        with open(os.path.join(top, "src", "common.h"), "w") as stream:
            stream.write("#define OFFSET 2\n")
        self.run_in(top, *tool)
        self.assertEqual(self.run_in(top, "./program").strip(), str(expected + UNITS))
        self.assertIn(idle, self.run_in(top, *tool))

    def test_make(self):
        top = self.fresh("make")
        self.sources(top)
        self.makefile(top)
        self.cycle(top, ("make", "-j2"), "up to date")

    def test_ninja(self):
        if not shutil.which("ninja"):
            self.skipTest("needs ninja")
        top = self.fresh("ninja")
        self.sources(top)
        self.ninja_file(top)
        self.cycle(top, ("ninja", "-j2"), "no work to do")


if __name__ == "__main__":
    features.need_programs("make", COMPILER)
    case.main()
