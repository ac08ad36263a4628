#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed units under systemd itself: it listens, starts the daemon for
the first client, reloads, stops and restarts it.

systemd is process 1 of namespaces of its own, with a /run of its own and with
no units but the installed ones and empty targets. A service of that systemd
asks, and its end is systemd's. Needs root; one line says what is missing.
"""
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, os.pardir, os.pardir))
sys.path.insert(0, os.path.join(HERE, os.pardir, "http"))
from daemon import Tests  # noqa: E402

SYSTEMD = "/usr/lib/systemd/systemd"
UNITS = "/run/units"
INSTALLED = "/run/installed"
PORT, PATH = 8080, "/run/softmaxd.sock"
TARGETS = ("sysinit", "basic", "shutdown", "sockets", "network", "multi-user")
ANSWER = b'{"probabilities":[0.5,0.5]}\n'
SECONDS = 30
NAMESPACES = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts",
              "--cgroup", "--propagation", "private", "--fork", "--kill-child"]
ASKING = f"""[Unit]
Wants=softmaxd.socket
After=softmaxd.socket
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=oneshot
StandardOutput=file:%s
StandardError=inherit
ExecStart={sys.executable} {os.path.abspath(__file__)} ask
"""


# ---- process 1 -------------------------------------------------------------

def become_systemd(output):
    """Set up what it finds, then be it."""
    for kind, place in (("proc", "/proc"), ("tmpfs", "/run"),
                        ("cgroup2", "/sys/fs/cgroup")):
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["make", "-s", "install-daemon", "PREFIX=" + INSTALLED,
                    "SYSTEMDDIR=" + UNITS, "O=" + os.environ["O"]], check=True,
                   cwd=ROOT, env={**os.environ, "MAKEFLAGS": ""})
    for name in TARGETS:
        with open(f"{UNITS}/{name}.target", "w", encoding="utf-8") as file:
            file.write("[Unit]\nDefaultDependencies=no\n")
    with open(f"{UNITS}/ask.service", "w", encoding="utf-8") as file:
        file.write(ASKING % output)
    os.execve(SYSTEMD, [SYSTEMD, "--system", "--unit=ask.service",
                        "--log-target=console"],
              {"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": UNITS,
               "container": "check_units"})


# ---- what is asked ---------------------------------------------------------

class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(PATH)


def probabilities(connection):
    try:
        connection.request("POST", "/softmax", '{"logits":[0,0]}',
                           {"Content-Type": "application/json"})
        return connection.getresponse().read() == ANSWER
    except OSError:
        return False
    finally:
        connection.close()


def over_tcp():
    return probabilities(
        http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS))


def over_unix():
    return probabilities(UnixConnection("localhost", timeout=SECONDS))


def systemctl(*words):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True,
                          check=False, timeout=SECONDS).stdout.strip()


def shown(name):
    return systemctl("show", "--value", "-p", name, "softmaxd.service")


def restarts(pid):
    """Kill it; is there another one that answers?"""
    os.kill(int(pid), signal.SIGKILL)
    end = time.monotonic() + SECONDS
    while shown("NRestarts") != "1" or shown("ActiveState") != "active":
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return over_tcp() and shown("MainPID") != pid


def ask():
    tests = Tests()
    manual = "--man=yes" if shutil.which("man") else "--man=no"
    verified = subprocess.run(
        ["systemd-analyze", "verify", manual, f"{UNITS}/softmaxd.service",
         f"{UNITS}/softmaxd.socket"], capture_output=True, text=True,
        check=False, env={**os.environ, "MANPATH": INSTALLED + "/share/man"})
    tests.check("units: systemd finds nothing to say of them",
                verified.returncode == 0 and not verified.stderr,
                verified.stderr)
    tests.check("units: nobody has asked, and it does not run",
                shown("ActiveState") == "inactive")
    tests.check("units: the first client starts it", over_tcp(),
                systemctl("status", "--no-pager", "softmaxd.service"))
    tests.check("units: it has said that it is ready",
                shown("ActiveState") == "active")
    tests.check("units: it serves the Unix socket too, for every user",
                over_unix() and os.stat(PATH).st_mode & 0o777 == 0o666)
    pid = shown("MainPID")
    systemctl("reload", "softmaxd.service")
    tests.check("units: a reload keeps the process",
                over_tcp() and shown("MainPID") == pid)
    tests.check("units: killed, it is started again", restarts(pid))
    systemctl("stop", "softmaxd.service")
    tests.check("units: stopped, it has ended by itself",
                shown("ActiveState") == "inactive" and
                shown("Result") == "success" and
                shown("ExecMainStatus") == "0")
    tests.check("units: the next client starts it anew",
                over_tcp() and over_unix() and
                shown("MainPID") not in (pid, "0"))
    tests.end()


# ---- outside ---------------------------------------------------------------

def hierarchy():
    """Where control groups of version 2 are mounted; "": nowhere."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split()[4] for line in file if " cgroup2 " in line]
    return places[0] if places else ""


def missing():
    """Why it cannot be tried here; None: it can."""
    if not os.access(SYSTEMD, os.X_OK):
        return "no systemd"
    if any(name in os.environ["O"] for name in ("-asan", "-tsan")):
        return "a sanitizer asks for more than the unit allows"
    if not os.access(hierarchy(), os.W_OK):
        return "no control groups of version 2 that can be written"
    tried = subprocess.run(
        [*NAMESPACES, "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"],
        capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else None


class ControlGroup:
    """A group of the version 2 hierarchy, and with it all that systemd makes
    below."""

    def __enter__(self):
        self.folder = f"{hierarchy()}/check_units.{os.getpid()}"
        os.mkdir(self.folder)
        return self

    def join(self):
        with open(self.folder + "/cgroup.procs", "w", encoding="utf-8") as file:
            file.write("0")

    def __exit__(self, *_):
        for folder, _, _ in os.walk(self.folder, topdown=False):
            os.rmdir(folder)


def main():
    why = missing()
    if why:
        print(f"[  SKIPPED ] units: {why}")
        return 0
    with tempfile.NamedTemporaryFile(dir=os.environ["O"]) as output, \
            ControlGroup() as group:
        path = os.path.abspath(output.name)
        run = subprocess.run(
            [*NAMESPACES, sys.executable, os.path.abspath(__file__), "init",
             path], preexec_fn=group.join, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=8 * SECONDS)
        with open(path, encoding="utf-8") as file:
            sys.stdout.write(file.read())
    if run.returncode:
        print(run.stdout, run.stderr, "[  FAILED  ] units: systemd's end",
              sep="\n")
    return run.returncode


if __name__ == "__main__":
    if sys.argv[1:] == ["ask"]:
        ask()
    elif sys.argv[1:2] == ["init"]:
        become_systemd(sys.argv[2])
    else:
        sys.exit(main())
