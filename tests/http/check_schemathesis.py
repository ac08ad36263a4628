#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Let Schemathesis ask a daemon what openapi.yaml allows and what it does not.

usage: check_schemathesis.py SCHEMATHESIS [EXAMPLES]     (50 an operation)
"""
import os
import subprocess
import sys

from daemon import Daemon

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "schemathesis.toml")


HOOKS = os.path.join(os.path.dirname(CONFIG), "schemathesis_hooks.py")


def main(schemathesis, examples="50"):
    schemathesis = os.path.abspath(schemathesis)
    with Daemon("--log-level", "error", "--shared-memory") as daemon:
        url = f"http://127.0.0.1:{daemon.port}"
        return subprocess.run(
            [schemathesis, "--config-file", CONFIG, "run", f"{url}/openapi.yaml", "--url", url,
             "--phases", "examples,coverage,fuzzing",
             "--max-examples", examples,
             "--suppress-health-check", "all", "--request-timeout", "20",
             "--no-color"],
            cwd=os.path.dirname(schemathesis),  # it leaves a folder behind
            env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS},
            timeout=600, check=False).returncode


sys.exit(main(*sys.argv[1:]))
