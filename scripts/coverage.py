#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines and branches by folder, and the files that miss most, of gcovr.

A line that is compiled more than once, as for each instruction set, counts once,
and what any of them made of it reaches it; where their constants leave it a
different number of branches, these count, too. What no test can reach is argued
in tests/coverage/unreachable and left out as far as it was not reached; the
figures with it stand behind.

usage: coverage.py COVERAGE.json (LIST=server/http/: each miss of what begins so)
"""
import collections
import json
import os
import sys

WORST_FILES = 12
ARGUED = os.path.join(os.path.dirname(__file__), "..", "tests", "coverage",
                      "unreachable")


class Line:
    """How often it ran, and of each form of it how often each branch."""

    def __init__(self):
        self.count, self.forms = 0, {}

    def add(self, found):
        self.count += found["count"]
        counts = [branch["count"] for branch in found["branches"]]
        form = self.forms.setdefault(len(counts), [0] * len(counts))
        for i, count in enumerate(counts):
            form[i] += count

    def branches(self):
        return sum(self.forms)

    def missed(self):
        return sum(count == 0 for form in self.forms.values() for count in form)


def read(path):
    """{file: {number: Line}}"""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)["files"]
    files = {}
    for one in found:
        lines = collections.defaultdict(Line)
        for line in one["lines"]:
            if not line.get("gcovr/noncode"):
                lines[line["line_number"]].add(line)
        files[one["file"]] = lines
    return files


def read_argued():
    """[(file, text of a line, what is argued of each that reads so)]"""
    with open(ARGUED, encoding="utf-8") as file:
        for line in file:
            entry, _, why = line.partition(" # ")
            if line.startswith("#") or not line.strip():
                continue
            if not why.strip():
                sys.exit(f"unreachable: no reason stands behind: {line}")
            path, what, text = entry.split(": ", 2)
            yield path, text.strip(), what


def numbers_of(path, text):
    """The lines that read so."""
    with open(path, encoding="utf-8") as file:
        return [i for i, line in enumerate(file, 1) if line.strip() == text]


def excuse(line, what):
    """(lines, branches) that are missed, and argued: a line that never runs with
    all that is on it, or so many branches at most."""
    if what == "line":
        return (0, 0) if line.count else (1, line.missed())
    return 0, min(int(what), line.missed())


def read_excuses(files):
    """{(file, number): (lines, branches)}, [entry of what is reached]"""
    excused, needless = {}, []
    for path, text, what in read_argued():
        numbers = numbers_of(path, text) if os.path.exists(path) else []
        if not numbers:
            sys.exit(f"unreachable: {path} has no line: {text}")
        found = {(path, number): excuse(files[path][number], what)
                 for number in numbers if number in files.get(path, ())}
        excused |= found
        if path in files and not any(map(any, found.values())):
            needless.append(f"{path}: {what}: {text}")
    return excused, needless


def sums_of(path, lines, excused):
    """Of a file: what there is, what is missed of it, what of that is argued."""
    sums = collections.Counter()
    for number, line in lines.items():
        gone = excused.get((path, number), (0, 0))
        sums.update(lines=1, lines_missed=line.count == 0, lines_argued=gone[0],
                    branches=line.branches(), branches_missed=line.missed(),
                    branches_argued=gone[1])
    return sums


def share(sums, what):
    total, missed, argued = (sums[what], sums[f"{what}_missed"],
                             sums[f"{what}_argued"])
    if not total:
        return f"{what} -"
    left = max(total - argued, 1)
    text = f"{what} {100 * (left - missed + argued) / left:5.1f} % of {left:5}"
    behind = (f"({argued} argued: {100 * (total - missed) / total:.1f} %)"
              if argued else "")
    return f"{text} {behind:22}"


def row(name, sums):
    print(f"{name:28} {share(sums, 'lines')} {share(sums, 'branches')}".rstrip())


def unexcused(sums):
    return (sums["lines_missed"] - sums["lines_argued"],
            sums["branches_missed"] - sums["branches_argued"])


def print_misses(files, excused, begin):
    for path, lines in sorted(files.items()):
        if not path.startswith(begin):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read().splitlines()
        for number, line in sorted(lines.items()):
            gone = excused.get((path, number), (0, 0))
            if line.missed() > gone[1] or (not line.count and not gone[0]):
                print(f"{path}:{number}: {line.count} times, missed "
                      f"{line.missed()} of {line.branches()} branches, "
                      f"{gone[1]} argued: {text[number - 1].strip()}")


def main(path):
    files = read(path)
    excused, needless = read_excuses(files)
    folders = collections.defaultdict(collections.Counter)
    every = {}
    for name, lines in files.items():
        every[name] = sums_of(name, lines, excused)
        folders[os.path.dirname(name)].update(every[name])
        folders["all"].update(every[name])
    for folder in sorted(folders, key=lambda name: (name == "all", name)):
        row(folder, folders[folder])
    print("most missed:")
    for name in sorted(every, key=lambda n: unexcused(every[n]),
                       reverse=True)[:WORST_FILES]:
        row(name, every[name])
    for entry in needless:
        print(f"argued, but reached: {entry}")
    if "LIST" in os.environ:
        print_misses(files, excused, os.environ["LIST"])


if __name__ == "__main__":
    main(sys.argv[1])
