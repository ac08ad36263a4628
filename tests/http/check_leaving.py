#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that leave in the middle, over plain TCP and TLS, with FIN, RST and
close_notify: each is counted once, as 499, and never as the daemon's fault. And bodies that are late, as 408."""
import http.client
import re
import struct
import tempfile

from check_connections import connect
from check_process import Process
from daemon import Tests, certificate, trusting, until

UPLOAD = (b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
          b"\r\nContent-Length: 1000\r\n\r\n" b'{"logits":[1,2,')
LOGITS = b",".join([b"1"] * 300)
JACOBIAN = b'{"of":"softmax","logits":[' + LOGITS + b"]}"
ANSWER = (b"POST /gradient HTTP/1.1\r\nHost: x\r\nContent-Type: "
          b"application/json\r\nContent-Length: %d\r\n\r\n" % len(JACOBIAN) +
          JACOBIAN) * 40  # pipelined: more than any socket buffers
CLIENTS = 5


def metrics(daemon):
    port = int(re.search(r"admin on http://127.0.0.1:(\d+)", daemon.line)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def under_way(daemon):
    return int(re.search(r"(?m)^softmaxd_in_flight_requests (\d+)",
                         metrics(daemon))[1])


def counted(daemon):
    """{status: requests} of the endpoints that are asked here."""
    text = metrics(daemon)
    found = re.findall(r'softmaxd_requests_total\{endpoint="(?:softmax|gradient'
                       r')",status="(\d+)"\} (\d+)', text)
    sums = {}
    for status, count in found:
        sums[status] = sums.get(status, 0) + int(count)
    return sums


def leave(client, how):
    if how == "RST":
        client.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER
    elif how == "close_notify":
        client.settimeout(0.2)
        try:
            client.unwrap()
        except OSError:
            pass
    client.close()


def wait_for(daemon, count, status="499"):
    until(lambda: counted(daemon).get(status, 0) >= count)
    return counted(daemon)


def check_way(tests, name, daemon, opening, request, what, how):
    expected = counted(daemon).get("499", 0) + CLIENTS
    clients = [opening() for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(request)
    if request == ANSWER:
        begun = all(client.recv(1) for client in clients)
    else:  # the admin listener's own request counts too
        begun = until(lambda: under_way(daemon) > CLIENTS)
    tests.check(f"{name}: {what} has begun", begun)
    for client in clients:
        leave(client, how)
    got = wait_for(daemon, expected)
    tests.check(f"{name}: {how} in {what} is a 499",
                got.get("499") == expected and
                not any(status[0] in "45" and status != "499"
                        for status in got), str(got))


def check(tests, name, daemon, opening, ways):
    for request, what in (UPLOAD, "an upload"), (ANSWER, "an answer"):
        for how in ways:
            with tests.part(f"{name}: {how} in {what}"):
                check_way(tests, name, daemon, opening, request, what, how)
    tests.check(f"{name}: it ends", daemon.stop() == 0)


def check_late(tests, name, daemon, opening, expected):
    """Half a body until its time is up. The keeper says 408, but not into a
    session of TLS, which is its event loop's alone."""
    clients = [opening() for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(UPLOAD)
    said = []
    for client in clients:
        try:
            said.append(client.recv(1000)[:12])
        except OSError:  # no close_notify
            said.append(b"")
        client.close()
    tests.check(f"{name}: a late body gets {expected or 'a close'}",
                said == [expected] * CLIENTS, str(said))
    got = wait_for(daemon, CLIENTS, "408")
    tests.check(f"{name}: and is counted as 408",
                got == {"408": CLIENTS}, str(got))
    tests.check(f"{name}: it ends", daemon.stop() == 0)


def main():
    tests = Tests()
    admin = ("--admin-listen", "127.0.0.1:0")
    hasty = (*admin, "--request-timeout", "1")
    with tests.part("plain"):
        daemon = Process(*admin)
        check(tests, "plain", daemon, lambda: connect(daemon), ("FIN", "RST"))
    with tests.part("plain: late"):
        late = Process(*hasty)
        check_late(tests, "plain", late, lambda: connect(late), b"HTTP/1.1 408")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        context = trusting()
        tls = ("--tls-cert", cert, "--tls-key", key)
        with tests.part("TLS"):
            secure = Process(*tls, *admin)
            check(tests, "TLS", secure, lambda: context.wrap_socket(
                connect(secure)), ("FIN", "RST", "close_notify"))
        with tests.part("TLS: late"):
            slow = Process(*tls, *hasty)
            check_late(tests, "TLS", slow, lambda: context.wrap_socket(
                connect(slow)), b"")
    tests.end()


if __name__ == "__main__":
    main()
