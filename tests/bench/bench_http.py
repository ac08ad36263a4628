#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""softmaxd beside a bare libmicrohttpd echo, nginx and FastAPI + PyTorch, over
loopback with wrk on the same cores. All servers run at the same time and are
loaded in turn, so that one moment's noise hits all; medians of ROUNDS.
The rows of bench_binary follow. Writes OUT/bench-http.json and
tests/bench/http.svg.

usage: bench_http.py OUT PEER_ECHO BENCH_BINARY SOFTMAXD PYTHON"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import http_svg

ROUNDS, SECONDS, CONNECTIONS, LARGE = 11, 1, 16, 8
THREADS = len(os.sched_getaffinity(0))
TEN = '{"logits":[[2.1,-0.3,0.77,1.5,-2.25,0.01,3.3,-1.1,0.5,0.9]]}'
SCRIPT = f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{TEN}'
"""
NGINX = """daemon off;
worker_processes {threads};
pid {folder}/pid;
error_log {folder}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000000;
    location / {{ default_type application/json; return 200 '{{"a":[1]}}'; }}
  }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def tool(name):
    return shutil.which(name, path="/usr/sbin:" + os.environ["PATH"])


class Server:
    """One peer: where it listens and which processes it is."""

    def __init__(self, name, command, port=None, path="/softmax", **more):
        self.name, self.path, self.port = name, path, port
        began = time.monotonic()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True, **more)
        if port is None:
            line = self.process.stdout.readline().decode()
            self.port = int(re.search(r"(?:127\.0\.0\.1:|^)(\d+)\b",
                                      line)[1])
        self.wait()
        self.ready_ms = (time.monotonic() - began) * 1000

    def wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if self.post(TEN)[0] == 200:
                    return
            except OSError:
                time.sleep(0.0005)
        raise RuntimeError(f"{self.name} does not answer")

    def post(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=120)
        connection.request("POST", self.path, body,
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def sum_of(self, *columns):
        """Of /proc/PID/stat, over the process and its children."""
        total = 0
        for pid in os.listdir("/proc"):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                if int(fields[3]) == self.process.pid:  # its session
                    total += sum(int(fields[column]) for column in columns)
            except (OSError, ValueError, IndexError):
                continue
        return total

    def resident_mib(self):
        return self.sum_of(21) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self):
        return self.sum_of(11, 12) / os.sysconf("SC_CLK_TCK")

    def load(self, script):
        """Requests a second, and the server's own microseconds for one."""
        before = self.cpu_seconds()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", script,
             f"http://127.0.0.1:{self.port}{self.path}"],
            capture_output=True, text=True, check=True)
        if re.search(r"Non-2xx|Socket errors", done.stdout):
            raise RuntimeError(f"{self.name}: {done.stdout}")
        requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
        return (float(re.search(r"Requests/sec: +([\d.]+)", done.stdout)[1]),
                (self.cpu_seconds() - before) / requests * 1e6)

    def large(self, body):
        """Milliseconds of a request, and the server's own: of LARGE, because
        the kernel counts in ticks."""
        before, began = self.cpu_seconds(), time.monotonic()
        for _ in range(LARGE):
            if self.post(body)[0] != 200:
                raise RuntimeError(self.name)
        return ((time.monotonic() - began) * 1000 / LARGE,
                (self.cpu_seconds() - before) * 1000 / LARGE)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


def start_nginx(folder):
    port = free_port()
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(NGINX.format(folder=folder, port=port, threads=THREADS))
    return Server("nginx, return 200", [tool("nginx"), "-p", folder, "-c",
                                        path], port)


def start_fastapi(python, folder):
    port = free_port()
    command = [python, "-m", "uvicorn", "peer_fastapi:app", "--port",
               str(port), "--loop", "uvloop", "--http", "httptools",
               "--workers", str(THREADS), "--log-level", "warning",
               "--app-dir", folder]
    return Server("FastAPI + PyTorch", command, port)


def has_fastapi(python):
    return subprocess.run(
        [python, "-c", "import fastapi, uvicorn, uvloop, httptools, torch"],
        stderr=subprocess.DEVNULL, check=False).returncode == 0


def start_all(echo, softmaxd, python, folder):
    servers = [Server("softmaxd", [softmaxd, "--listen", "127.0.0.1:0"]),
               Server("bare echo", [echo, str(THREADS)])]
    if tool("nginx"):
        servers.append(start_nginx(folder))
    else:
        print("nginx is not installed: left out")
    if has_fastapi(python):
        servers.append(start_fastapi(python, os.path.dirname(__file__)))
    else:
        print(f"{python} has no FastAPI and PyTorch (make bench-http-deps): "
              "left out")
    return servers


def in_turn(servers, measure):
    """A list of {name: median} of ROUNDS in turn, one for each figure that
    measure returns."""
    taken = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            taken[server.name].append(measure(server))
    medians = {name: [statistics.median(figure) for figure in zip(*values)]
               for name, values in taken.items()}
    figures = len(medians[servers[0].name])
    return [{name: median[i] for name, median in medians.items()}
            for i in range(figures)]


def rows_of(case, unit, values, better):
    own = values["softmaxd"]
    return [{"case": case, "unit": unit, "peer": name, "softmaxd": own,
             "peer_value": value,
             "ratio": own / value if better == "more" else value / own}
            for name, value in values.items() if name != "softmaxd"]


def million():
    """128 rows of 8192 logits, as float32 prints."""
    row = ",".join(f"{(i * 7919 % 1999) / 250 - 4:.6f}" for i in range(8192))
    return '{"logits":[' + ",".join(["[" + row + "]"] * 128) + "]}"


def measure_all(servers):
    computing = [s for s in servers if s.name.startswith(("softmaxd", "Fast"))]
    idle = {server.name: server.resident_mib() for server in servers}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        rate, cost = in_turn(servers, lambda s: s.load(script.name))
    body = million()
    large, large_cost = in_turn(computing, lambda s: s.large(body))
    rows = rows_of("10 logits, 16 connections", "requests/s", rate, "more")
    rows += rows_of("10 logits, the server's CPU time", "µs a request", cost,
                    "less")
    rows += rows_of("1,048,576 logits as JSON, one request", "ms", large,
                    "less")
    rows += rows_of("1,048,576 logits, the server's CPU time", "ms",
                    large_cost, "less")
    rows += rows_of("resident memory, idle", "MiB", idle, "less")
    rows += rows_of("first answer after the start", "ms",
                    {s.name: s.ready_ms for s in servers}, "less")
    return rows


def binary_rows(program, softmaxd, out):
    path = os.path.join(out, "bench-binary.json")
    subprocess.run([program, softmaxd, path], stdout=subprocess.DEVNULL,
                   timeout=300, check=True)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    out, echo, binary, softmaxd, python = sys.argv[1:6]
    if not tool("wrk"):
        sys.exit("wrk is not installed (apt install wrk)")
    with tempfile.TemporaryDirectory() as folder:
        servers = start_all(echo, softmaxd, python, folder)
        try:
            rows = measure_all(servers)
        finally:
            for server in servers:
                server.stop()
    rows += binary_rows(binary, softmaxd, out)
    with open(os.path.join(out, "bench-http.json"), "w",
              encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    for row in rows:
        print(f'{row["case"]:40} {row["peer"]:20} softmaxd '
              f'{row["softmaxd"]:12.1f} {row["unit"]:12} peer '
              f'{row["peer_value"]:12.1f}  ratio {row["ratio"]:.2f}')
    http_svg.draw(rows, os.path.join(os.path.dirname(__file__), "http.svg"))


if __name__ == "__main__":
    main()
