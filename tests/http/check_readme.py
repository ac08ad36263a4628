#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run what README.md and docs/ show: each command, each piece of a program.

A command of a console block has to answer what stands below it; a line of a
program that prints says in a comment at its end what.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from daemon import Daemon, Tests

ADDRESS = "http://127.0.0.1:8080"
PAGES = ["README.md", *sorted(glob.glob("docs/*.md"))]
LIBRARY = ["build/libsoftmax.a", *os.environ.get("SANITIZERS", "").split()]
C_FRAME = """#include <softmax.h>
#include <stdio.h>
int main(void)
{
%s
return 0;
}
"""


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(text):
    """(command, answer) of each `$ ` line in a console block."""
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.splitlines()
            first = 1
            while lines[first - 1].endswith("\\"):
                first += 1
            yield "\n".join(lines[:first]), "\n".join(lines[first:])


def promised(program):
    """What the comments behind lines that print say."""
    return "\n".join(re.findall(
        r"^\s*(?:print|console\.log|puts)\(.*(?:#|//) (.*)$", program, re.M))


def output(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False, **options)
    return (done.stdout + done.stderr).strip()


def run_python(program, _folder):
    return output([sys.executable, "-c", program])


def run_javascript(program, folder):
    path = os.path.join(folder, "program.mjs")
    with open(path, "w", encoding="utf-8") as file:
        file.write(program)
    return output(["node", path])


def run_c(program, folder):
    path = os.path.join(folder, "program")
    with open(f"{path}.c", "w", encoding="utf-8") as file:
        file.write(C_FRAME % program)
    fault = output(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                    "-Ilib", "-o", path, f"{path}.c", *LIBRARY, "-lm",
                    "-pthread"])
    return fault or output([path])


def can_import(name):
    return not output([sys.executable, "-c", f"import {name}"])


LANGUAGES = {  # block: (what it needs, is it here, how to run it)
    "python": ("requests", lambda: can_import("requests"), run_python),
    "js": ("node", lambda: shutil.which("node"), run_javascript),
    "c": ("cc", lambda: shutil.which("cc"), run_c),
}


def check(tests, name, got, want):
    tests.check(name, got == want, f"got  {got}\nwant {want}")


def main():
    tests, found = Tests(), 0
    with Daemon() as daemon, tempfile.TemporaryDirectory() as folder:
        here = f"http://127.0.0.1:{daemon.port}"
        for page in PAGES:
            with open(page, encoding="utf-8") as file:
                text = file.read().replace(ADDRESS, here)
            for command, want in commands(text):
                found += 1
                name = command.splitlines()[0].replace(here, ADDRESS)
                name = f"{page}: {name[:70]}"
                with tests.part(name):
                    check(tests, name, output(["sh", "-c", command]), want)
            for language, (need, there, run) in LANGUAGES.items():
                for i, program in enumerate(blocks(text, language)):
                    name = f"{page}: {language} {i + 1}"
                    if not there():
                        print(f"no {need}\n[  SKIPPED ] {name}")
                        continue
                    with tests.part(name):
                        check(tests, name, run(program, folder),
                              promised(program))
    tests.check("the pages have commands to run", found >= 15)
    return tests.failed > 0


if __name__ == "__main__":
    sys.exit(main())
