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


def alias_faults(text):
    """SnakeYAML reads no more of them."""
    count = sum(isinstance(event, yaml.AliasEvent)
                for event in yaml.parse(text))
    if count > 50:
        yield f"{count} aliases, at most 50 are read"


def media_faults(document):
    for path, node in nodes(document):
        if not path.endswith("/content"):
            continue
        for kind, media in node.items():
            if "schema" not in media:
                yield f"{path}/{kind}: no schema"
            if "/responses/" in path and len(node) > 1 and "/v2" not in path \
                    and "/components/" not in path:
                yield f"{path}: answers of more than one type"
            if kind.endswith("json") and "examples" not in media and \
                    "openapi.json" not in path:
                yield f"{path}/{kind}: no example"


def follow(document, node):
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[2:]
        node = document["components"][kind][name]
    return node


def query_faults(document):
    """A parameter in the query has the schema of the body's member."""
    for path in ("/softmax", "/loss", "/gradient"):
        operation = document["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        members = follow(document, body["schema"])["properties"]
        for parameter in operation["parameters"]:
            parameter = follow(document, parameter)
            name, schema = parameter["name"], {**members[parameter["name"]]}
            given = {**parameter["schema"]}
            for either in (schema, given):
                either.pop("description", None)
            if given != schema:
                yield f"{path}: {name}: {given}, not {schema}"


def main():
    tests = Tests()
    with open("openapi.yaml", encoding="utf-8") as file:
        text = file.read()
    document = yaml.safe_load(text)
    for name, faults in (
            ("its aliases are few", alias_faults(text)),
            ("operations have names", operation_faults(document)),
            ("components have names of their own", component_faults(document)),
            ("media types have schemas and examples", media_faults(document)),
            ("the query is as the body", query_faults(document)),
            ("schemas are plain", (
                f"{path}: {fault}" for path, node in nodes(document)
                if is_schema(path, node)
                and (fault := schema_fault(path, node))))):
        faults = list(faults)
        tests.check(name, not faults, "\n".join(faults))
    return tests.failed > 0


sys.exit(main())
