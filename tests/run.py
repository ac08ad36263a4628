#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run test programs, several at once, and report them in the order given. After
the sum stands what failed, so that the end of a log tells it.

usage: tests/run.py PROGRAM...

Environment: TEST_JOBS programs at once (else make's -j, else one a processor),
TEST_TIMEOUT seconds for each (300). A program that a blank-separated pattern of
TEST_ALONE matches runs with no other beside it.
"""
import collections
import concurrent.futures
import fnmatch
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

TIMEOUT = float(os.environ.get("TEST_TIMEOUT", "300"))
ALONE = os.environ.get("TEST_ALONE", "").split()
LINES_OF_A_FAILURE = 60
LINES_AT_THE_END = 8

running = set()
Result = collections.namedtuple("Result", "status seconds log")


def jobs():
    asked = os.environ.get("TEST_JOBS") or next(
        iter(re.findall(r"(?:^| )-j(\d+)", os.environ.get("MAKEFLAGS", ""))),
        None)
    return int(asked) if asked else len(os.sched_getaffinity(0))


def alone(program):
    return any(fnmatch.fnmatch(program, pattern) for pattern in ALONE)


def end(session):
    running.discard(session)
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(program):
    begin = time.monotonic()
    with tempfile.TemporaryFile() as log:
        # a session of its own, so that what it started ends with it
        process = subprocess.Popen([program], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        running.add(process.pid)
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            status = f"still running after {TIMEOUT:.0f} s"
        end(process.pid)
        process.wait()
        log.seek(0)
        text = log.read().decode(errors="replace")
    return Result(status, time.monotonic() - begin, text)


def skips(log):
    """Tests that were skipped; cmocka names some again in its sum."""
    found = re.findall(r"^\[ *SKIPPED *\] (.*)$", log, re.MULTILINE)
    return list(dict.fromkeys(n for n in found if "test(s)" not in n))


def failures(result):
    """{test that failed: the lines before it}; a program that ended early, by
    a signal or without a failed test, is one more, after its last test."""
    found, before, last = {}, [], "its start"
    for line in result.log.splitlines():
        mark = re.match(r"\[ *(RUN|OK|SKIPPED|FAILED) *\] (.*)", line)
        if not mark:
            before.append(line)
            continue
        if mark[1] == "FAILED" and "test(s)" not in mark[2]:
            found.setdefault(mark[2], before)
        before, last = [], mark[2]
    killed = isinstance(result.status, str) or result.status < 0
    if killed or result.status and not found:
        found[f"ended by {result.status} after {last}"] = before
    return found


def report(program, result, totals):
    """What of it failed."""
    passed = len(re.findall(r"^\[ *OK *\]", result.log, re.MULTILINE))
    failed = failures(result)
    skipped = skips(result.log)
    totals.update(passed=passed, failed=len(failed), skipped=len(skipped))
    if failed:
        print(f"FAIL {program} (exit {result.status}, {result.seconds:.1f} s)")
        print("\n".join(result.log.splitlines()[-LINES_OF_A_FAILURE:]))
    else:
        count = f"{passed} passed"
        if skipped:
            count += f", {len(skipped)} skipped"
        print(f"ok   {program}: {count}, {result.seconds:.1f} s")
    for name in skipped:
        print(f"skip {program}: {name}")
    sys.stdout.flush()
    return {f"{program}: {name}": lines for name, lines in failed.items()}


def finish(totals, failed):
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    for name, lines in failed.items():
        print(f"failed {name}")
        for line in lines[-LINES_AT_THE_END:]:
            print(f"    {line[:500]}")
    return 0 if totals["passed"] and not failed else 1


def main(programs):
    totals = collections.Counter(passed=0, failed=0, skipped=0)
    failed = {}
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        beside = {p: pool.submit(run, p) for p in programs if not alone(p)}
        try:
            for program, future in beside.items():
                failed |= report(program, future.result(), totals)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for session in list(running):
                end(session)
            return 130
    for program in filter(alone, programs):
        failed |= report(program, run(program), totals)
    return finish(totals, failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
