#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the service and the container may ask of the kernel.

The unit allows the calls of docker/seccomp.json and no others; it is exposed by
systemd's own measure no more than noted here, as it is and with the drop-in
of docs/operations.md; and the daemon does its work where every other call kills it.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
sys.path.insert(0, os.path.join(HERE, os.pardir, "http"))
from daemon import Tests, is_sanitized  # noqa: E402

PROFILE = os.path.join(ROOT, "docker", "seccomp.json")
UNIT = os.path.join(ROOT, "server", "softmaxd.service")
SOCKET = os.path.join(ROOT, "server", "softmaxd.socket")
LOCAL_ONLY = "[Service]\nIPAddressAllow=\nIPAddressAllow=localhost\n"
# Of what is left, 0.8 is what a server needs: sockets and the network.
MOST_EXPOSED = {"": 1.0, LOCAL_ONLY: 0.9}
# Those that start the daemon as a process; more by `make check-confined`.
SUITES = {"faults/mixed.py": {"DURATION": "2"}}
MORE = {"http/check_process.py": {}, "http/check_readme.py": {},
        "http/check_openapi.py": {},
        "faults/drain.py": {}, "faults/files.py": {},
        "faults/many_clients.py": {}, "faults/exposition.py": {},
        "faults/mixed.py": {"DURATION": "20"}}


def allowed_by_profile():
    with open(PROFILE, encoding="utf-8") as file:
        return {name for rule in json.load(file)["syscalls"]
                for name in rule["names"]}


def allowed_by_unit():
    with open(UNIT, encoding="utf-8") as file:
        lines = re.findall(r"^SystemCallFilter=(.*)$", file.read(), re.M)
    return {name for line in lines for name in line.split()}


def let_in(path):
    """The addresses that a unit denies and allows."""
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^IPAddress\w+=.*$", file.read(), re.M)


def exposure(more):
    """systemd's figure for the unit and more; None: not to be told here."""
    if not shutil.which("systemd-analyze"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "softmaxd.service")
        with open(UNIT, encoding="utf-8") as unit, \
                open(path, "w", encoding="utf-8") as copy:
            copy.write(unit.read().replace("@SBINDIR@", "/usr/sbin") + more)
        answer = subprocess.run(
            ["systemd-analyze", "security", "--no-pager", "--offline=true",
             path], capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level.*: ([0-9.]+)", answer.stdout)
    return float(found[1]) if found else None


def can_confine():
    answer = subprocess.run(
        [sys.executable, os.path.join(HERE, "confine.py"), PROFILE,
         "/bin/true"], capture_output=True, text=True, check=False)
    return answer.returncode == 0, answer.stderr


def confined(folder):
    """A program that starts the daemon under the profile."""
    path = os.path.join(folder, "softmaxd")
    program = os.path.abspath(os.environ["SOFTMAXD"])
    with open(path, "w", encoding="utf-8") as script:
        script.write(f"#!/bin/sh\nexec {sys.executable} {HERE}/confine.py "
                     f'{PROFILE} {program} "$@"\n')
    os.chmod(path, 0o755)
    return path


def run(tests, suite, more, program):
    answer = subprocess.run(
        [sys.executable, os.path.join(HERE, os.pardir, suite)],
        env={**os.environ, **more, "SOFTMAXD": program},
        capture_output=True, text=True, check=False, timeout=250)
    tests.check(f"under the profile: {suite}", answer.returncode == 0,
                (answer.stdout + answer.stderr)[-3000:])


def main(suites):
    tests = Tests()
    unit, profile = allowed_by_unit(), allowed_by_profile()
    tests.check("the unit allows what the profile does", unit == profile,
                f"not the same: {sorted(unit ^ profile)}")
    tests.check("the socket lets in whom the service does",
                let_in(UNIT) == let_in(SOCKET) != [])
    for more, most in MOST_EXPOSED.items():
        level = exposure(more)
        if level is None:
            print("[  SKIPPED ] confined: no systemd-analyze that works offline")
        else:
            tests.check(f"exposed by {level}, at most {most}", level <= most)
    good, why = can_confine()
    if is_sanitized():
        print("[  SKIPPED ] confined: a sanitizer asks for more")
    elif not good:
        print(f"[  SKIPPED ] confined: {why.strip().splitlines()[-1]}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            program = confined(folder)
            for suite, more in suites.items():
                run(tests, suite, more, program)
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main({**SUITES, **MORE} if "--all" in sys.argv else SUITES))
