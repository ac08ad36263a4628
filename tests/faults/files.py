#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""File descriptors run out: who is connected is served, who comes is told 503
or closed, nobody hangs, and afterwards all is as before."""
import time

from common import Daemon, Tests, ask, note, until

FILES, CONNECTIONS = 200, 400
IDLE_S = 0.9  # who is idle for a second may have to give way


def try_one(daemon):
    """A status, or 0 where the connection was closed without an answer."""
    try:
        with daemon.connect(10) as client:
            answer = ask(client)
            return answer[0] if answer else 0
    except ConnectionError:
        return 0


def connections(daemon):
    """None while it still turns them away."""
    try:
        return daemon.metric("open_connections")
    except (ConnectionError, TypeError):
        return None


def main():
    tests = Tests()
    with Daemon(files=FILES) as daemon:
        kept, statuses = [], {}
        began = time.monotonic()
        for _ in range(CONNECTIONS):
            try:
                client = daemon.connect(10)
                answer = ask(client)
            except ConnectionError:
                answer = None
            status = answer[0] if answer else 0
            statuses[status] = statuses.get(status, 0) + 1
            if status == 200:
                kept.append((client, time.monotonic()))
        ended = time.monotonic()
        took = ended - began
        note(f"{FILES} file descriptors", statuses=statuses, seconds=took)
        tests.check("some are served, the others turned away",
                    statuses.get(200, 0) > 0 and set(statuses) <= {0, 200, 503}
                    and took < 30, str(statuses))
        good = all(ask(client) and ask(client)[0] == 200
                   for client, asked in kept if ended - asked < IDLE_S)
        tests.check("who is connected is served on", good)
        for client, _ in kept:
            client.close()
        until(lambda: connections(daemon) == 1)  # that which asks
        tests.check("and then everybody again",
                    all(try_one(daemon) == 200 for _ in range(50)))
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
