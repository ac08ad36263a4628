# SPDX-License-Identifier: MIT
"""Start the daemon on a free port of loopback for as long as a block runs."""
import contextlib
import json
import re
import subprocess
import urllib.request


@contextlib.contextmanager
def daemon(program, *options):
    """The address, "127.0.0.1:PORT", of a daemon of its own."""
    process = subprocess.Popen(
        [program, "--listen", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"listening on http://(127\.0\.0\.1:\d+)", line)
            if found:
                break
        else:
            raise RuntimeError(f"{program} did not start")
        yield found.group(1)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def native(address, path, body):
    """The native endpoint's answer to the same question."""
    request = urllib.request.Request(
        f"http://{address}{path}", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)
