#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Change the program in one place after another; do the tests notice?

usage: tests/mutation/mutate.py FOLDER

A mutant differs from the program by one operator, constant, condition or
statement of the codec, the checks of a request or the headers. It is killed if
a test program of its room fails or does not end, and does not count where the
compiler makes the same object of it. FOLDER gets a copy of the tree, so that
nothing here changes. Survivors are listed, to be tested, or argued in "argued"
beside this script: as listed, and after " # " why no test can notice.

Environment: MUTANTS (40) are drawn by SEED (0) from all there are; MINUTES (10)
end the run; LEAST_KILLED (0) is the percentage below which it fails.
"""
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import time

MUTANTS = int(os.environ.get("MUTANTS", "40"))
SEED = int(os.environ.get("SEED", "0"))
MINUTES = float(os.environ.get("MINUTES", "10"))
LEAST_KILLED = float(os.environ.get("LEAST_KILLED", "0"))
# A test that a mutant keeps from ending is given up after so many times as long
# as it took of the program itself, which may take this.
TIMES_LONGER, MOST_SECONDS = 5, 600
# A mutant need not be fast; what it leaks is noticed, as by make check SAN=asan.
FLAGS = ["CFLAGS=-O1 -fsanitize=leak", "LDFLAGS=-fsanitize=leak", "HARDENING="]

# Folder or file, and the tests of it: those most likely to notice first.
ROOMS = {
    "server/json/": ["json/test_reader", "json/test_reader_json",
                     "json/test_reader_leniency", "json/test_value",
                     "json/test_writer", "json/test_text_blocks",
                     "json/test_leaf_blocks", "json/test_encoded",
                     "json/test_writer_memory", "http/test_native",
                     "v2/test_infer"],
    "server/number/base64.c": ["number/test_base64", "json/test_reader"],
    "server/number/half.c": ["number/test_half", "v2/test_infer"],
    "server/number/scan_avx2.h": ["number/scan_twins", "number/test_scan"],
    "server/number/scan_avx512.h": ["number/scan_twins", "number/test_scan"],
    "server/number/scan_gather_avx2.h": ["number/scan_twins",
                                         "number/test_scan"],
    "server/number/scan_gather_avx512.h": ["number/scan_twins",
                                           "number/test_scan"],
    "server/number/base64_avx2.h": ["number/base64_twins",
                                    "number/test_base64"],
    "server/number/base64_avx512.h": ["number/base64_twins",
                                      "number/test_base64"],
    "server/number/": ["number/test_number_read", "number/test_number_write",
                       "number/test_number_blocks",
                       "number/test_scan", "json/test_reader",
                       "json/test_writer"],
    "server/api/check.c": ["http/test_native", "v2/test_refusals"],
    "server/api/shapes.c": ["http/test_native", "v2/test_refusals"],
    "server/api/members.c": ["http/test_native", "v2/test_refusals"],
    "server/api/request.c": ["http/test_native", "http/test_query",
                             "v2/test_refusals", "v2/test_infer"],
    "server/http/headers.c": ["http/test_exchange", "http/test_protocol"],
    "server/http/framing.c": ["unit/test_framing", "http/test_malformed",
                              "http/test_protocol"],
    "server/http/negotiate.c": ["unit/test_negotiate", "http/test_encoding",
                                "http/test_protocol"],
    "server/v2/model.c": ["v2/test_metadata", "v2/test_infer",
                          "v2/test_probes"],
    "server/v2/message.c": ["v2/test_oip", "v2/test_infer", "v2/test_selection",
                            "v2/test_refusals", "v2/test_shared_memory"],
    "server/address.c": ["unit/test_address", "unit/test_options",
                         "http/test_listener"],
}

# Literals and comments are left alone.
OPAQUE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'
                    r"'(?:\\.|[^'\\\n])*'|^[ \t]*#(?:\\\n|[^\n])*",
                    re.S | re.M)
OPERATORS = [
    (re.compile(r" (<|>|<=|>=|==|!=) "),
     {"<": ["<=", ">="], ">": [">=", "<="], "<=": ["<", ">"],
      ">=": [">", "<"], "==": ["!="], "!=": ["=="]}),
    (re.compile(r" (&&|\|\|) "), {"&&": ["||"], "||": ["&&"]}),
    (re.compile(r" ([-+]) (?=[\w(])"), {"+": ["-"], "-": ["+"]}),
    (re.compile(r" (\+=|-=) "), {"+=": ["-="], "-=": ["+="]}),
    (re.compile(r" (<<|>>) "), {"<<": [">>"], ">>": ["<<"]}),
    (re.compile(r"\breturn (true|false);"),
     {"true": ["false"], "false": ["true"]}),
    (re.compile(r"(?<=[(!&| ])(!)(?=[\w(])"), {"!": [""]}),
    (re.compile(r"\b(break|continue);"),
     {"break": [""], "continue": [""]}),
]
CONSTANT = re.compile(r"(?<![\w.])(\d+)(?![\w.])")
STATEMENT = re.compile(r"^ +(?!return|case|default|break|continue|goto|else|"
                       r"struct|static|const|enum|for|if|while|do\b)"
                       r"(\w[\w>.\[\]()*-]*(?: [-+|&^]?= |\()[^;{}]*;)$",
                       re.M)


def places(text):
    """(begin, end, replacement) of each mutant of a source."""
    blank = OPAQUE.sub(lambda m: re.sub(r"[^\n]", "\0", m[0]), text)
    for pattern, others in OPERATORS:
        for found in pattern.finditer(blank):
            for other in others[found[1]]:
                yield found.start(1), found.end(1), other
    for found in CONSTANT.finditer(blank):
        yield found.start(1), found.end(1), str(int(found[1]) + 1)
    for found in STATEMENT.finditer(blank):
        yield found.start(1), found.end(1), ";"


ARGUED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "argued")


def argued():
    """Survivors that no test can kill."""
    with open(ARGUED, encoding="utf-8") as file:
        return {line.rpartition(" # ")[0].strip() for line in file
                if " # " in line and not line.startswith("#")}


def room_of(path):
    return next((tests for room, tests in ROOMS.items()
                 if path.startswith(room)), None)


def sources():
    for folder, _, names in sorted(os.walk("server")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if path in ROOMS or (name.endswith(".c") and room_of(path) and
                                 not name.endswith("_tmpl.c")):
                yield path


def make(tree, targets, log):
    return subprocess.run(
        ["make", "-s", "-j2", *FLAGS, *targets], cwd=tree,
        stdout=log, stderr=subprocess.STDOUT, check=False).returncode == 0


def built(tree):
    """The object folder that make uses for these flags."""
    answer = subprocess.run(
        ["make", "-s", *FLAGS, "-f", "Makefile", "-f", "-", "folder"], cwd=tree, input="folder:\n\t@echo $(O)\n", text=True,
        capture_output=True, check=True)
    return answer.stdout.strip()


seconds_of = {}  # a test program of the unchanged tree


def passes(tree, program):
    begin = time.monotonic()
    try:
        answer = subprocess.run(
            [program], cwd=tree, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            timeout=TIMES_LONGER * seconds_of.get(program, MOST_SECONDS) + 10)
    except subprocess.TimeoutExpired:
        return False
    seconds_of.setdefault(program, time.monotonic() - begin)
    return answer.returncode == 0


def library_of(objects):
    with open(os.path.join(objects, "libserver.a"), "rb") as file:
        return hashlib.sha256(file.read()).digest()


def fate(tree, objects, path, unchanged, log):
    """"killed", "survived", or "stillborn": no program, or the same one."""
    if not make(tree, [os.path.join(objects, "libserver.a")], log) or \
            library_of(objects) == unchanged:
        return "stillborn"
    for test in room_of(path):
        program = os.path.join(objects, "tests",
                               os.path.dirname(test), os.path.basename(test))
        if not os.path.exists(os.path.join(tree, "tests", test + ".c")):
            continue
        if not make(tree, [program], log) or not passes(tree, program):
            return "killed"
    return "survived"


def copy_tree(folder):
    tree = os.path.join(folder, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(".", tree, ignore=shutil.ignore_patterns(
        "build", ".git", os.path.basename(folder)))
    return tree


def draw():
    mutants = [(path, *place) for path in sources()
               for place in places(open(path, encoding="utf-8").read())]
    random.Random(SEED).shuffle(mutants)
    print(f"{len(mutants)} mutants there are; {MUTANTS} by seed {SEED}")
    return mutants[:MUTANTS]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    folder = os.path.abspath(folder)
    tree = copy_tree(folder)
    os.chdir(tree)
    objects = built(tree)
    count = {"killed": 0, "survived": 0, "argued": 0, "stillborn": 0}
    known = argued()
    end = time.monotonic() + 60 * MINUTES
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        gone = [room for room in ROOMS if not os.path.exists(room)]
        programs = sorted({test for tests in ROOMS.values() for test in tests})
        gone += [test for test in programs
                 if not os.path.exists(f"tests/{test}.c")]
        if gone:
            sys.exit(f"the tree has no {gone}")
        wanted = [f"{objects}/tests/{test}" for test in programs]
        if not make(tree, wanted, log):
            sys.exit("the program itself does not build")
        failing = [test for test in wanted if not passes(tree, test)]
        if failing:
            sys.exit(f"fails unchanged: {failing}")
        unchanged = library_of(objects)
        for path, begin, finish, other in draw():
            if time.monotonic() > end:
                print(f"after {MINUTES} minutes")
                break
            with open(path, encoding="utf-8") as file:
                text = file.read()
            copy = os.path.join(tree, path)
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text[:begin] + other + text[finish:])
            outcome = fate(tree, objects, path, unchanged, log)
            line = text.count("\n", 0, begin) + 1
            change = f"{text[begin:finish]!r} to {other!r} in: " + \
                text.splitlines()[line - 1].strip()
            if outcome == "survived" and f"{path}: {change}" in known:
                outcome = "argued"
            count[outcome] += 1
            if outcome == "survived":
                print(f"survived: {path}:{line}: {change}", flush=True)
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
    return report(count)


def report(count):
    counted = count["killed"] + count["survived"]
    share = 100 * count["killed"] / counted if counted else 0
    print(f"{count['killed']} of {counted} killed, {share:.1f} %; "
          f"{count['argued']} are argued, {count['stillborn']} were no other "
          "program")
    return 0 if counted and share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
