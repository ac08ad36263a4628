# SPDX-License-Identifier: MIT
"""A softmaxd of one's own, for every script that needs one."""
import contextlib
import http.client
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = os.environ.get("SOFTMAXD", "build/softmaxd")


def is_sanitized():
    """Whatever the folder that it was built in is called."""
    with open(PROGRAM, "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def until(condition, seconds=20):
    """What condition() says as soon as that is true, or after the seconds."""
    end = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return said


def certificate(folder, name="server"):
    """Files of one that vouches for itself, and of its key."""
    cert, key = os.path.join(folder, f"{name}.crt"), os.path.join(
        folder, f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", key, "-out", cert],
        capture_output=True, check=True)
    return cert, key


def trusting():
    """Of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class DidNotStart(Exception):
    """With its exit status and its log."""


class Daemon:
    """`with Daemon("--max-body", "100") as daemon:` listens on a free port.

    log: the file of its standard error; more: of subprocess.Popen."""

    def __init__(self, *options, port=0, log=None, **more):
        self.log = log or tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [PROGRAM, "--listen", f"127.0.0.1:{port}", *options],
            stdout=subprocess.PIPE, stderr=self.log, **more)
        self.line = self.process.stdout.readline().decode()
        found = re.search(r"127\.0\.0\.1:(\d+)", self.line)
        if not found:
            raise DidNotStart(self.process.wait(timeout=30), self.text())
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        if self.process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"exit status {self.process.returncode}")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, number=signal.SIGTERM, timeout=60):
        """The exit status after a signal."""
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def text(self):
        """The log so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

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
            print(f"[       OK ] {name}", flush=True)
        else:
            self.failed += 1
            print(f"{why}\n[  FAILED  ] {name}", flush=True)

    @contextlib.contextmanager
    def part(self, name):
        """What raises in it is a failed test of that name, and no more."""
        try:
            yield
        except Exception:
            self.check(name, False, traceback.format_exc().rstrip())

    def run(self, test, *arguments):
        with self.part(test.__name__):
            test(self, *arguments)

    def skip(self, name, why):
        print(f"{why}\n[  SKIPPED ] {name}", flush=True)

    def end(self):
        sys.exit(self.failed != 0)


def name_what_ends_the_program(kind, error, trace):
    """Not only that a test failed: which, for the sum of them all."""
    traceback.print_exception(kind, error, trace, file=sys.stdout)
    print(f"[  FAILED  ] {kind.__name__} outside of every test", flush=True)


sys.excepthook = name_what_ends_the_program
