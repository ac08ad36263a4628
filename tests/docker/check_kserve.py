#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold KServe's kinds to the models of its SDK: members, types, what must be.

The SDK generates one class a type from KServe's OpenAPI document; they are read,
not imported, since importing wants all that KServe serves with. What belongs to
a pod is held to Kubernetes' own schema by kubernetes-validate.
usage: check_kserve.py FILE...  (with kserve and kubernetes-validate installed)
"""
import ast
import importlib.util
import pathlib
import re
import sys

import kubernetes_validate
import yaml

MODELS = pathlib.Path(
    importlib.util.find_spec("kserve").submodule_search_locations[0], "models")
KINDS = {"serving.kserve.io/v1alpha1": "V1alpha1",
         "serving.kserve.io/v1beta1": "V1beta1"}
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}
KUBERNETES = "1.37"


def model(name):
    """{member: type} and the required members of a class, or None."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_",
                   name)
    file = MODELS / f"{words.lower()}.py"
    if not file.exists():
        return None
    text = file.read_text()
    found = {
        target.id: ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
        and target.id in ("openapi_types", "attribute_map")}
    names = found["attribute_map"]
    required = re.findall(r"Invalid value for `(\w+)`, must not be `None`",
                          text)
    return ({names[k]: v for k, v in found["openapi_types"].items()},
            {names[k] for k in required})


def check(value, kind, where):
    """Complaints about a value that should be of a type of the SDK."""
    if kind.startswith("list["):
        if not isinstance(value, list):
            return [f"{where}: got {value!r}, must be a list"]
        return [text for i, v in enumerate(value)
                for text in check(v, kind[5:-1], f"{where}[{i}]")]
    if kind.startswith("dict("):
        inner = kind[5:-1].split(", ")[1]
        return [text for k, v in value.items()
                for text in check(v, inner, f"{where}.{k}")]
    if kind in SCALARS:
        fits = isinstance(value, SCALARS[kind]) and (
            kind == "bool" or not isinstance(value, bool))
        return [] if fits else [f"{where}: got {value!r}, must be {kind}"]
    known = model(kind)
    if known is None:  # a type of Kubernetes: see pod()
        return []
    types, required = known
    complaints = [f"{where}.{k}: got nothing, must be there"
                  for k in required - set(value)]
    for member, v in value.items():
        if member not in types:
            complaints.append(f"{where}.{member}: no such member of {kind}")
        else:
            complaints += check(v, types[member], f"{where}.{member}")
    return complaints


def pod(document):
    """Complaints of Kubernetes about the containers and the metadata."""
    containers = document["spec"].get("containers")
    if not containers:
        containers = [{"name": "none"}]
    try:
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": document["metadata"],
             "spec": {"containers": containers}}, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


def main():
    failed = False
    for file in sys.argv[1:]:
        for document in yaml.safe_load_all(open(file)):
            kind = document["kind"]
            complaints = check(document, KINDS[document["apiVersion"]] + kind,
                               kind) + pod(document)
            failed |= bool(complaints)
            print(*complaints, sep="\n", end="\n" if complaints else "")
            print("[  FAILED  ]" if complaints else "[       OK ]",
                  f"{file}: {kind}")
    return failed


sys.exit(main())
