#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Change the program in one place after another; do the tests notice?

usage: tests/mutation/mutate.py FOLDER

A mutant differs from the program by one operator, constant, condition or
statement of the codec, the checks of a request or the headers. It is killed if
a test program of its room fails or does not end; those that killed most in
least time are asked first. What survives all of them is built once more with
the sanitizers of make check SAN=asan, which see memory that is read astray. It
does not count where the compiler makes the same object of it, by these flags or
by those of a release. FOLDER gets a copy of the tree for each worker, so that
nothing here changes. Survivors are listed, to be tested, or argued in "argued"
beside this script: as listed, and after " # " why no test can notice.

Environment: MUTANTS (40) are drawn by SEED (0) from all there are, or from
those whose file begins with ONLY; MINUTES (10) end the run; LEAST_KILLED (0) is
the percentage below which it fails; MUTATE_JOBS (one a processor) are judged at
a time.
"""
import collections
import concurrent.futures
import filecmp
import hashlib
import json
import math
import os
import queue
import random
import re
import resource
import shutil
import subprocess
import sys
import time

MUTANTS = int(os.environ.get("MUTANTS", "40"))
SEED = int(os.environ.get("SEED", "0"))
MINUTES = float(os.environ.get("MINUTES", "10"))
ONLY = os.environ.get("ONLY", "")
JOBS = int(os.environ.get("MUTATE_JOBS", os.cpu_count()))
LEAST_KILLED = float(os.environ.get("LEAST_KILLED", "0"))
# A test that a mutant keeps from ending is given up after so many times as long
# as it took of the program itself, on the processor and by the clock, which may
# take this.
TIMES_LONGER, MOST_SECONDS = 3, 600
STOOD_STILL = 3  # seconds that one second took
# Tests that take longer are not asked strictly, which takes several times that.
STRICT_SECONDS = 1
# A mutant need not be fast; what it leaks is noticed.
QUICK = ["CFLAGS=-O1 -fsanitize=leak", "LDFLAGS=-fsanitize=leak", "HARDENING="]
STRICT = ["CFLAGS=-O1", "SAN=asan"]
RELEASE = []  # whose libsoftmax.a, in which nothing mutates, serves all

API = ["http/test_native", "http/test_query", "http/test_npy",
       "v2/test_refusals", "v2/test_infer", "v2/test_selection",
       "v2/test_metadata", "v2/test_graph"]
# Folder or file, and the tests of it.
ROOMS = {
    "server/json/": ["json/test_reader", "json/test_reader_json",
                     "json/test_reader_leniency",
                     "json/test_reader_refusals", "json/test_nesting",
                     "json/test_value",
                     "json/test_writer", "json/test_text_blocks",
                     "json/test_leaf_blocks", "json/test_encoded",
                     "json/test_members", "json/test_text_block",
                     "json/test_writer_memory", "http/test_native",
                     "http/test_npy", "http/test_query", "v2/test_infer",
                     "v2/test_refusals", "v2/test_graph", "v2/test_metadata",
                     "v2/test_shared_memory"],
    "server/number/base64.c": ["number/test_base64", "json/test_reader"],
    "server/number/short_list.c": ["number/test_short_list",
                                   "json/test_reader"],
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
    "server/api/check.c": API,
    "server/api/shapes.c": API,
    "server/api/members.c": API,
    "server/api/request.c": API,
    "server/http/headers.c": ["unit/test_headers", "http/test_exchange",
                              "http/test_protocol", "http/test_query",
                              "v2/test_infer"],
    "server/http/framing.c": ["unit/test_framing", "http/test_malformed",
                              "http/test_protocol"],
    "server/http/negotiate.c": ["unit/test_negotiate", "http/test_encoding",
                                "http/test_protocol"],
    "server/v2/model.c": ["v2/test_target", "v2/test_metadata", "v2/test_infer",
                          "v2/test_probes"],
    "server/v2/message.c": ["v2/test_oip", "v2/test_infer", "v2/test_selection",
                            "v2/test_refusals", "v2/test_graph",
                            "v2/test_shared_memory"],
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


def absent():
    """Rooms and tests that are no more."""
    for room, tests in ROOMS.items():
        yield from (name for name in [room, *(f"tests/{test}.c"
                                              for test in tests)]
                    if not os.path.exists(name))


def outdated(known):
    """Those that are argued of a line that is no more."""
    for entry in known:
        path, _, change = entry.partition(": ")
        with open(path, encoding="utf-8") as file:
            if change.partition(" in: ")[2] not in map(str.strip, file):
                yield entry


def room_of(path):
    return next(((room, tests) for room, tests in ROOMS.items()
                 if path.startswith(room)), None)


def sources():
    for folder, _, names in sorted(os.walk("server")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if path in ROOMS or (name.endswith(".c") and room_of(path) and
                                 not name.endswith("_tmpl.c")):
                yield path


class Build:
    """The objects and test programs of a tree, by the flags of one build."""
    def __init__(self, tree, flags, log):
        self.tree, self.flags, self.log = tree, flags, log
        answer = subprocess.run(
            ["make", "-s", *flags, "-f", "Makefile", "-f", "-", "folder"],
            cwd=tree, input="folder:\n\t@echo $(O)\n", text=True,
            capture_output=True, check=True)
        self.objects = answer.stdout.strip()
        self.library = f"{self.objects}/libserver.a"
        self.softmax = f"{self.objects}/libsoftmax.a"
        self.kept = os.path.join(tree, "..", "kept", self.objects)
        self.commands = {}

    def make(self, *targets):
        return subprocess.run(
            ["make", "-s", *self.flags, *targets], cwd=self.tree,
            stdout=self.log, stderr=subprocess.STDOUT,
            check=False).returncode == 0

    def remake(self, changed, target):
        """As make, which is asked once what a changed file takes."""
        if (changed, target) not in self.commands:
            self.commands[changed, target] = subprocess.run(
                ["make", "-n", "--no-print-directory", *self.flags,
                 "-W", changed, target],
                cwd=self.tree, stdout=subprocess.PIPE, stderr=self.log,
                text=True, check=True).stdout
        return subprocess.run(
            ["sh", "-ec", self.commands[changed, target]], cwd=self.tree,
            stdout=self.log, stderr=subprocess.STDOUT,
            check=False).returncode == 0

    def program(self, test):
        return f"{self.objects}/tests/{test}"

    def files(self):
        """What is made of sources that mutate."""
        for folder, _, names in os.walk(os.path.join(
                self.tree, self.objects, "server")):
            for name in names:
                yield os.path.relpath(os.path.join(folder, name),
                                      os.path.join(self.tree, self.objects))
        yield "libserver.a"

    def keep(self):
        shutil.rmtree(self.kept, ignore_errors=True)
        for file in self.files():
            copy = os.path.join(self.kept, file)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(os.path.join(self.tree, self.objects, file), copy)

    def restore(self):
        """Without building again what one mutant changed."""
        for file in self.files():
            made, copy = (os.path.join(self.tree, self.objects, file),
                          os.path.join(self.kept, file))
            if os.stat(made).st_mtime_ns != os.stat(copy).st_mtime_ns:
                shutil.copy2(copy, made)

    def is_other(self, changed):
        """Is the library built, and another one than that which is kept?"""
        return self.remake(changed, self.library) and not filecmp.cmp(
            os.path.join(self.tree, self.library),
            os.path.join(self.kept, "libserver.a"), shallow=False)


seconds_of = {}  # a test program of the unchanged tree: by processor and clock
kills_of = collections.Counter()  # test programs, by room and name


def outcome_of(tree, program):
    """Does it pass? And did the machine stand still meanwhile, so that its own
    waits may have failed? Seconds are waited for one by one: those in which
    nobody ran are one."""
    processor, clock = seconds_of.get(program, (MOST_SECONDS, MOST_SECONDS))
    limit = f"--cpu={math.ceil(TIMES_LONGER * processor) + 1}"
    stood = False
    with subprocess.Popen(
            ["prlimit", limit, program], cwd=tree, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as test:
        for _ in range(math.ceil(TIMES_LONGER * clock + 30)):
            begin = time.monotonic()
            try:
                test.wait(1)
            except subprocess.TimeoutExpired:
                pass
            stood |= time.monotonic() - begin > STOOD_STILL
            if test.returncode is not None:
                return test.returncode == 0, stood
        test.kill()
    return False, stood


def passes(tree, program):
    good, stood = outcome_of(tree, program)
    return good or (stood and outcome_of(tree, program)[0])


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Seconds:
    """How long programs took, for later runs with the same ones."""
    def __init__(self, notes):
        self.notes, self.known = notes, {}
        if os.path.exists(notes):
            with open(notes, encoding="utf-8") as file:
                self.known = json.load(file)

    def takes(self, tree, program):
        """Does it pass unchanged?"""
        with open(os.path.join(tree, program), "rb") as file:
            same = hashlib.sha256(file.read()).hexdigest()
        if same not in self.known:
            before, begin = processor_seconds(), time.monotonic()
            if not passes(tree, program):
                return False
            self.known[same] = (processor_seconds() - before,
                                time.monotonic() - begin)
            with open(self.notes, "w", encoding="utf-8") as file:
                json.dump(self.known, file)
        seconds_of[program] = self.known[same]
        return True


class Worker:
    """A copy of the tree, with a build by each set of flags."""
    def __init__(self, folder, number, log):
        self.folder = os.path.join(folder, str(number))
        self.tree = os.path.join(self.folder, "tree")
        self.log = log

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.copytree(".", self.tree, ignore=shutil.ignore_patterns(
            "build", ".git", "__pycache__"))
        self.builds()

    def builds(self):
        self.release = Build(self.tree, RELEASE, self.log)
        libraries = ["TEST_LIBS=$(O)/libsupport.a $(O)/libserver.a " +
                     self.release.softmax]
        self.quick = Build(self.tree, QUICK + libraries, self.log)
        self.strict = Build(self.tree, STRICT + libraries, self.log)
        return self.quick, self.strict, self.release

    def build(self, tests):
        self.release.make("-j2", self.release.library, self.release.softmax)
        seconds = Seconds(os.path.join(self.folder, "..", "seconds.json"))
        self.prepare(self.quick, tests, seconds)
        self.prepare(self.strict, [test for test in tests if seconds_of[
            self.quick.program(test)][0] < STRICT_SECONDS], seconds)
        for build in self.builds():
            build.keep()

    def prepare(self, build, tests, seconds):
        wanted = [build.program(test) for test in tests]
        if not build.make("-j2", *wanted):
            sys.exit("the program itself does not build")
        failing = [test for test in wanted
                   if not seconds.takes(self.tree, test)]
        if failing:
            sys.exit(f"fails unchanged: {failing}")

    def copy(self, other):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(other.folder, self.folder)
        self.builds()

    def killed(self, build, path):
        room, tests = room_of(path)

        def worth(test):
            return (1 + kills_of[room, test]) / (
                0.1 + seconds_of[build.program(test)][0])

        tests = [test for test in tests if build.program(test) in seconds_of]
        for test in sorted(tests, key=worth, reverse=True):
            program = build.program(test)
            if not build.remake(build.library, program) or \
                    not passes(self.tree, program):
                kills_of[room, test] += 1
                return True
        return False

    def fate(self, path):
        """"killed", "survived", or "stillborn": no program, or the same one."""
        if not self.quick.is_other(path):
            return "stillborn"
        if self.killed(self.quick, path):
            return "killed"
        if not self.release.is_other(path):
            return "stillborn"
        self.strict.remake(path, self.strict.library)
        return "killed" if self.killed(self.strict, path) else "survived"

    def judge(self, mutant):
        path, begin, finish, other = mutant
        source = os.path.join(self.tree, path)
        with open(source, encoding="utf-8") as file:
            text = file.read()
        before = os.stat(source)
        try:
            with open(source, "w", encoding="utf-8") as file:
                file.write(text[:begin] + other + text[finish:])
            outcome = self.fate(path)
        finally:
            with open(source, "w", encoding="utf-8") as file:
                file.write(text)
            os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
            for build in self.quick, self.strict, self.release:
                build.restore()
        line = text.count("\n", 0, begin) + 1
        change = f"{path}:{line}: {text[begin:finish]!r} to {other!r} in: " + \
            text.splitlines()[line - 1].strip()
        return outcome, change


def draw():
    mutants = [(path, *place) for path in sources() if path.startswith(ONLY)
               for place in places(open(path, encoding="utf-8").read())]
    random.Random(SEED).shuffle(mutants)
    print(f"{len(mutants)} mutants there are; {MUTANTS} by seed {SEED}",
          flush=True)
    return mutants[:MUTANTS]


def judge_all(workers, mutants, end):
    """The outcome and the change of each, as they come."""
    idle = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def judge(mutant):
        if time.monotonic() > end:
            return None
        worker = idle.get()
        try:
            return worker.judge(mutant)
        finally:
            idle.put(worker)

    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        for task in concurrent.futures.as_completed(
                [pool.submit(judge, mutant) for mutant in mutants]):
            if task.result():
                yield task.result()


def main(folder):
    os.makedirs(folder, exist_ok=True)
    folder = os.path.abspath(folder)
    count = collections.Counter()
    known = argued()
    gone = [*absent(), *outdated(known)]
    if gone:
        sys.exit(f"the tree has no {gone}")
    mutants = draw()
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        workers = [Worker(folder, number, log) for number in range(JOBS)]
        workers[0].start()
        workers[0].build(sorted({test for path, *_ in mutants
                                 for test in room_of(path)[1]}))
        for worker in workers[1:]:
            worker.copy(workers[0])
        end = time.monotonic() + 60 * MINUTES
        for outcome, change in judge_all(workers, mutants, end):
            if outcome == "survived":
                if re.sub(r":\d+: ", ": ", change, count=1) in known:
                    outcome = "argued"
                else:
                    print(f"survived: {change}", flush=True)
            count[outcome] += 1
    if sum(count.values()) < len(mutants):
        print(f"after {MINUTES:g} minutes")
    return report(count)


def report(count):
    counted = count["killed"] + count["survived"]
    share = 100 * count["killed"] / counted if counted else 0
    every = counted + count["argued"]
    print(f"{count['killed']} of {counted} killed, {share:.1f} %; "
          f"{count['argued']} are argued, with which it is "
          f"{100 * count['killed'] / max(every, 1):.1f} %; "
          f"{count['stillborn']} were no other program")
    return 0 if counted and share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
