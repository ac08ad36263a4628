# SPDX-License-Identifier: MIT
"""A softmaxd of one's own for the scripts beside this file."""
import http.client
import os
import re
import signal
import subprocess
import threading

PROGRAM = os.environ.get("SOFTMAXD", "build/softmaxd")


class Daemon:
    """`with Daemon("--max-body", "100") as daemon:` listens on a free port."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [PROGRAM, "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = None
        for line in self.process.stdout:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        if self.port is None:
            raise RuntimeError(f"{PROGRAM} did not start")
        # a log that nobody reads would fill its pipe and stop the daemon
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """At once, whatever it still serves."""
        self.process.kill()
        self.process.wait(timeout=30)

    def __exit__(self, *_):
        self.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if self.process.returncode != 0:
            raise RuntimeError(f"exit status {self.process.returncode}")

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body) of one request on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


class Tests:
    """Lines as cmocka writes them, which tests/run.py counts."""

    def __init__(self):
        self.failed = 0

    def check(self, name, good, why=""):
        if good:
            print(f"[       OK ] {name}")
        else:
            self.failed += 1
            print(f"{why}\n[  FAILED  ] {name}")
