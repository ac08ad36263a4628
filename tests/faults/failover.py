#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two replicas behind HAProxy, one of them killed (SIGKILL) and started again
and again: with retries nothing is lost."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from common import Daemon, RIGHT, SMALL, Tests, ask, note

CLIENTS, KILLS = 8, 10
CONFIGURATION = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 0rtt-rejected
frontend front
    bind 127.0.0.1:{front}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /readyz
    server a 127.0.0.1:{first} check inter 200ms fall 1 rise 1
    server b 127.0.0.1:{second} check inter 200ms fall 1 rise 1
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Client(threading.Thread):
    def __init__(self, port, stop):
        super().__init__()
        self.port, self.stop = port, stop
        self.answered, self.lost = 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              30) as client:
                    for _ in range(20):
                        answer = ask(client, SMALL)
                        if answer != (200, RIGHT):
                            self.lost.append(answer)
                            break
                        self.answered += 1
            except OSError as error:
                self.lost.append(error)
                time.sleep(0.1)


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
        file.write(CONFIGURATION.format(front=front, first=ports[0],
                                        second=ports[1]))
        file.flush()
        proxy = subprocess.Popen([haproxy, "-q", "-f", file.name])
        time.sleep(1)
        stop = threading.Event()
        clients = [Client(front, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for kill in range(KILLS):
            time.sleep(0.4)
            victim = kill % 2
            daemons[victim].stop(signal.SIGKILL)
            time.sleep(0.3)
            daemons[victim] = Daemon(port=ports[victim])
            time.sleep(0.5)  # until the proxy has seen it
        stop.set()
        for client in clients:
            client.join(60)
        proxy.terminate()
        proxy.wait(30)
    answered = sum(client.answered for client in clients)
    lost = [loss for client in clients for loss in client.lost]
    note("behind haproxy", kills=KILLS, answered=answered, lost=len(lost))
    tests.check("SIGKILL and restart behind HAProxy: nothing lost",
                answered > 0 and not lost, str(lost[:3]))
    for daemon in daemons:
        daemon.stop()
    tests.end()


if __name__ == "__main__":
    main()
