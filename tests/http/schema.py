# SPDX-License-Identifier: MIT
"""The part of JSON Schema 2020-12 that openapi.yaml uses."""

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and
    not isinstance(v, bool),
    "integer": lambda v: isinstance(v, (int, float)) and
    not isinstance(v, bool) and v == int(v),
}
KNOWN = {"type", "enum", "const", "minimum", "maximum", "exclusiveMinimum",
         "items", "properties", "required", "additionalProperties",
         "unevaluatedProperties", "allOf", "anyOf", "oneOf", "$ref",
         "description", "default", "format", "examples", "title"}


class Schemas:
    """Validates against the schemas of one document."""

    def __init__(self, document):
        self.document = document

    def follow(self, node):
        while isinstance(node, dict) and "$ref" in node and len(node) == 1:
            target = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def fault(self, value, schema, at=""):
        """What is wrong, in a sentence; None: nothing."""
        unknown = set(schema) - KNOWN
        if unknown:
            return f"{at}: this validator does not know {unknown}"
        for check in (self.plain, self.combined, self.array, self.object):
            wrong = check(value, schema, at)
            if wrong:
                return wrong
        return None

    def plain(self, value, schema, at):
        if "type" in schema and not TYPES[schema["type"]](value):
            return f"{at}: {value!r} is no {schema['type']}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{at}: {value!r} is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            return f"{at}: {value!r} is not {schema['const']!r}"
        if TYPES["number"](value):
            if value < schema.get("minimum", value) or \
               value > schema.get("maximum", value) or \
               value <= schema.get("exclusiveMinimum", value - 1):
                return f"{at}: {value!r} is out of range"
        return None

    def combined(self, value, schema, at):
        if "$ref" in schema:
            wrong = self.fault(value, self.follow({"$ref": schema["$ref"]}),
                               at)
            if wrong:
                return wrong
        for part in schema.get("allOf", []):
            wrong = self.fault(value, part, at)
            if wrong:
                return wrong
        for key, fits in (("anyOf", lambda n: n > 0),
                          ("oneOf", lambda n: n == 1)):
            if key in schema:
                faults = [self.fault(value, part, at) for part in schema[key]]
                if not fits(faults.count(None)):
                    return f"{at}: {key} {faults}"
        return None

    def array(self, value, schema, at):
        if isinstance(value, list) and "items" in schema:
            for i, element in enumerate(value):
                wrong = self.fault(element, schema["items"], f"{at}/{i}")
                if wrong:
                    return wrong
        return None

    def known_properties(self, schema):
        """Names that a schema and its parts speak of."""
        schema = self.follow(schema)
        names = set(schema.get("properties", {}))
        for part in schema.get("allOf", []) + schema.get("oneOf", []):
            names |= self.known_properties(part)
        return names

    def object(self, value, schema, at):
        if not isinstance(value, dict):
            return None
        missing = set(schema.get("required", [])) - set(value)
        if missing:
            return f"{at}: {missing} missing"
        for name, part in schema.get("properties", {}).items():
            wrong = name in value and \
                self.fault(value[name], part, f"{at}/{name}")
            if wrong:
                return wrong
        strict = schema.get("unevaluatedProperties") is False or \
            schema.get("additionalProperties") is False
        extra = set(value) - self.known_properties(schema)
        if strict and extra:
            return f"{at}: {extra} unknown"
        return None
