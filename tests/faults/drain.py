#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGTERM under load: nothing that a client was let in for is lost, whether it
keeps its connection or makes a new one each time, small or large."""
import re
import threading
import time

from common import (Daemon, RIGHT, SMALL, Tests, million, note, read_answer)

ROUNDS, CLIENTS = 5, 16


class Client(threading.Thread):
    """Asks until nobody listens any more."""

    def __init__(self, daemon, keep, request, right):
        super().__init__()
        self.daemon_, self.keep = daemon, keep
        self.request, self.right = request, right
        self.answered, self.lost = 0, []

    def run(self):
        client = None
        while True:
            try:
                client = client or self.daemon_.connect()
            except ConnectionError:
                return
            heads = []
            try:
                client.sendall(self.request)
                answer = read_answer(client, heads=heads)
            except OSError as error:
                answer = error
            if self.wrong(answer):
                self.lost.append(answer)
                return
            self.answered += 1
            if not self.keep or ended(client, heads[0]):
                client.close()
                client = None

    def wrong(self, answer):
        if not isinstance(answer, tuple) or answer[0] != 200:
            return True
        return self.right and answer[1] != self.right


def ended(client, head):
    """Did the daemon close it, or say that it will?"""
    if re.search(rb"^connection: *close", head, re.I | re.M):
        return True
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.settimeout(30)


def round_of(tests, name, keep, request, right, seconds):
    answered, lost, statuses = 0, [], []
    for _ in range(ROUNDS):
        with Daemon() as daemon:
            clients = [Client(daemon, keep, request, right)
                       for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(seconds)
            statuses.append(daemon.stop())
            for client in clients:
                client.join(60)
                answered += client.answered
                lost += client.lost
    note(name, answered=answered, lost=len(lost))
    tests.check(f"{name}: nothing lost", not lost and answered > CLIENTS,
                str(lost[:3]))
    tests.check(f"{name}: exit status 0", set(statuses) == {0}, str(statuses))


def main():
    tests = Tests()
    round_of(tests, "kept connections", True, SMALL, RIGHT, 0.5)
    round_of(tests, "new connections", False, SMALL, RIGHT, 0.5)
    round_of(tests, "large requests", True, million(rows=16), None, 1.0)
    tests.end()


if __name__ == "__main__":
    main()
