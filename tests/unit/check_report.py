#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report of the tests themselves: a test that fails, an exception and a
program that dies are named at the end, by tests/run.py and by .ci/run, and cost
no test beside them."""
import os
import shutil
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))
from daemon import Tests  # noqa: E402

PYTHON = f"""#!{sys.executable}
import os, sys
sys.path.insert(0, {os.path.abspath("tests/http")!r})
from daemon import Tests
tests = Tests()
def raises(tests):
    raise OSError("no such luck")
"""
PROGRAMS = {
    "good": "#!/bin/sh\necho '[       OK ] one'\n",
    "cmocka": """#!/bin/sh
echo '[ RUN      ] two
[  ERROR   ] --- 1 != 2
[   LINE   ] --- two.c:10: error: Failure!
[  FAILED  ] two
[ RUN      ] three
[       OK ] three
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] two'
exit 1
""",
    "raising": PYTHON + "tests.run(raises)\ntests.check('four', True)\n"
                        "tests.end()\n",
    "ending": PYTHON + "tests.check('five', True)\nraises(tests)\n",
    "dying": PYTHON + "tests.check('six', True)\nprint('uh', flush=True)\n"
                      "os.kill(os.getpid(), 9)\n",
    "leaving": PYTHON + "tests.check('seven', True)\nsys.exit(3)\n",
    "hanging": "#!/bin/sh\nsleep 60\n",
}
FAILED = """
failed cmocka: two
    [  ERROR   ] --- 1 != 2
    [   LINE   ] --- two.c:10: error: Failure!
failed raising: raises
    OSError: no such luck
failed ending: OSError outside of every test
    OSError: no such luck
failed dying: ended by -9 after six
    uh
failed leaving: ended by 3 after seven
failed hanging: ended by still running after 3 s after its start
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def without_traces(text):
    """Of an exception its last line alone."""
    return "".join(line for line in text.splitlines(True)
                   if not line.startswith(("    Traceback", "      ")))


def report(folder):
    """What tests/run.py says of the programs."""
    names = []
    for name, text in PROGRAMS.items():
        names.append(os.path.join(folder, name))
        write(names[-1], text)
    done = subprocess.run(["tests/run.py", *names], capture_output=True,
                          text=True, check=False, timeout=60,
                          env={**os.environ, "TEST_TIMEOUT": "3"})
    return done.returncode, done.stdout.replace(f"{folder}/", "")


def check_run(tests, folder):
    status, text = report(folder)
    tests.check("run.py ends with what failed", status == 1 and
                without_traces(text).endswith(
                    "\n6 passed, 6 failed, 0 skipped" + FAILED), text)
    return text


def check_ci(tests, folder, text):
    """.ci/run where every step passes but three: one by run.py, one by its
    own lines, one without a test."""
    for path in ".ci/run", "tests/skips", "tests/expected":
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        shutil.copy(path, os.path.join(folder, path))
    os.makedirs(os.path.join(folder, "scripts"))
    write(os.path.join(folder, "scripts/ci-deps.sh"),
          "#!/bin/sh\necho E: no route to host\nexit 100\n")
    write(os.path.join(folder, "make"), f"""#!/bin/sh
case $* in
"-j2 deps check") cat <<'END'
{text}END
exit 2 ;;
prove) echo '[  FAILED  ] prove: region'; exit 2 ;;
esac
""")
    done = subprocess.run(
        [os.path.join(folder, ".ci/run")], capture_output=True, text=True,
        check=False, timeout=60, env={
            "PATH": f"{folder}:{os.environ['PATH']}", "TEST_SEED": "1",
            "CI_TURN": "0"})
    table = done.stdout[done.stdout.rindex("step  "):]
    beside = without_traces(table.replace("\n    ", "\n"))
    tests.check(".ci/run shows it beside the step",
                done.returncode == 1 and FAILED in beside, table)
    tests.check("and what the lines of a step say",
                "\n    [  FAILED  ] prove: region\n" in table, table)
    tests.check("and how a step ended that has no tests",
                "\n    E: no route to host\n" in table, table)


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory() as folder:
        text = check_run(tests, folder)
        tests.run(check_ci, folder, text)
    tests.end()


if __name__ == "__main__":
    main()
