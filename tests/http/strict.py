# SPDX-License-Identifier: MIT
"""What openapi.yaml says in words alone, as schemas.

Code generators fail on recursive schemas, on alternatives of required members
and on answers that may not grow, and they wrap what may be null. The document
leaves these out; the tests that hold the daemon to it put them back.
"""
import copy

ANSWERS = ("SoftmaxAnswer", "LossAnswer", "GradientAnswer", "Health",
           "VersionInfo", "Limits", "Problem", "ProtocolError",
           "ServerMetadata", "ProtocolHealth", "ModelList", "RepositoryModel",
           "TensorMetadata", "ModelMetadata", "StatisticsAnswer",
           "InferenceAnswer", "RegionStatus")
REQUESTS = ("SoftmaxRequest", "LossRequest", "GradientRequest")

NUMBER = {"oneOf": [{"type": "number"}, {"enum": ["-Infinity", "Infinity"]}]}
ELEMENTS = {"Tensor": NUMBER, "IntegerTensor": {"type": "integer"},
            "BooleanTensor": {"type": "boolean"}}
DTYPES = {"Tensor": ["float32", "float64", "float16", "bfloat16"],
          "IntegerTensor": ["int64", "int32"], "BooleanTensor": ["bool"]}
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==|[A-Za-z0-9+/]=))?$"
PER_ROW = {"NumberPerRow": "Tensor", "IntegerPerRow": "IntegerTensor"}


def reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


def encoded(dtypes):
    """A tensor in base64."""
    size = {"type": "integer", "minimum": 0}
    return {"type": "object", "required": ["base64", "dtype", "shape"],
            "properties": {
                "base64": {"type": "string", "pattern": BASE64},
                "dtype": {"enum": dtypes},
                "shape": {"type": "array", "items": size, "maxItems": 9}},
            "additionalProperties": False}


def nest(schemas):
    """Tensors hold elements or rows of them, or are encoded."""
    for name, element in ELEMENTS.items():
        rows = f"{name}Rows"
        schemas[rows] = {**schemas[name],
                         "items": {"anyOf": [element, reference(rows)]}}
        schemas[name] = {"anyOf": [reference(rows), encoded(DTYPES[name])]}
    schemas["Weights"] = {"anyOf": [schemas["Weights"],
                                    encoded(DTYPES["Tensor"])]}
    for name, tensor in PER_ROW.items():
        schemas[name]["anyOf"] = [ELEMENTS[tensor], reference(tensor)]


def close(schemas):
    """Answers have no other members than those listed."""
    for name in ANSWERS:
        schemas[name]["additionalProperties"] = False


def choose(schemas):
    """A loss has labels, targets or a teacher; an optional member may be null."""
    for name in (*REQUESTS, "RepositoryIndexRequest"):
        schema = schemas[name]
        required = set(schema.get("required", ()))
        for member in schema["properties"].keys() - required:
            schema["properties"][member] = {
                "anyOf": [schema["properties"][member], {"type": "null"}]}
    given = [{"required": [member],
              "properties": {member: {"not": {"type": "null"}}}}
             for member in ("labels", "targets", "teacher")]
    schemas["LossRequest"]["oneOf"] = given


def strict(document):
    """A copy of the document that says all of it."""
    document = copy.deepcopy(document)  # YAML aliases stay shared: harmless
    schemas = document["components"]["schemas"]
    nest(schemas)
    close(schemas)
    choose(schemas)
    return document
