#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Suites that others wrote, against a live daemon.

usage: tests/elsewhere/run.py FOLDER [SUITE...]
       (with the Python of build/elsewhere-venv; SOFTMAXD names the program)

FOLDER holds what the suites read that no Python package brings. A case that
the daemon's interface cannot express is counted under its reason, which
tests/skips must name; tests/elsewhere/floors says how many cases of each suite
must pass.
"""
import collections
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, os.pardir, "http")]
from daemon import Daemon  # noqa: E402
from remote import Remote  # noqa: E402

SUITES = ("onnx_nodes", "torch_samples", "optax_tests", "keras_tests",
          "json_texts", "number_texts", "triton_client")
FAILURES_SHOWN = 20


class Tally:
    """What became of the cases of one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = self.failed = 0
        self.inexpressible = collections.Counter()

    def check(self, name, good, why=""):
        self.passed += bool(good)
        self.failed += not good
        if not good and self.failed <= FAILURES_SHOWN:
            print(f"{why}\nFAIL {self.suite}: {name}", flush=True)

    def cannot(self, reason, cases=1):
        self.inexpressible[reason] += cases

    def run(self, name, case):
        """A case that raises where it fails."""
        try:
            case()
        except Exception:
            self.check(name, False, traceback.format_exc(limit=-3))
        else:
            self.check(name, True)


def floors():
    with open(os.path.join(HERE, "floors"), encoding="utf-8") as lines:
        return {suite: int(fewest) for fewest, suite in
                (line.split() for line in lines if line[0] != "#")}


def run(suite, remote, folder, fewest):
    tally = Tally(suite)
    begin, asked = time.monotonic(), remote.requests
    try:
        importlib.import_module(suite).run(remote, tally, folder)
    except Exception:
        tally.check("the suite itself", False, traceback.format_exc())
    if tally.passed < fewest:
        tally.check("the floor", False,
                    f"{tally.passed} passed, floors asks for {fewest}")
    print(f"{suite}: {tally.passed} of {tally.passed + tally.failed} passed, "
          f"{remote.requests - asked} requests, "
          f"{time.monotonic() - begin:.0f} s")
    for reason, cases in sorted(tally.inexpressible.items()):
        print(f"skip elsewhere: {suite}: {reason}\n     {cases} cases")
    sys.stdout.flush()
    return tally


def main(folder, suites):
    fewest = floors()
    with Daemon() as daemon:
        remote = Remote(daemon.port)
        tallies = [run(suite, remote, folder, fewest[suite])
                   for suite in suites or SUITES]
    failed = sum(tally.failed for tally in tallies)
    print(f"{sum(tally.passed for tally in tallies)} passed, {failed} failed, "
          f"{sum(sum(t.inexpressible.values()) for t in tallies)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
