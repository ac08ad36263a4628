#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon as a process: its line, exit statuses, signals, log, manager."""
import faulthandler
import http.client
import json
import os
import platform
import re
import signal
import socket
import subprocess
import tempfile
import time

from daemon import PROGRAM, Daemon, Tests, certificate, until

BODY = b'{"logits":[1,2,3]}'
JSON = {"Content-Type": "application/json"}


class Process(Daemon):
    """A daemon whose line, log and exit status are looked at."""

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def post(self, path="/softmax", body=BODY, headers=None):
        connection = self.connect()
        try:
            connection.request("POST", path, body, {**JSON, **(headers or {})})
            return connection.getresponse().status
        finally:
            connection.close()


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], capture_output=True,
                          timeout=30, text=True, check=False, **more)


def test_line(tests):
    daemon = Process("--isa", "base", "--io-threads", "1",
                     "--compute-threads", "3")
    pattern = (r"softmaxd \d+\.\d+\.\d+ listening on "
               r"http://127\.0\.0\.1:\d+ \(base, 1 io, 3 compute\)\n")
    tests.check("startup line", re.fullmatch(pattern, daemon.line),
                daemon.line)
    tests.check("SIGTERM exits 0", daemon.stop() == 0)
    daemon = Process(env={"SOFTMAXD_ADMIN_LISTEN": "127.0.0.1:0"})
    tests.check("startup line with an admin address", re.search(
        r" on http://127\.0\.0\.1:\d+, admin on http://127\.0\.0\.1:\d+ \(",
        daemon.line) and daemon.stop() == 0, daemon.line)
    daemon = Process()
    tests.check("SIGINT exits 0", daemon.stop(signal.SIGINT) == 0)


def test_exit_statuses(tests):
    done = run("--frobnicate")
    tests.check("usage exits 2", done.returncode == 2 and not done.stdout and
                done.stderr.count("\n") == 1, str(done))
    done = run("--max-body", "10", env={"SOFTMAXD_MAX_BODY": "x"})
    tests.check("a bad variable exits 2", done.returncode == 2, str(done))
    done = run("--listen", "127.0.0.1:0", "--token-file", "/nowhere")
    tests.check("an unreadable file exits 1", done.returncode == 1 and
                done.stderr.count("\n") == 1, str(done))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("--listen", address)
    tests.check("a port in use exits 1", done.returncode == 1 and
                done.stderr == f"softmaxd: cannot listen on {address}: "
                "Address already in use\n", str(done))
    for address in "foo", "127.0.0.1:65536", "unix:", "::1:80":
        done = run("--listen", address)
        tests.check(f"--listen {address} exits 2", done.returncode == 2 and
                    done.stderr == f"softmaxd: --listen: got {address}, must "
                    "be host:port, [::1]:port or unix:/path\n", str(done))
    done = run("--listen", "unix:/nowhere/http.sock")
    tests.check("a socket nowhere exits 1", done.returncode == 1 and
                done.stderr == "softmaxd: cannot listen on "
                "unix:/nowhere/http.sock: No such file or directory\n",
                str(done))
    absent = "avx2" if platform.machine() == "aarch64" else "neon"
    done = run("--listen", "127.0.0.1:0", "--isa", absent)
    tests.check("a foreign instruction set exits 1", done.returncode == 1 and
                done.stderr == f"softmaxd: --isa: got {absent}, must be one "
                "that this machine has\n", str(done))
    done = run("--version")
    tests.check("--version", done.returncode == 0 and
                re.fullmatch(r"softmaxd \d+\.\d+\.\d+\n", done.stdout),
                str(done))
    done = run("--help")
    tests.check("--help", done.returncode == 0 and
                "--listen ADDR" in done.stdout, str(done))
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, check=False,
                              timeout=30)
    tests.check("--help into a full disk exits 1", done.returncode == 1)


def test_healthcheck(tests):
    daemon = Process()
    address = f"127.0.0.1:{daemon.port}"
    done = run("--healthcheck", address)
    tests.check("healthcheck exits 0", done.returncode == 0, str(done))
    done = run("--healthcheck", "--listen", address)
    tests.check("healthcheck asks the first address", done.returncode == 0)
    done = run("--healthcheck", env={"SOFTMAXD_LISTEN": address})
    tests.check("healthcheck reads the environment", done.returncode == 0)
    # where only one of the families listens
    for host in "0.0.0.0", "[::]", "":
        done = run("--healthcheck", f"{host}:{daemon.port}")
        tests.check(f"healthcheck asks {host or 'any'} on a loopback address",
                    done.returncode == 0, str(done))
    daemon.stop()
    done = run("--healthcheck", address)
    tests.check("healthcheck of nobody exits 1", done.returncode == 1 and
                "refused" in done.stderr, str(done))


def test_healthcheck_beside_tls(tests):
    """A Unix socket of a daemon with TLS speaks none."""
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        tls = ("--tls-cert", cert, "--tls-key", key)
        local = f"unix:{folder}/a.sock"
        daemon = Process(*tls, "--listen", local)
        for address in local, f"127.0.0.1:{daemon.port}":
            done = run("--healthcheck", address, *tls)
            tests.check(f"healthcheck of {address.split(':')[0]} beside TLS",
                        done.returncode == 0, str(done))
        tests.check("and it ends", daemon.stop() == 0)


def test_stray_variables(tests):
    links = {"SOFTMAXD_PORT": "tcp://10.0.0.1:80",
             "SOFTMAXD_SERVICE_HOST": "10.0.0.1",
             "SOFTMAXD_SERVICE_PORT_HTTP": "80",
             "SOFTMAXD_PORT_80_TCP_ADDR": "10.0.0.1",
             "SOFTMAXD_TWO_PORT_80_TCP": "tcp://10.0.0.2:80"}
    daemon = Process(env={**os.environ, **links, "SOFTMAXD_MAX_BODYY": "1M",
                          "SOFTMAXD_IO_THREADS": "1"})
    tests.check("a misspelt variable ends nothing", daemon.stop() == 0)
    warned = [line.split("warn ", 1)[1] for line in daemon.text().splitlines()
              if " warn " in line]
    tests.check("but is warned of, and links of a service are not",
                warned == ["environment: SOFTMAXD_MAX_BODYY is no option and "
                           "changes nothing, see softmaxd --help"], str(warned))


def test_second_signal(tests):
    daemon = Process("--drain-delay", "20")
    began = time.monotonic()
    daemon.terminate()
    until(lambda: "drain: " in daemon.text())
    status = daemon.stop()
    tests.check("a second signal exits at once",
                time.monotonic() - began < 5 and status == 1 and
                "a second signal, 0 requests are given up" in daemon.text(),
                str(status))


def test_end_with_a_request(tests):
    """Time is up, or a second signal comes: the sockets' names are gone."""
    for options, signals, said in [
            (("--drain-timeout", "1"), 1,
             "1 requests were not finished in time"),
            (("--drain-timeout", "60"), 2,
             "a second signal, 1 requests are given up")]:
        with tempfile.TemporaryDirectory() as folder:
            daemon = Process(*options, "--listen", f"unix:{folder}/a.sock",
                             "--admin-listen", f"unix:{folder}/b.sock")
            with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                client.sendall(b"POST /softmax HTTP/1.1\r\nHost: x\r\n"
                               b"Content-Type: application/json\r\n"
                               b"Expect: 100-continue\r\n"
                               b"Content-Length: 18\r\n\r\n")
                client.recv(1000)  # it is under way
                names = os.listdir(folder)
                for _ in range(signals):
                    daemon.terminate()
                    until(lambda: "drain: " in daemon.text())
                status = daemon.process.wait(timeout=30)
            tests.check(f"an end that says: {said}",
                        status == 1 and said in daemon.text() and
                        len(names) == 2 and not os.listdir(folder),
                        f"{status}, {names}: {daemon.text()}")


def test_log(tests):
    daemon = Process("--log-format", "json")
    daemon.post(headers={"X-Request-Id": "id-1", "traceparent": "00-" +
                         "1" * 32 + "-" + "2" * 16 + "-01"})
    daemon.post("/no\"where%0a\\%C3%A9%C2%85%ff")
    connection = daemon.connect()
    for path in "/healthz", "/metrics", "/readyz":
        connection.request("GET", path)
        connection.getresponse().read()
    daemon.stop()
    lines = [json.loads(line) for line in daemon.text().splitlines()]
    said = [line["message"] for line in lines if "message" in line]
    tests.check("lines at start, drain and exit",
                [text.split()[0] for text in said] ==
                ["start:", "drain:", "exit:"] and
                f"http://127.0.0.1:{daemon.port}" in said[0], str(said))
    lines = [line for line in lines if "message" not in line]
    tests.check("a line a request, none for probes", len(lines) == 2,
                str(lines))
    # a line is written when its answer is gone, which the next may overtake
    first, second = sorted(lines, key=lambda line: line["path"], reverse=True)
    expected = {"level": "info", "status": 200, "rows": 1, "classes": 3,
                "body_bytes": 18, "endpoint": "softmax", "method": "POST",
                "path": "/softmax", "id": "id-1"}
    tests.check("json members", expected.items() <= first.items() and
                first["traceparent"].startswith("00-1") and
                all(first[f"{stage}_ms"] >= 0 for stage in
                    ("read", "compute", "write", "total")), str(first))
    tests.check("json escapes", second["path"] == "/no\"where\n\\\xe9\xc2\x85\xff",
                str(second))
    daemon = Process("--log-level", "warn")
    daemon.post()
    daemon.stop()
    tests.check("--log-level", daemon.text() == "", daemon.text())
    daemon = Process()
    daemon.post()
    daemon.stop()
    tests.check("text log", re.search(
        r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info status=200 rows=1 "
        r"classes=3 ", daemon.text()), daemon.text())


def test_log_that_cannot_be_written(tests):
    with open("/dev/full", "wb") as full:
        daemon = Process(log=full)
        good = all(daemon.post() == 200 for _ in range(50))
        tests.check("a full disk", good and daemon.stop() == 0)
    reading, writing = os.pipe()
    daemon = Process(log=os.fdopen(writing, "wb"))
    connection = daemon.connect()
    good = True
    # more than pipe and buffers hold, in lines of 1 KB
    for path, status in [("/" + "x" * 1000, 404)] * 900 + [("/softmax", 200)]:
        connection.request("POST", path, BODY, JSON)
        answer = connection.getresponse()
        good &= answer.status == status
        answer.read()
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    connection.close()
    dropped = re.search(r"log_lines_dropped_total (\d+)", metrics)
    tests.check("a pipe that nobody reads", good and int(dropped[1]) > 0,
                str(dropped))
    tests.check("and it still ends", daemon.stop() == 0)
    os.close(reading)


def test_reload(tests):
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("one\n")
        file.flush()
        daemon = Process("--token-file", file.name)
        before = daemon.post(headers={"Authorization": "Bearer two"})
        file.seek(0)
        file.write("two\n")
        file.flush()
        daemon.process.send_signal(signal.SIGHUP)
        after = before
        for _ in range(100):
            after = daemon.post(headers={"Authorization": "Bearer two"})
            if after == 200:
                break
            time.sleep(0.02)
        end = time.monotonic() + 10
        while "info reload: the files were read again\n" not in daemon.text() \
                and time.monotonic() < end:
            time.sleep(0.02)
        tests.check("and says so in the log", "info reload: the files were "
                    "read again\n" in daemon.text(), daemon.text())
        file.truncate(0)
        file.flush()
        daemon.process.send_signal(signal.SIGHUP)
        while "all stays as it was" not in daemon.text() and \
                time.monotonic() < end:
            time.sleep(0.02)
        tests.check("files that cannot be read change nothing, and the log "
                    "says so", "info reload: all stays as it was\n"
                    in daemon.text() and daemon.post(
                        headers={"Authorization": "Bearer two"}) == 200,
                    daemon.text())
        tests.check("SIGHUP reads the tokens again",
                    (before, after) == (401, 200), f"{before} {after}")
        tests.check("and it ends", daemon.stop() == 0)


def test_service_manager(tests):
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(10)
    daemon = Process(env={"NOTIFY_SOCKET": path})
    said = [manager.recv(200)]
    daemon.process.send_signal(signal.SIGHUP)
    said += [manager.recv(200), manager.recv(200)]
    daemon.stop()
    said.append(manager.recv(200))
    tests.check("sd_notify", said[0] == said[2] == b"READY=1" and
                said[1].startswith(b"RELOADING=1\nMONOTONIC_USEC=") and
                said[3] == b"STOPPING=1", str(said))
    manager.close()
    os.unlink(path)
    os.rmdir(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0softmaxd-notify-%d" % os.getpid())
        manager.settimeout(10)
        name = manager.getsockname().decode().replace("\0", "@")
        daemon = Process(env={"NOTIFY_SOCKET": name})
        tests.check("sd_notify by an abstract name",
                    manager.recv(200) == b"READY=1" and daemon.stop() == 0)
    for name in "", "/" + "x" * 200:
        daemon = Process(env={"NOTIFY_SOCKET": name})
        tests.check(f"nobody to notify at {name[:5]!r}", daemon.stop() == 0)


def test_closed_streams(tests):
    # the log must not go into the first socket, as descriptor 2
    process = subprocess.Popen(
        ["sh", "-c", f"exec {PROGRAM} --listen 127.0.0.1:0 <&- 2>&-"],
        stdout=subprocess.PIPE)
    process.stdout.readline()
    streams = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 2)]
    process.terminate()
    tests.check("closed streams are taken", process.wait(timeout=30) == 0 and
                streams == ["/dev/null"] * 2, str(streams))


def test_inherited_socket(tests):
    listener = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(listener.fileno(), True)
    # the daemon must find it as file descriptor 3, under its own pid
    process = subprocess.Popen(
        ["sh", "-c", f"exec 3<&{listener.fileno()}; LISTEN_PID=$$ "
         f"LISTEN_FDS=1 exec {PROGRAM}"],
        stdout=subprocess.PIPE, pass_fds=[listener.fileno()],
        stderr=subprocess.DEVNULL)
    port = listener.getsockname()[1]
    line = process.stdout.readline().decode()
    listener.close()
    tests.check("socket activation", f"http://127.0.0.1:{port} " in line, line)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/softmax", BODY, JSON)
    tests.check("and it serves", connection.getresponse().status == 200)
    connection.close()
    process.terminate()
    tests.check("and it ends", process.wait(timeout=30) == 0)


def inherit(stream, pid="$$"):
    """What a start ends with that is given the stream as its listener."""
    return subprocess.run(
        ["sh", "-c", f"exec 3<&{stream.fileno()}; LISTEN_PID={pid} "
         f"LISTEN_FDS=1 exec {PROGRAM} --listen unix:/nowhere/http.sock"],
        pass_fds=[stream.fileno()], capture_output=True, text=True,
        timeout=30, check=False)


def test_what_is_no_listener(tests):
    with open("/dev/null", "rb") as null, socket.socket() as silent:
        for stream, pid, said in [
                (null, "$$", "inherited socket 3: Socket operation on "
                 "non-socket"),
                (silent, "$$", "inherited socket 3: it does not listen"),
                # it is another process's
                (silent, "1", "unix:/nowhere/http.sock: No such file or "
                 "directory")]:
            done = inherit(stream, pid)
            tests.check(f"{said} exits 1", done.returncode == 1 and done.stderr
                        == f"softmaxd: cannot listen on {said}\n", str(done))
    long = "unix:/" + "x" * 200
    for flag, said in [("--listen", f"cannot listen on {long}"),
                       ("--healthcheck", long)]:
        done = run(flag, long)
        tests.check(f"a path too long for {flag} exits 1",
                    done.returncode == 1 and done.stderr ==
                    f"softmaxd: {said}: File name too long\n", str(done))


def test_start_is_quick(tests):
    best = 1e9
    for _ in range(5):
        began = time.monotonic()
        daemon = Process()
        daemon.post()
        best = min(best, time.monotonic() - began)
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
            resident = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        daemon.stop()
    print(f"ready and answered after {best * 1000:.1f} ms, "
          f"{resident} kB resident")
    tests.check("the first answer within 200 ms", best < 0.2, str(best))


def main():
    tests = Tests()
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            faulthandler.dump_traceback_later(120, exit=True)
            tests.run(test)
            faulthandler.cancel_dump_traceback_later()
    tests.end()


if __name__ == "__main__":
    main()
