#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Walk openapi.yaml: provoke every path x method x status that it documents.

Each answer must have a documented media type and the documented headers and,
where it is JSON, fit its schema; each example of a request must fit its schema
and be answered as the example of the same name says; each example of an error
must be what the daemon says somewhere.
"""
import contextlib
import json
from multiprocessing import shared_memory
import os
import re
import socket
import signal
import sys
import tempfile

import jsonschema
import yaml

from daemon import Daemon, Tests
from strict import strict

JSON = {"Content-Type": "application/json"}
# Answers that differ from call to call.
SHOWN_AS_A_SHAPE = ("StatisticsResult",)
# What the examples of shared memory register.
OBJECT, SHARED = "logits_of_somebody", "/v2/systemsharedmemory"
METHODS = ("get", "post", "put", "delete")
MODEL = "models/softmax/"  # that of the parameter's example
MODELS = ("softmax", "log_softmax", "loss", "gradient")


def shared_object():
    """That of the examples; another run of this may have made it."""
    try:
        return shared_memory.SharedMemory(OBJECT, True, 4096)
    except FileExistsError:
        return shared_memory.SharedMemory(OBJECT)


class Daemons:
    """One daemon for each way to refuse."""

    def __enter__(self):
        tokens = tempfile.NamedTemporaryFile("w", delete=False)
        tokens.write("right\n")
        tokens.close()
        self.tokens = tokens.name
        self.all = {
            "plain": Daemon(),
            "small": Daemon("--max-body", "48"),
            "busy": Daemon("--max-in-flight", "1"),
            "hasty": Daemon("--request-timeout", "1"),
            "locked": Daemon("--token-file", tokens.name),
            "leaving": Daemon("--drain-delay", "3600"),
            "shared": Daemon("--shared-memory"),
        }
        self.object = shared_object()
        self.held = occupy(self.busy)
        return self

    def __exit__(self, *_):
        self.held.close()
        for daemon in self.all.values():
            if daemon is self.all["leaving"]:
                daemon.stop(signal.SIGKILL)
            else:
                daemon.__exit__()
        os.unlink(self.tokens)
        self.object.close()
        with contextlib.suppress(FileNotFoundError):
            self.object.unlink()

    def __getattr__(self, name):
        return self.all[name]


def occupy(daemon):
    """A connection whose request the daemon has begun and waits for."""
    client = socket.create_connection(("127.0.0.1", daemon.port), 20)
    client.sendall(b"POST /softmax HTTP/1.1\r\nHost: x\r\n"
                   b"Content-Type: application/json\r\n"
                   b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    if b"100 Continue" not in client.recv(65536):
        raise RuntimeError("the daemon did not begin the request")
    return client


def slow(daemon, method, path):
    """Headers and half a body, then wait for what the daemon says."""
    with socket.create_connection(("127.0.0.1", daemon.port), 20) as client:
        client.sendall(f"{method.upper()} {path} HTTP/1.1\r\nHost: x\r\n"
                       "Content-Type: application/json\r\n"
                       "Content-Length: 100\r\n\r\n{".encode())
        text = b""
        while True:
            more = client.recv(65536)
            if not more:
                break
            text += more
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def ask_shared(daemon, verb, path, body):
    """With the region of the path registered, if not by this request."""
    shared_object().close()  # another run of this may have unlinked it
    daemon.ask("POST", f"{SHARED}/unregister")
    if not path.endswith("/register"):
        daemon.ask("POST", f"{SHARED}/region/logits/register", json.dumps(
            {"key": OBJECT, "offset": 0, "byte_size": 4096}), JSON)
    return daemon.ask(verb, path, body, JSON)


def provoke(daemons, method, path, status, good):
    """An answer with that status; None: nobody knows how to provoke it."""
    d = daemons
    verb = method.upper()
    body = json.dumps(good) if good is not None else None
    ways = {
        200: lambda: d.plain.ask(verb, path, body, JSON),
        400: lambda: d.plain.ask(verb, path, "{", JSON),
        401: lambda: d.locked.ask(verb, path, body, JSON),
        405: lambda: d.plain.ask("DELETE", path),
        404: lambda: d.plain.ask(verb, path.replace("softmax", "none"), body,
                                 JSON),
        406: lambda: d.plain.ask(verb, path, body,
                                 {**JSON, "Accept": "image/png"}),
        408: lambda: slow(d.hasty, method, path),
        413: lambda: d.small.ask(verb, path, body + " " * 48, JSON),
        415: lambda: d.plain.ask(verb, path, body,
                                 {"Content-Type": "text/csv",
                                  "Content-Encoding": "br"}),
        422: lambda: d.plain.ask(verb, path, "{}", JSON),
        503: lambda: d.busy.ask(verb, path, body, JSON),
    }
    if path.endswith(("/readyz", "/ready")) and status == 503:
        return d.leaving.ask(verb, path)
    if path.startswith(SHARED):
        ways[200] = lambda: ask_shared(d.shared, verb, path, body)
        ways[400] = lambda: ask_shared(d.shared, verb, path, "{")
        ways[404] = lambda: ask_shared(
            d.shared, verb, path.replace("logits", "none"), body)
        ways[501] = lambda: d.plain.ask(verb, path, body, JSON)
    return ways[status]() if status in ways else None


class Schemas:
    """Validates against the schemas of one document."""

    def __init__(self, document):
        self.document = strict(document)

    def follow(self, node):
        while "$ref" in node:
            target = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def fault(self, value, schema):
        """What is wrong, in a sentence; None: nothing."""
        schema = {**schema, "components": self.document["components"]}
        errors = jsonschema.Draft202012Validator(schema).iter_errors(value)
        worst = jsonschema.exceptions.best_match(errors)
        return worst and f"{worst.json_path}: {worst.message[:500]}"


def media_fault(schemas, response, headers, body):
    """Is the answer of a type, and in a form, that is documented?"""
    content = response.get("content", {"": None})
    kind = headers.get("Content-Type", "").split(";")[0]
    if kind not in content:
        return f"Content-Type {kind!r} is not documented"
    for name, header in response["headers"].items():
        if name not in headers:
            return f"header {name} is missing"
        schema = schemas.follow(header)["schema"]
        text = headers[name]
        fault = schemas.fault(
            int(text) if schema["type"] == "integer" else text, schema)
        if fault:
            return f"header {name}: {fault}"
    if not kind.endswith("json"):
        return None
    return schemas.fault(json.loads(body), content[kind]["schema"])


class Walk:
    def __init__(self, document, daemons, tests):
        self.schemas = Schemas(document)
        self.document = document
        self.daemons = daemons
        self.tests = tests
        self.said = []  # the bodies that were answered

    def resolve(self, path, item):
        """The path with its parameters' examples."""
        for parameter in map(self.schemas.follow, item.get("parameters", [])):
            path = path.replace(f"{{{parameter['name']}}}",
                                parameter["example"])
        return path

    def query(self, path, operation):
        """The parameters in the query are the names that the daemon takes."""
        listed = [parameter["name"] for parameter in
                  map(self.schemas.follow, operation.get("parameters", []))
                  if parameter["in"] == "query"]
        if not path.endswith(("/softmax", "/loss", "/gradient", "/infer")):
            return
        taken = set()
        for model in MODELS if MODEL in path else [""]:
            body = self.daemons.plain.ask(
                "POST", path.replace(MODEL, f"models/{model}/") + "?nope=1",
                "{}", JSON)[2].decode()
            names = re.search(r"must be one of ([a-z_, ]+)", body)
            taken.update(names.group(1).split(", ") if names else [body])
        self.tests.check(f"post {path}: query", sorted(listed) == sorted(taken),
                         f"listed {listed}, taken {taken}")

    def operation(self, path, method, operation):
        follow = self.schemas.follow
        if method == "post":
            self.query(path, operation)
        media = follow(operation.get("requestBody", {})) \
            .get("content", {}).get("application/json", {})
        examples = media.get("examples", {})
        good = next((e["value"] for e in examples.values()), None)
        for status, response in operation["responses"].items():
            name = f"{method} {path} {status}"
            with self.tests.part(name):
                answer = provoke(self.daemons, method, path, int(status), good)
                self.status(name, int(status), follow(response), answer)
        answers = follow(operation["responses"]["200"]).get("content")
        for name, example in examples.items() if answers else ():
            with self.tests.part(f"{method} {path}: {name}"):
                self.example(f"{method} {path}", example["value"],
                             media["schema"], answers["application/json"],
                             name)

    def status(self, name, status, response, answer):
        if answer is None:
            self.tests.check(name, False, "nobody provokes this status")
            return
        got, headers, body = answer
        fault = None if got == status else f"got {got} {body[:300]}"
        fault = fault or media_fault(self.schemas, response, headers, body)
        self.tests.check(name, not fault, fault)
        self.said.append(body)

    def example(self, operation, value, schema, media, name):
        method, path = operation.split()
        status, _, body = self.daemons.plain.ask(
            method.upper(), path, json.dumps(value), JSON)
        self.said.append(body)
        fault = self.schemas.fault(value, schema)
        if not fault and status != 200:
            fault = f"got {status} {body[:300]}"
        answer = json.loads(body)
        fault = fault or self.schemas.fault(answer, media["schema"])
        shown = media["examples"].get(name, {}).get("value")
        if not fault and shown != answer:
            fault = f"got {answer}, shown is {shown}"
        self.tests.check(f"{operation}: {name}", not fault, fault)

    def examples(self):
        """Each example of a shared response is what somebody was answered."""
        self.said.append(self.daemons.plain.ask(
            "POST", "/loss", json.dumps({"logits": [[1, 2, 3], [1, 2, 3]],
                                         "labels": [0, 7]}), JSON)[2])
        said = [json.loads(body) for body in self.said
                if body.startswith((b"{", b"["))]
        for name, response in self.document["components"]["responses"].items():
            media = next(iter(response["content"].values()))
            fault = self.schemas.fault
            for title, example in media["examples"].items():
                value = example["value"]
                good = value in said or (name in SHOWN_AS_A_SHAPE and
                                         not fault(value, media["schema"]))
                self.tests.check(f"{name}: {title}", good,
                                 f"nobody was answered {value}")


def main():
    tests = Tests()
    with open("openapi.yaml", encoding="utf-8") as file:
        document = yaml.safe_load(file)
    with Daemons() as daemons:
        daemons.leaving.terminate()
        walk = Walk(document, daemons, tests)
        for path, item in document["paths"].items():
            path = walk.resolve(path, item)
            for method in METHODS:
                if method in item:
                    with tests.part(f"{method} {path}"):
                        walk.operation(path, method, item[method])
        with tests.part("examples"):
            walk.examples()
        with tests.part("served as it stands"), \
                open("openapi.yaml", "rb") as file:
            served = daemons.plain.ask("GET", "/openapi.yaml")[2]
            tests.check("served as it stands", served == file.read())
        with tests.part("the same as JSON"):
            served = json.loads(daemons.plain.ask("GET", "/openapi.json")[2])
            tests.check("the same as JSON", served == document)
    return tests.failed > 0


sys.exit(main())
