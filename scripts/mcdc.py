#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Modified condition/decision coverage by folder, and the files that miss most.

A condition has two outcomes to reach: that it alone makes its decision true, and
false. A line that is compiled more than once counts once, and what any of the
programs made of it reaches it.

usage: mcdc.py FOLDER (of objects and their .gcda files; LIST=1: each miss)
"""
import collections
import json
import os
import subprocess
import sys

WORST_FILES = 12


def counters(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".gcda"):
                yield os.path.join(path, name)


def read(path):
    """What gcov has to say of a file of counters."""
    answer = subprocess.run(
        ["gcov", "--conditions", "--json-format", "--stdout", path],
        capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)["files"]


def missed(folder):
    """{file: {(line, decision, condition, outcome): nobody reached it}}"""
    files = collections.defaultdict(dict)
    for path in counters(folder):
        for file in read(path):
            if not file["file"].startswith("server/"):
                continue
            outcomes = files[file["file"]]
            for line in file["lines"]:
                for number, decision in enumerate(line["conditions"]):
                    note(outcomes, line["line_number"], number, decision)
    return files


def note(outcomes, line, number, decision):
    for outcome in True, False:
        not_yet = decision[f"not_covered_{str(outcome).lower()}"]
        for condition in range(decision["count"] // 2):
            key = (line, number, condition, outcome)
            outcomes[key] = outcomes.get(key, True) and condition in not_yet


def row(name, outcomes):
    reached = len(outcomes) - sum(outcomes)
    share = 100 * reached / len(outcomes) if outcomes else 100
    print(f"{name:28} {share:5.1f} % of {len(outcomes):5} outcomes")


def main(folder):
    files = missed(folder)
    folders = collections.defaultdict(list)
    for name, outcomes in files.items():
        folders[os.path.dirname(name)] += outcomes.values()
        folders["all"] += outcomes.values()
    for name in sorted(folders, key=lambda name: (name == "all", name)):
        row(name, folders[name])
    print("most missed:")
    for name in sorted(files, key=lambda n: -sum(files[n].values()))[
            :WORST_FILES]:
        row(name, list(files[name].values()))
    if os.environ.get("LIST"):
        for name, outcomes in sorted(files.items()):
            for (line, _, condition, outcome), miss in sorted(outcomes.items()):
                if miss:
                    print(f"{name}:{line}: condition {condition} {outcome}")


if __name__ == "__main__":
    main(sys.argv[1])
