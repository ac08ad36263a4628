#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What /metrics says, after answers of many kinds, is what promtool (Debian
package prometheus) calls right."""
import shutil
import subprocess
import urllib.request

from common import Daemon, Tests, ask, post


def main():
    tests = Tests()
    with Daemon() as daemon:
        for path, body in [("/softmax", b'{"logits":[1,2,3]}'),
                           ("/loss", b'{"logits":[1,2,3],"labels":1}'),
                           ("/softmax", b"{"), ("/nowhere", b"{}"),
                           ("/v2/models/softmax/infer", b"{}")]:
            with daemon.connect() as client:
                ask(client, post(path, body))
        url = f"http://127.0.0.1:{daemon.port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read()
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text,
                                  capture_output=True, check=False)
            tests.check("promtool finds nothing", done.returncode == 0 and
                        not done.stderr, done.stderr.decode())
        else:
            tests.skip("promtool finds nothing", "promtool is not installed")
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
