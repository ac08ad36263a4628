#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What somebody copies out of a page, for newcomer.sh.

usage: readme_steps.py PAGE first LANGUAGE     the first block's command
       readme_steps.py PAGE program LANGUAGE   what to run
       readme_steps.py PAGE answers LANGUAGE   what it prints
       readme_steps.py PAGE packages LANGUAGE  what it says to install
The program of `console` is the first such block's commands.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))
from check_readme import blocks, commands, promised  # noqa: E402


def main():
    page, what, language = sys.argv[1:]
    with open(page, encoding="utf-8") as file:
        block = blocks(file.read(), language)[0]
    pairs = list(commands(f"```console\n{block}```\n"))
    print(*{
        "first": [re.sub(r"\s+#.*", "", block.splitlines()[0])],
        "program": [command for command, _ in pairs] or [block],
        "answers": [answer for _, answer in pairs] or [promised(block)],
        "packages": re.findall(r"(?:#|//).*apt install ([\w.+-]+)", block),
    }[what], sep="\n")


if __name__ == "__main__":
    main()
