#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""More connections than file descriptors, connections without a request, and a
daemon that was stopped meanwhile."""
import os
import re
import resource
import signal
import socket
import time

from check_process import BODY, JSON, Process
from daemon import DidNotStart, Tests

POST = (b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
        b"\r\nContent-Length: 18\r\n\r\n" + BODY)
IDLE_SECONDS = 1.1  # after which a connection gives way


def limited(files):
    """A daemon that may have so many descriptors."""
    return Process("--io-threads", "2", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (files, files)))


def connect(daemon):
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=20)


def get(daemon, path):
    connection = daemon.connect()
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except OSError as error:
        return str(error)
    finally:
        connection.close()


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_descriptors(tests):
    for files in 64, 160:
        daemon = limited(files)
        limit = int(re.search(r'"max_connections":(\d+)',
                              get(daemon, "/version"))[1])
        # as many again as there may be: each is held, or closed at once
        held = [connect(daemon) for _ in range(2 * files)]
        before = cpu_seconds(daemon)
        get(daemon, "/healthz")  # answered or not, all before it are accepted
        time.sleep(IDLE_SECONDS)  # however long it took, all may give way now
        healthy = sum("ok" in get(daemon, "/healthz") for _ in range(5))
        busy = cpu_seconds(daemon) - before
        tests.check(f"{files} descriptors: probes are answered beside "
                    f"{2 * files} connections", healthy == 5, str(healthy))
        tests.check("and requests, as idle connections give way",
                    daemon.post() == 200)
        tests.check("and no thread spins", busy < 0.5, f"{busy} s")
        for client in held:
            client.close()
        tests.check("and it ends", daemon.stop() == 0)
        tests.check("the log tells the limit", files / 4 < limit < files and
                    f"max-connections is {limit}, not 8192: the limit of open "
                    f"files is {files}" in daemon.text(), daemon.text()[:300])


def test_too_few_descriptors(tests):
    status, text = 0, "it started"
    try:
        limited(14).stop()
    except DidNotStart as why:
        status, text = why.args
    found = re.fullmatch(r"softmaxd: open files: got a limit of 14, must be at "
                         r"least (\d+)\n", text)
    tests.check("too few to serve: one line and exit 1",
                status == 1 and found and int(found[1]) < 64, text)
    daemon = limited(int(found[1]))
    tests.check("with as many as it says it serves", daemon.post() == 200)
    tests.check("and ends", daemon.stop() == 0)


def test_stopped(tests):
    """What arrives while the process stands still is not too late."""
    daemon = Process("--idle-timeout", "1", "--request-timeout", "1")
    clients = [connect(daemon) for _ in range(2)]
    clients[0].sendall(POST)
    clients[0].recv(1000)
    daemon.process.send_signal(signal.SIGSTOP)
    for client in clients:
        client.sendall(POST)
    time.sleep(1.5)  # longer than its timeouts, while it stands still
    daemon.process.send_signal(signal.SIGCONT)
    said = [client.recv(1000)[:12] for client in clients]
    tests.check("requests that waited for SIGCONT are answered",
                said == [b"HTTP/1.1 200"] * 2, str(said))
    tests.check("and it ends", daemon.stop() == 0)


def test_end_with_connections(tests):
    """Those without a request delay nothing, half a request only a little."""
    daemon = Process("--idle-timeout", "60", "--request-timeout", "60")
    idle = [daemon.connect() for _ in range(5)]
    for connection in idle:
        connection.request("POST", "/softmax", BODY, JSON)
        connection.getresponse().read()
    fresh = [connect(daemon) for _ in range(5)]
    began = time.monotonic()
    status = daemon.stop()
    tests.check("SIGTERM ends at once beside idle connections",
                status == 0 and time.monotonic() - began < 2,
                f"{status} after {time.monotonic() - began:.1f} s")
    tests.check("which are closed without a word",
                all(client.recv(100) == b"" for client in fresh))
    daemon = Process("--request-timeout", "60")
    half = connect(daemon)
    half.sendall(b"POST /soft")
    began = time.monotonic()
    status = daemon.stop()
    tests.check("and beside half a request line, which gets 408",
                status == 0 and time.monotonic() - began < 5 and
                half.recv(100).startswith(b"HTTP/1.1 408"),
                f"{status} after {time.monotonic() - began:.1f} s")


def main():
    tests = Tests()
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            tests.run(test)
    tests.end()


if __name__ == "__main__":
    main()
