#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The k-th call of a function of another library fails, for k = 1, 2, 3 ...:
while the daemon starts it serves, or says what went wrong and exits with 1; of a
request the client gets its answer, one that says that it failed, or a closed
connection, and nobody else notices; the health check tells of it; the log loses
no line that can still be written."""
import collections
import concurrent.futures
import errno
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from common import Daemon, RIGHT, SMALL, Tests, note, post, read_answer, read_to_end, until
from daemon import PROGRAM, DidNotStart, certificate, trusting
from growth import as_type, npy, texts, v2_binary
from plan import PRELOAD, Plan

MOST = 8  # of one name that fail in a request, one after the other
MOST_AT_START = 400
AT_ONCE = 4  # most of a start's and an end's time is spent waiting
NO_MEMORY = -25  # GNUTLS_E_MEMORY_ERROR
THREADS = ("--io-threads", "1", "--compute-threads", "2")


# ---- a start -----------------------------------------------------------------

# name, error, and what is said where it does not serve.
STARTS = [
    ("open", errno.EMFILE, ""),  # of /dev/null, in place of a closed stream
    ("epoll_create1", errno.EMFILE, "cannot create an epoll instance|"
     "cannot serve .*"),
    ("socket", errno.EMFILE, "cannot listen on .*: Too many open files"),
    ("socket", errno.EAFNOSUPPORT,
     "cannot listen on .*: Address family not supported by protocol"),
    ("bind", errno.EACCES, "cannot listen on .*: Permission denied"),
    ("listen", errno.EADDRINUSE, "cannot listen on .*: Address already in use"),
    ("chmod", errno.EPERM, "cannot listen on unix:.*: Operation not permitted"),
    ("lstat", errno.EACCES, "cannot listen on unix:.*: Permission denied"),
    ("connect", errno.EACCES,
     "cannot listen on unix:.*: Address already in use"),
    ("unlink", errno.EPERM, "cannot listen on unix:.*: Operation not permitted"),
    ("getaddrinfo", -2, "cannot listen on .*: Name or service not known"),
    ("setsockopt", errno.EINVAL, None),
    ("fopen", errno.EMFILE, "--token-file: .*: Too many open files"),
    ("opendir", errno.EMFILE, None),
    ("getrlimit", errno.EINVAL, None),
    ("setrlimit", errno.EPERM, None),
    ("sched_getaffinity", errno.EINVAL, None),
    ("sysconf", errno.EINVAL, None),
    ("fstat", errno.EOVERFLOW, None),
    ("pthread_create", errno.EAGAIN, "out of memory|a thread could not be "
     "started|cannot serve .*"),
    ("eventfd", errno.EMFILE, "cannot serve .*"),
    ("epoll_ctl", errno.ENOSPC, "cannot serve .*"),
    ("MHD_start_daemon", 0, "cannot serve .*"),
    ("malloc", errno.ENOMEM, ".*"),
]
TLS_STARTS = [
    ("gnutls_priority_init", "--tls-priority: got NORMAL:.*"),
    ("gnutls_load_file", "--tls-(cert|key): .*"),
    ("gnutls_certificate_allocate_credentials",
     "--tls-cert: .*|cannot serve .*"),
    ("gnutls_x509_crt_list_import2", "--tls-(cert|client-ca): .*"),
    ("gnutls_certificate_set_x509_key_mem2", "--tls-key: .*"),
    ("gnutls_certificate_set_x509_trust_file", "--tls-client-ca: .*"),
]


def leave_stale(options):
    """A socket that nobody listens on any more lies where one is to be."""
    path = options[-1].removeprefix("unix:")
    if options[-2] == "--listen" and not os.path.exists(path):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)


def start(plan, options):
    """(did a call fail, what it ends with: "served", or status and text)"""
    leave_stale(options)
    try:
        daemon = Daemon(*options, environment=plan.environment)
    except DidNotStart as error:
        status, text = error.args
        return plan.end(), f"{status}: {text}"
    failed = plan.end()
    return failed, "served" if daemon.stop() == 0 else "ended ill"


def walk_start(tests, name, error, said, options):
    plan, ends = Plan(), collections.Counter()
    for k in range(1, MOST_AT_START):
        plan.fail(name, error, first=k)
        failed, end = start(plan, options)
        if not failed:
            break
        ends[end] += 1
    line = f"softmaxd: ({said})\n" if said else ""
    good = all(said is not None and re.fullmatch(f"1: {line}", end)
               for end in ends if end != "served")
    note(f"a start without {name}", failed=k - 1, ends=dict(ends))
    tests.check(f"a start whose {name} fails ({error})",
                good and end == "served" and k > 1 and
                (set(ends) == {"served"}) == (said is None), str(ends))


def test_starts(tests, folder, cert, key):
    secure = (*THREADS, "--tls-cert", cert, "--tls-key", key,
              "--tls-client-ca", cert)
    tokens = os.path.join(folder, "tokens")
    with open(tokens, "w", encoding="ascii") as file:
        file.write("one\ntwo\n")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        walks = [pool.submit(
            walk_start, tests, name, error, said,
            (*THREADS, "--shared-memory", "--compress", "--log-format", "json",
             "--admin-listen", "127.0.0.1:0", "--token-file", tokens,
             "--listen", f"unix:{folder}/{i}.sock"))
            for i, (name, error, said) in enumerate(STARTS)]
        walks += [pool.submit(walk_start, tests, name, NO_MEMORY, said, secure)
                  for name, said in TLS_STARTS]
    for walk in walks:
        walk.result()


# ---- a request ---------------------------------------------------------------

LARGE = post("/softmax", b'{"logits":[' + b",".join([b"1"] * 40000) + b"]}")
GZIP = post("/softmax", gzip.compress(texts(2000)), "Content-Encoding: gzip",
            "Accept-Encoding: gzip")
BINARY = as_type(v2_binary(20000), b"application/octet-stream")
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED = post("/softmax", b'{"logits":[x' + bytes(1 << 20))
HEAD = b"HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# What is asked, the calls of which one fails, and what may be answered then
# beside the right answer; 0: the connection is closed.
REQUESTS = [
    ("a request", SMALL, (0, 503), [
        ("accept4", errno.EINTR), ("accept4", errno.ECONNABORTED),
        ("accept4", errno.EMFILE), ("epoll_ctl", errno.ENOSPC),
        ("epoll_wait", errno.EINTR), ("recv", errno.ECONNRESET),
        ("send", errno.EPIPE), ("sendmsg", errno.EPIPE),
        ("setsockopt", errno.ENOPROTOOPT), ("getpeername", errno.ENOTCONN),
        ("poll", errno.ENOMEM),
        ("MHD_create_response_from_buffer", 0),
        ("MHD_add_response_header", 0), ("MHD_queue_response", 0)]),
    ("a request without a body", HEAD, (0, 503), [
        ("MHD_create_response_from_callback", 0)]),
    ("a body that is refused", REFUSED, (0, 400), [
        ("epoll_ctl", errno.ENOSPC), ("fcntl", errno.EMFILE)]),
    ("a large answer", LARGE, (0, 503), [
        ("MHD_create_response_from_callback", 0), ("mmap", errno.ENOMEM),
        ("mremap", errno.ENOMEM), ("sendmsg", errno.ECONNRESET),
        ("send", errno.ECONNRESET)]),
    ("binary tensors", BINARY, (0, 503), [
        ("MHD_create_response_from_iovec", 0),
        ("setsockopt", errno.ENOPROTOOPT), ("sendmsg", errno.ECONNRESET)]),
    ("gzip", GZIP, (0, 400, 503), [
        ("inflateInit2_", -4), ("inflate", -4), ("inflate", -3),
        ("deflateInit2_", -4), ("deflate", -2)]),
    ("metrics", METRICS, (0, 503), [
        ("getrusage", errno.EINVAL), ("getrlimit", errno.EINVAL),
        ("fopen", errno.EMFILE), ("opendir", errno.EMFILE),
        ("open_memstream", errno.ENOMEM)]),
]


def ask_anew(daemon, request):
    try:
        with daemon.connect(20) as client:
            client.sendall(request)
            if request != HEAD:
                return read_answer(client)
            head = read_to_end(client)
            return (int(head.split()[1]), b"") if head else None
    except ConnectionError:
        return None


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def walk_request(tests, daemon, plan, what, request, allowed, call):
    name, error = call
    # with a client on this machine, and one that might not be
    right = [ask_anew(daemon, request)]
    plan.fail("getpeername", errno.ENOTCONN, plan=1)
    right.append(ask_anew(daemon, request))
    ends = [(status, body[-8:]) for status, body in right]
    files = open_files(daemon)
    statuses = collections.Counter()
    for k in range(1, MOST + 1):
        plan.fail(name, error, first=k)
        if request == GZIP:
            plan.fail("getpeername", errno.ENOTCONN, plan=1)
        answer = ask_anew(daemon, request)
        reached = plan.end()
        status = answer[0] if answer else 0
        statuses[status] += 1
        good = status in allowed or (status, answer[1][-8:]) in ends
        if not good or not daemon.alive() or not reached:
            break
    after = ask_anew(daemon, SMALL)
    back = until(lambda: open_files(daemon) <= files)
    note(f"{what} without {name}", failed=k if reached else k - 1,
         statuses=dict(statuses))
    tests.check(f"{what} whose {name} fails ({error})",
                good and after == (200, RIGHT) and back and
                until(lambda: daemon.metric("tensor_bytes") == 0),
                f"k = {k}: {str(answer)[:200]}, then {after}, "
                f"{open_files(daemon)} files open, of {files}")


def test_requests(tests, plan):
    with Daemon(*THREADS, "--compress", environment=plan.environment) as daemon:
        for what, request, allowed, calls in REQUESTS:
            for call in calls:
                with tests.part(f"{what} whose {call[0]} fails ({call[1]})"):
                    walk_request(tests, daemon, plan, what, request, allowed,
                                 call)
                if not daemon.alive():
                    return
        tests.check("and it ends well", daemon.stop() == 0)


def test_regions(tests, plan):
    """Each call of a registration fails: a 400 or 503, and the next is good."""
    with Daemon(*THREADS, "--shared-memory", environment=plan.environment) as \
            daemon, tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(bytes(64))
        file.flush()
        body = b'{"key":"/%s","offset":8,"byte_size":16}' % \
            os.path.basename(file.name).encode()
        register = post("/v2/systemsharedmemory/region/a/register", body)
        remove = post("/v2/systemsharedmemory/region/a/unregister", b"")
        files = open_files(daemon)
        for name, error, expected, first in [
                ("shm_open", errno.EMFILE, 400, 1), ("fstat", errno.EIO, 400, 1),
                ("fstat", errno.EIO, 400, 2), ("mmap", errno.ENOMEM, 503, 1)]:
            plan.fail(name, error, first)
            status = ask_anew(daemon, register)[0]
            reached = plan.end()
            good = ask_anew(daemon, register)[0], ask_anew(daemon, remove)[0]
            back = until(lambda: open_files(daemon) <= files)
            tests.check(f"a registration whose {name} {first} fails",
                        reached and status == expected and good == (200, 200)
                        and back, f"{status}, then {good}")


# ---- TLS ---------------------------------------------------------------------

def ask_securely(daemon, context):
    """The answer; None: there is no connection."""
    try:
        with daemon.connect() as plain, context.wrap_socket(plain) as client:
            client.sendall(SMALL)
            return read_answer(client)
    except OSError:
        return None


def test_tls(tests, plan, folder, cert, key):
    """A client whose certificate cannot be looked at gets no TLS; the next one
    does."""
    client_cert, client_key = certificate(folder, "client")
    options = ("--tls-cert", cert, "--tls-key", key, "--tls-client-ca",
               client_cert)
    context = trusting()
    context.load_cert_chain(client_cert, client_key)
    with Daemon(*THREADS, *options, environment=plan.environment) as daemon:
        plan.fail("gnutls_certificate_verify_peers2", NO_MEMORY)
        refused = ask_securely(daemon, context)
        reached = plan.end()
        tests.check("TLS whose gnutls_certificate_verify_peers2 fails",
                    reached and refused is None
                    and ask_securely(daemon, context) == (200, RIGHT),
                    str(refused))
        for name, error in (("gnutls_load_file", NO_MEMORY),
                            ("gnutls_certificate_set_x509_key_mem2",
                             NO_MEMORY)):
            plan.fail(name, error)
            daemon.process.send_signal(signal.SIGHUP)
            said = until(lambda: "reload: all stays as it was" in daemon.text())
            plan.end()
            tests.check(f"a reload whose {name} fails",
                        said and ask_securely(daemon, context) == (200, RIGHT),
                        daemon.text())


def test_tls_memory(tests, plan, cert, key):
    """Each allocation fails that a connection takes before it shakes hands, in
    which GMP would end the process: at worst it is closed."""
    options = ("--tls-cert", cert, "--tls-key", key)
    with Daemon(*THREADS, *options, environment=plan.environment) as daemon:
        def connect():
            """A connection of which nothing is asked; how much it took."""
            with daemon.connect():
                until(lambda: plan.seen() > 2, 1)
                seen = 0
                while seen != (seen := plan.seen()):
                    time.sleep(0.05)
            return seen

        healthy = ask_securely(daemon, trusting()) == (200, RIGHT)
        plan.fail("malloc", errno.ENOMEM, first=MOST_AT_START)
        taken = connect()
        plan.end()
        ends = collections.Counter()
        for k in range(1, taken + 1):
            plan.fail("malloc", errno.ENOMEM, first=k)
            answer = ask_securely(daemon, trusting())
            ends["answered" if answer else "closed"] += 1
            plan.end()
        note("TLS without malloc", ends=dict(ends))
        tests.check("a connection of TLS whose k-th allocation fails",
                    healthy and taken > 2 and ends["closed"] > 0 and
                    ask_securely(daemon, trusting()) == (200, RIGHT),
                    f"{taken}: {ends}")


# ---- the health check --------------------------------------------------------

def test_healthchecks(tests, plan, cert, key):
    def check(address, *options):
        return subprocess.run(
            [PROGRAM, "--healthcheck", address, *options], text=True,
            env={**os.environ, **plan.environment}, capture_output=True,
            timeout=60, check=False)

    def walk(address, calls, *options):
        for name, error in calls:
            plan.fail(name, error, last=100)
            done = check(address, *options)
            plan.end()
            tests.check(f"a health check whose {name} fails",
                        done.returncode == 1 and not done.stdout and
                        done.stderr.startswith(f"softmaxd: {address}: ") and
                        done.stderr.count("\n") == 1, str(done))

    with Daemon(*THREADS) as daemon:
        walk(f"127.0.0.1:{daemon.port}", [
            ("socket", errno.EMFILE), ("connect", errno.ETIMEDOUT),
            ("send", errno.EPIPE), ("recv", errno.EAGAIN),
            ("getaddrinfo", -2)])
    with Daemon(*THREADS, "--tls-cert", cert, "--tls-key", key) as daemon:
        walk(f"https://127.0.0.1:{daemon.port}",
             [(name, NO_MEMORY) for name in (
                 "gnutls_certificate_allocate_credentials", "gnutls_init",
                 "gnutls_set_default_priority", "gnutls_credentials_set",
                 "gnutls_handshake", "gnutls_record_send",
                 "gnutls_record_recv")])


def test_help(tests, plan):
    plan.fail("open_memstream", errno.ENOMEM)
    done = subprocess.run([PROGRAM, "--help"], text=True, capture_output=True,
                          env={**os.environ, **plan.environment}, timeout=60,
                          check=False)
    tests.check("a help whose open_memstream fails", plan.end() and
                done.returncode == 1 and not done.stdout and
                done.stderr == "softmaxd: out of memory\n", str(done))


# ---- the log -----------------------------------------------------------------

def test_log(tests, plan):
    """What is lost is counted, all else is in the log."""
    cases = [("write", errno.EINTR, 1, 0), ("write", errno.EAGAIN, 2, 0),
             ("write", 0, 50, 0), ("write", errno.ENOSPC, 1, 1)]
    for name, error, times, lost in cases:
        with Daemon(*THREADS, environment=plan.environment) as daemon:
            until(lambda: "start: " in daemon.text())
            plan.fail(name, error, last=times, fd=2)
            first = ask_anew(daemon, post("/nowhere", b""))
            until(lambda: plan.seen() >= times)
            reached = plan.end()
            second = ask_anew(daemon, post("/elsewhere", b""))
            until(lambda: "path=\"/elsewhere\"" in daemon.text())
            dropped = daemon.metric("log_lines_dropped_total")
            lines = [line for line in daemon.text().splitlines()
                     if " path=" in line]
            tests.check(f"a log whose {name} fails ({error}, {times} times)",
                        reached and first[0] == second[0] == 404 and
                        dropped == lost and len(lines) == 2 - lost,
                        f"{dropped} dropped of {daemon.text()}")


# ---- what changes nothing ----------------------------------------------------

def test_harmless(tests, plan):
    """What is asked for once a process or thread, before or in its first
    request."""
    for name, error in [("sigwaitinfo", errno.EINTR),
                        ("pthread_key_create", errno.EAGAIN),
                        ("pthread_setspecific", errno.ENOMEM),
                        ("getrandom", errno.ENOSYS)]:
        plan.fail(name, error, last=3)
        with Daemon(*THREADS, environment=plan.environment) as daemon:
            answer = ask_anew(daemon, SMALL)
            until(plan.seen)
            tests.check(f"a first request whose {name} fails",
                        plan.end() and answer == ask_anew(daemon, SMALL) ==
                        (200, RIGHT) and daemon.stop() == 0, str(answer))


def main():
    tests = Tests()
    if not os.path.exists(PRELOAD):
        tests.skip("failing calls", f"no {PRELOAD}")
        tests.end()
    plan = Plan()
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        tests.run(test_starts, folder, cert, key)
        tests.run(test_requests, plan)
        tests.run(test_regions, plan)
        tests.run(test_tls, plan, folder, cert, key)
        tests.run(test_tls_memory, plan, cert, key)
        tests.run(test_healthchecks, plan, cert, key)
        tests.run(test_help, plan)
        tests.run(test_log, plan)
        tests.run(test_harmless, plan)
    tests.end()


if __name__ == "__main__":
    main()
