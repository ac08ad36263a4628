#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run each command of README.md's console blocks; its answer must be there."""
import re
import subprocess
import sys

from daemon import Daemon, Tests

ADDRESS = "http://127.0.0.1:8080"


def commands(text):
    """(command, answer) of each `$ ` line in a console block."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.splitlines()
            first = 1
            while lines[first - 1].endswith("\\"):
                first += 1
            yield "\n".join(lines[:first]), "\n".join(lines[first:])


def main():
    tests = Tests()
    found = list(commands(open("README.md", encoding="utf-8").read()))
    with Daemon() as daemon:
        for command, want in found:
            real = command.replace(ADDRESS, f"http://127.0.0.1:{daemon.port}")
            got = subprocess.run(["sh", "-c", real], capture_output=True,
                                 text=True, timeout=30).stdout.strip()
            tests.check(command.splitlines()[0][:70], got == want,
                        f"{command}\ngot  {got}\nwant {want}")
    tests.check("the README has commands to run", len(found) >= 6)
    return tests.failed > 0


sys.exit(main())
