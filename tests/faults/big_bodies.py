#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four clients push a million logits each, again and again, while small
requests are answered within 10 ms (the 99th of a hundred). With a sanitizer,
which makes everything many times slower, milliseconds say nothing: there no
small request may wait for a large one, whose time is the bound."""
import multiprocessing
import time

from common import (Daemon, SANITIZED, Tests, latencies, million, note,
                    percentile, read_answer, until)

CLIENTS, SECONDS, P99_MS = 4, 8, 10


def push(daemon, request, end, done):
    """Whole requests until the time is over; how long each takes, in ms."""
    with daemon.connect(120) as client:
        while (began := time.monotonic()) < end:
            client.sendall(request)
            answer = read_answer(client)
            if not answer or answer[0] != 200:
                done.put(-1)
                return
            done.put((time.monotonic() - began) * 1000)


def main():
    tests = Tests()
    request = million()
    with Daemon() as daemon:
        done = multiprocessing.Queue()
        end = time.monotonic() + SECONDS
        pushers = [multiprocessing.Process(target=push, args=(
            daemon, request, end, done)) for _ in range(CLIENTS)]
        for pusher in pushers:
            pusher.start()
        tests.check("large ones are under way",
                    until(lambda: daemon.metric("tensor_bytes") > 0))
        taken = latencies(daemon, SECONDS - 1)
        large = []
        for pusher in pushers:
            pusher.join(120)
        while not done.empty():
            large.append(done.get())
        large.sort()
        bound = percentile(large, .5) if SANITIZED else P99_MS
        note("beside four clients of a million logits", large=len(large),
             large_p50_ms=percentile(large, .5),
             small=len(taken), p50_ms=percentile(taken, .5),
             p99_ms=percentile(taken, .99), max_ms=taken[-1])
        tests.check("the large ones are answered",
                    len(large) >= CLIENTS and min(large) > 0, str(large))
        tests.check(f"p99 of small requests within {bound:.0f} ms",
                    percentile(taken, .99) <= bound,
                    f"{percentile(taken, .99):.2f} ms")
        tests.check("nothing of the budget is left taken",
                    daemon.metric("tensor_bytes") == 0)
        tests.check("and it ends well", daemon.stop() == 0 and daemon.clean(),
                    daemon.complaint())
    tests.end()


if __name__ == "__main__":
    main()
