#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run each program of examples/ against a daemon; it prints what it says.

usage: check_examples.py [BUILD [VENV]]

Without VENV those run that need nothing from a network, and what is not
installed is skipped with a word; with VENV, where the Python packages are,
all run and a missing tool is a failure. BUILD is where what they compile goes.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "http"))
from daemon import Daemon, Tests  # noqa: E402

# Of the library under test: a program that uses it needs them too.
SANITIZERS = os.environ.get("SANITIZERS", "").split()
LIMIT = 39  # lines, all of them


def flags(package):
    done = subprocess.run(["pkg-config", "--cflags", "--libs", package],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()


def compiled(build, name, *link):
    program = os.path.join(build, name.removesuffix(".c"))
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                    "-Ilib", *SANITIZERS, "-o", program, f"examples/{name}",
                    *link],
                   check=True, timeout=120)
    return [program]


def cargo(build):
    return ["cargo", "run", "-q", "--manifest-path",
            "examples/rust/Cargo.toml", "--target-dir",
            os.path.join(build, "rust")]


def programs(build, python):
    """name: (what it needs, its command or how to make it)."""
    script = [python or sys.executable]
    return {
        "client.c": ("pkg-config", lambda: compiled(
            build, "client.c", *flags("libcurl"))),
        "library.c": ("cc", lambda: compiled(
            build, "library.c", "build/libsoftmax.a",
            "-lm", "-pthread")),
        "client.sh": ("jq", ["examples/client.sh"]),
        "library.py": (sys.executable, [*script, "examples/library.py"]),
        "fetch.mjs": ("node", ["node", "examples/fetch.mjs"]),
        "Client.java": ("java", ["java", "examples/Client.java"]),
        "client.go": ("go", ["go", "run", "examples/client.go"]),
    } | ({
        "rust/src/main.rs": ("cargo", lambda: cargo(build)),
        "client.R": ("Rscript", ["Rscript", "examples/client.R"]),
    } | {name: (python, [python, f"examples/{name}"]) for name in (
        "requests_client.py", "httpx_unix.py", "numpy_binary.py",
        "numpy_file.py", "triton_client.py", "torch_autograd.py",
        "jax_custom_vjp.py")}
        if python else {})


def promised(text):
    return "\n".join(re.findall(r"^\W+Prints: (.*)$", text, re.M))


def fault(name, command, environment):
    with open(f"examples/{name}", encoding="utf-8") as file:
        text = file.read()
    length = text.count("\n")
    if length > LIMIT:
        return f"{length} lines, must be at most {LIMIT}"
    try:
        done = subprocess.run(
            command() if callable(command) else command, capture_output=True,
            text=True, timeout=300, env=environment, check=False)
    except (subprocess.SubprocessError, OSError) as error:
        return str(error)
    said = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    if done.returncode or said != promised(text):
        return (f"exit {done.returncode}\ngot  {said}\nwant {promised(text)}\n"
                f"{done.stderr[-2000:]}")
    return None


def main(build="build/examples", venv=None):
    tests = Tests()
    os.makedirs(build, exist_ok=True)
    python = venv and os.path.join(venv, "bin", "python")
    found = programs(build, python)
    with tempfile.TemporaryDirectory() as folder, \
            Daemon("--listen", f"unix:{folder}/socket") as daemon:
        environment = {**os.environ,
                       "SOFTMAXD_URL": f"http://127.0.0.1:{daemon.port}",
                       "SOFTMAXD_SOCKET": f"{folder}/socket",
                       "LIBSOFTMAX": os.path.abspath(
                           os.environ.get("LIBSOFTMAX", "libsoftmax.so.1"))}
        for name, (need, command) in found.items():
            if name == "library.py" and SANITIZERS:
                need = "unsanitized library"
            if not venv and not shutil.which(need):
                print(f"no {need}\n[  SKIPPED ] {name}")
                continue
            why = fault(name, command, environment)
            tests.check(name, not why, why)
    with open("examples/README.md", encoding="utf-8") as file:
        listed = set(re.findall(r"\]\(([^)]+)\)", file.read()))
    there = {os.path.relpath(os.path.join(folder, name), "examples")
             for folder, _, names in os.walk("examples") for name in names
             if not name.endswith((".md", ".toml", ".lock"))}
    tests.check("README.md lists them all", listed == there,
                listed.symmetric_difference(there))
    tests.check("each is run", not venv or there == set(found),
                there.symmetric_difference(found))
    return tests.failed > 0


sys.exit(main(*sys.argv[1:]))
