#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions of a small request: user mode, counted by callgrind, so that no
clock is asked. Requests of ten logits on one kept-alive connection, the
difference of two runs divided by the requests between them; memset, with which
libmicrohttpd clears a connection's memory, apart. Beside them a bare echo over
the same library.

usage: bench_request.py SOFTMAXD PEER_ECHO [OUT.json]
  FUNCTIONS=30  show that many functions and what each costs
  PATHS=/loss   only these of /softmax, /loss and /gradient
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

FEW, MANY = 1000, 3000
TIMEOUT = 120
LOGITS = '"logits":[0.12,2.53,-1.25,3.11,0.72,1.45,-4.01,5.55,0.33,1.08]'
BODIES = {'/softmax': '{%s}' % LOGITS,
          '/loss': '{%s,"labels":3}' % LOGITS,
          '/gradient': '{%s,"labels":3}' % LOGITS}
PATHS = os.environ.get('PATHS', ' '.join(BODIES)).split()
SOFTMAXD = ['--listen=127.0.0.1:0', '--io-threads=1', '--compute-threads=1',
            '--isa=avx2']


def request(path):
    body = BODIES[path]
    return (f'POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n'
            'Content-Type: application/json\r\n'
            f'Content-Length: {len(body)}\r\n\r\n{body}').encode()


def read_answer(stream):
    """One answer; its body's length is told."""
    assert stream.readline().startswith(b'HTTP/1.1 200 ')
    length = None
    while (line := stream.readline()) != b'\r\n':
        name, value = line.split(b':', 1)
        if name.lower() == b'content-length':
            length = int(value)
    stream.read(length)


def ask(port, path, count):
    with socket.create_connection(('127.0.0.1', port), TIMEOUT) as connection:
        stream = connection.makefile('rb')
        sent = request(path)
        for _ in range(count):
            connection.sendall(sent)
            read_answer(stream)


def run(command, port_pattern, path, count, out):
    """Serve that many requests under callgrind."""
    process = subprocess.Popen(
        ['valgrind', '--quiet', '--tool=callgrind',
         '--callgrind-out-file=' + out, *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        ask(int(re.search(port_pattern, line).group(1)), path, count)
        process.stdin.close()
        if port_pattern.startswith(':'):
            process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()


def costs(out):
    """Instructions by function, its callees left out."""
    names, functions, here, called = {}, {}, None, False
    with open(out, encoding='utf-8') as file:
        for line in file:
            if match := re.match(r'fn=\((\d+)\)(?: (.*))?', line):
                here = names.setdefault(match.group(1), match.group(2))
            elif match := re.match(r'c?fn=\((\d+)\) (.*)', line):
                names.setdefault(match.group(1), match.group(2))
            elif line.startswith('calls='):
                called = True  # the next line is what the callee took
            elif match := re.match(r'[+*-]?\d* (\d+)$', line):
                if not called:
                    functions[here] = (functions.get(here, 0) +
                                       int(match.group(1)))
                called = False
    return functions


def measure(command, port_pattern, path):
    """Instructions a request, without memset's; memset's; by function."""
    counted = []
    with tempfile.TemporaryDirectory() as folder:
        for count in FEW, MANY:
            out = os.path.join(folder, 'callgrind.out')
            run(command, port_pattern, path, count, out)
            counted.append(costs(out))
    functions = {name: (many - counted[0].get(name, 0)) / (MANY - FEW)
                 for name, many in counted[1].items()}
    cleared = sum(n for name, n in functions.items() if 'memset' in name)
    return sum(functions.values()) - cleared, cleared, functions


def show(functions):
    shown = int(os.environ.get('FUNCTIONS', '0'))
    for name, count in sorted(functions.items(), key=lambda f: -f[1])[:shown]:
        print(f'{count:9.0f}  {name}')


def main(softmaxd, echo, out=None):
    peer, cleared, _ = measure([echo, '1'], r'(\d+)', '/softmax')
    print(f'bare echo {peer:7.0f} instructions a request, memset {cleared:.0f}')
    counted = {'echo': round(peer)}
    for path in PATHS:
        ours, cleared, functions = measure([softmaxd, *SOFTMAXD], r':(\d+) ',
                                           path)
        show(functions)
        print(f'{path:9} {ours:7.0f} instructions a request, memset '
              f'{cleared:.0f}: {ours / peer:.2f} times the echo')
        counted[path] = round(ours)
    if out:
        with open(out, 'w', encoding='utf-8') as file:
            json.dump(counted, file)
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
