#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines and branches by folder, and the files that miss most, of gcovr.

usage: coverage.py SUMMARY.json
"""
import collections
import json
import os
import sys

WORST_FILES = 12


def share(covered, total):
    return f"{100 * covered / total:5.1f} % of {total:5}" if total else "-"


def row(name, sums):
    print(f"{name:24} lines {share(sums['line_covered'], sums['line_total'])}"
          f"   branches {share(sums['branch_covered'], sums['branch_total'])}")


def main(path):
    with open(path, encoding="utf-8") as file:
        files = json.load(file)["files"]
    folders = collections.defaultdict(collections.Counter)
    for found in files:
        sums = collections.Counter(
            {key: value for key, value in found.items()
             if key.endswith(("_covered", "_total"))})
        folders[os.path.dirname(found["filename"])] += sums
        folders["all"] += sums
    for folder in sorted(folders, key=lambda name: (name == "all", name)):
        row(folder, folders[folder])
    print("most lines missed:")
    files.sort(key=lambda f: f["line_covered"] - f["line_total"])
    for found in files[:WORST_FILES]:
        row(found["filename"], found)


if __name__ == "__main__":
    main(sys.argv[1])
