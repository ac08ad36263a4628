#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ask one port for softmax until standard input closes; count what is lost.

Half the clients keep their connection, half open one a request. Prints
"ASKED LOST"; lost is every request not answered 200 with the right bytes.
usage: load.py PORT
"""
import http.client
import sys
import threading

CLIENTS = 8
LOGITS = "[" + ",".join(["[1,2,3]"] * 50) + "]"
ROW = "[0.09003057,0.24472848,0.66524094]"
WANTED = '{"probabilities":[' + ",".join([ROW] * 50) + "]}"


class Client(threading.Thread):
    def __init__(self, port, keeps, stop):
        super().__init__(daemon=True)
        self.port, self.keeps, self.stop = port, keeps, stop
        self.asked = self.lost = 0

    def run(self):
        connection = None
        while not self.stop.is_set():
            self.asked += 1
            try:
                connection = connection or http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=10)
                connection.request(
                    "POST", "/softmax", f'{{"logits":{LOGITS}}}',
                    {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read().decode().rstrip()
                if answer.status != 200 or text != WANTED:
                    raise ValueError(f"{answer.status}: {text[:200]}")
                if not self.keeps:
                    connection.close()
                    connection = None
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.lost += 1
                if self.lost < 4:
                    print(f"lost: {error!r}", file=sys.stderr)
                connection = None


def main():
    stop = threading.Event()
    clients = [Client(int(sys.argv[1]), i % 2 == 0, stop)
               for i in range(CLIENTS)]
    for client in clients:
        client.start()
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join(20)
    print(sum(c.asked for c in clients), sum(c.lost for c in clients))


main()
