# SPDX-License-Identifier: MIT
"""openapi.yaml as OpenAPI 3.0.3 in JSON, for what reads nothing newer.

usage: downgrade.py openapi.yaml >openapi-3.0.3.json

What /v2 and NumPy's files need is left out: more than one media type in a body
or an answer is beyond such generators, too.
"""
import json
import sys

import yaml

BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def media(content):
    """Its JSON, under the one name by which they know it, else the first."""
    for name in content:
        if name.endswith("json"):
            return {"application/json": older(content[name])}
    name = next(iter(content))
    return {name: older(content[name])}


def older(node):
    if isinstance(node, list):
        return [older(value) for value in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:  # 3.0 allows nothing beside it
        return {"$ref": node["$ref"]}
    made = {}
    for name, value in node.items():
        if name == "content":
            made[name] = media(value)
        elif name in BOUNDS and isinstance(value, (int, float)):
            made[BOUNDS[name]], made[name] = value, True
        elif name != "examples":
            made[name] = older(value)
    return made


def downgrade(document):
    made = older(document)
    made["openapi"] = "3.0.3"
    made["info"].pop("summary")
    made["info"]["license"].pop("identifier")
    made["paths"] = {path: item for path, item in made["paths"].items()
                     if not path.startswith("/v2")}
    return made


def main(path):
    with open(path, encoding="utf-8") as file:
        json.dump(downgrade(yaml.safe_load(file)), sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
