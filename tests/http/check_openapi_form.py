#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openapi.yaml keeps the form that code generators can work with.

Each rule stands for a generator that made a client which did not compile or
did not work (make check-generators tries them all).
"""
import sys

import yaml

from daemon import Tests

METHODS = ("get", "post", "put", "delete", "patch", "head", "options")
# Names of types that some language has already.
TAKEN = {"any", "array", "boolean", "double", "error", "float", "function",
         "integer", "list", "long", "map", "number", "object", "option",
         "result", "string", "symbol", "type", "version"}
FORMATS = {"number": {"float", "double"}, "integer": {"int32", "int64"}}


def nodes(node, path=""):
    """(path, mapping) of each mapping outside of examples."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in ("examples", "example"):
                yield from nodes(value, f"{path}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nodes(value, f"{path}/{i}")


def is_schema(path, node):
    return ("/schemas/" in path or "/schema" in path) and \
        not path.endswith("/properties") and path != "/components/schemas"


def schema_fault(path, node):
    kind = node.get("type")
    if isinstance(kind, list):
        return "more than one type"
    if ("enum" in node or "const" in node) and kind is None:
        return "an enum or a const without its type"
    if kind in FORMATS and node.get("format") not in FORMATS[kind]:
        return f"{kind} without its format"
    if kind == "array" and "items" not in node:
        return "an array without items"
    if "default" in node:
        return "a default makes the member a required one"
    mixed = {"allOf", "oneOf", "anyOf", "unevaluatedProperties", "not"} & \
        node.keys()
    return f"{mixed}" if mixed else None


def references(node):
    return {part["$ref"] for _, part in nodes(node) if "$ref" in part}


def recursive(name, schemas):
    seen, open_names = set(), [name]
    while open_names:
        for target in references(schemas[open_names.pop()]):
            other = target.rsplit("/", 1)[1]
            if other == name:
                return True
            if other not in seen:
                seen.add(other)
                open_names.append(other)
    return False


def operation_faults(document):
    seen = set()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            name = item[method].get("operationId")
            if not name or name in seen:
                yield f"{method} {path}: operationId {name}"
            seen.add(name)


def component_faults(document):
    components = document["components"]
    names = [(name.lower(), kind) for kind in components
             for name in components[kind] if kind != "headers"]
    for name, kind in names:
        if name in TAKEN:
            yield f"{kind}/{name}: a type's name"
        if [other for other, _ in names].count(name) > 1:
            yield f"{kind}/{name}: two components of one name"
    for name in components["schemas"]:
        if recursive(name, components["schemas"]):
            yield f"schemas/{name}: holds itself"


def media_faults(document):
    for path, node in nodes(document):
        if not path.endswith("/content"):
            continue
        for kind, media in node.items():
            if "schema" not in media:
                yield f"{path}/{kind}: no schema"
            if kind.endswith("json") and "examples" not in media and \
                    "openapi.json" not in path:
                yield f"{path}/{kind}: no example"


def main():
    tests = Tests()
    with open("openapi.yaml", encoding="utf-8") as file:
        document = yaml.safe_load(file)
    for name, faults in (
            ("operations have names", operation_faults(document)),
            ("components have names of their own", component_faults(document)),
            ("media types have schemas and examples", media_faults(document)),
            ("schemas are plain", (
                f"{path}: {fault}" for path, node in nodes(document)
                if is_schema(path, node)
                and (fault := schema_fault(path, node))))):
        faults = list(faults)
        tests.check(name, not faults, "\n".join(faults))
    return tests.failed > 0


sys.exit(main())
