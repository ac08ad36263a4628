#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two replicas behind HAProxy, one of them killed (SIGKILL) and started again
and again, then both stalled: with retries and patience nothing is lost."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from common import (Daemon, RIGHT, SMALL, Tests, ask, note, stall,
                    until)

CLIENTS, KILLS, STALL_SECONDS = 8, 10, 2


def configuration(front, first, second):
    """docker/haproxy.cfg with these ports instead of containers."""
    with open("docker/haproxy.cfg", encoding="utf-8") as file:
        text = file.read()
    for old, new in ((r"(?ms)^resolvers names\n.*?\n\n", ""),
                     (r"(?m)^ *default-server resolvers names .*\n", ""),
                     (r"bind :8080", f"bind 127.0.0.1:{front}"),
                     (r"softmaxd-1:8080", f"127.0.0.1:{first}"),
                     (r"softmaxd-2:8080", f"127.0.0.1:{second}")):
        text, count = re.subn(old, new, text)
        if count != 1:
            raise ValueError(f"docker/haproxy.cfg: {count} x {old}")
    return text


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def serves(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            return ask(client) == (200, RIGHT)
    except OSError:
        return False


class Client(threading.Thread):
    """apart: sends head and body by two calls."""

    def __init__(self, port, stop, apart):
        super().__init__()
        self.port, self.stop, self.apart = port, stop, apart
        self.answered, self.lost = 0, []

    def ask(self, client):
        head = SMALL.index(b"{") if self.apart else 0
        client.sendall(SMALL[:head])
        return ask(client, SMALL[head:])

    def run(self):
        while not self.stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              30) as client:
                    for _ in range(20):
                        answer = self.ask(client)
                        if answer != (200, RIGHT):
                            self.lost.append(answer)
                            break
                        self.answered += 1
            except OSError as error:
                self.lost.append(error)
                time.sleep(0.1)  # how often it tries, not what it waits for


def main():
    tests = Tests()
    haproxy = shutil.which("haproxy", path="/usr/sbin:" + os.environ["PATH"])
    if not haproxy:
        tests.skip("failover", "haproxy is not installed")
        tests.end()
    ports = [free_port(), free_port()]
    daemons = [Daemon(port=port) for port in ports]
    front = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(configuration(front, *ports))
        file.flush()
        proxy = subprocess.Popen([haproxy, "-q", "-f", file.name])
        up = until(lambda: serves(front))
        stop = threading.Event()
        clients = [Client(front, stop, i % 2 == 0) for i in range(CLIENTS)]
        for client in clients:
            client.start()
        for kill in range(KILLS):
            # some load on both, then some on one of them
            time.sleep(0.4)
            victim = kill % 2
            daemons[victim].stop(signal.SIGKILL)
            time.sleep(0.3)
            daemons[victim] = again = Daemon(port=ports[victim])
            # the proxy has seen it once a request comes through
            up = until(lambda: 'endpoint="softmax"' in again.text())
            if not up:
                break
        if up:
            stall(daemons, STALL_SECONDS)
        stop.set()
        for client in clients:
            client.join(60)
        proxy.terminate()
        proxy.wait(30)
    answered = sum(client.answered for client in clients)
    lost = [loss for client in clients for loss in client.lost]
    note("behind haproxy", kills=KILLS, answered=answered, lost=len(lost))
    tests.check("the proxy lets requests through to what starts", up)
    tests.check("kills, restarts and a stall behind HAProxy: nothing lost",
                answered > 0 and not lost, str(lost[:3]))
    for daemon in daemons:
        daemon.stop()
    tests.end()


if __name__ == "__main__":
    main()
