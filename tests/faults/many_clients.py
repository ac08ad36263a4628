#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""3,000 idle and 200 slow connections are held while small requests are
answered as if nobody else were there; and none of them is let go early."""
import select
import socket
import time

from common import (Daemon, SMALL, Tests, ask, latencies, note, percentile)

IDLE, SLOW, SECONDS, P99_MS = 3000, 200, 5, 10


def main():
    tests = Tests()
    with Daemon() as daemon:
        alone = latencies(daemon, SECONDS)
        idle = [daemon.connect() for _ in range(IDLE)]
        good = all(ask(client)[0] == 200 for client in idle)
        tests.check(f"{IDLE} connections are served and kept", good)
        slow = [daemon.connect() for _ in range(SLOW)]
        for client in slow:
            client.sendall(SMALL[:-10])
        deadline = time.monotonic() + SECONDS
        beside = []
        for at in range(10):  # a byte each now and then, as bad phones do
            for client in slow:
                client.sendall(SMALL[len(SMALL) - 10 + at:][:1]
                               if at < 9 else b"")
            left = max(0.1, (deadline - time.monotonic()) / (10 - at))
            beside += latencies(daemon, left)
        beside.sort()
        note("small requests, ms", alone_p50=percentile(alone, .5),
             alone_p99=percentile(alone, .99),
             beside_p50=percentile(beside, .5),
             beside_p99=percentile(beside, .99),
             resident_mib=daemon.resident() / 2**20)
        # Where the machine is busy, they take longer alone, too.
        bound = max(P99_MS, percentile(alone, .99))
        tests.check(f"p99 of small requests within {bound:.0f} ms",
                    percentile(beside, .99) <= bound,
                    f"{percentile(beside, .99):.2f} ms")
        ended = select.poll()
        for client in idle + slow:
            ended.register(client, select.POLLRDHUP | select.POLLERR)
        tests.check("none of them was let go", not ended.poll(0))
        good = all(ask(client, SMALL[-1:])[0] == 200 for client in slow)
        tests.check("the slow ones are answered in the end", good)
        for client in idle + slow:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")
            client.close()  # with a reset
        with daemon.connect() as client:
            tests.check("and it serves on", ask(client)[0] == 200)
        tests.check("and ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
