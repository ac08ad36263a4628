#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A dictionary for libFuzzer: the words of openapi.yaml, and numbers at edges.

usage: dictionary.py openapi.json >FILE
"""
import json
import sys

MARKS = ["[", "]", "{", "}", ",", ":", '":', '{"', '["', "]]", "[[", "\\u0000",
         "\\ud800", "e-", "E+", "00"]
NUMBERS = ["0", "-0", "1e-45", "1e38", "3.4028236e38", "1e308", "1e309", "0.1",
           "16777217", "9007199254740993", "9223372036854775808", "-100",
           "2.2250738585072011e-308", "7.038531e-26", "0.000000000000000000001"]
WORDS = ["-Infinity", "-inf", "Infinity", "NaN", "null", "true", "false",
         "FP16", "BF16", "FP32", "FP64", "INT32", "INT64", "BOOL", "UINT8",
         "BYTES", "binary_data_size", "binary_data", "binary_data_output",
         "float16", "bfloat16", "shared_memory_region", "shared_memory_offset",
         "shared_memory_byte_size", "key", "offset", "byte_size", "base64"]
# Of NumPy's files, without quotes around them, and of base64.
BARE = ["'descr': ", "'fortran_order': ", "'shape': ", "'<f4'", "'<f8'", "'<f2'",
        "'>f4'", "'|O'", "[('a', '<f4')]", "True", "False", "()", "(2,)",
        "(1, 2)", "4294967296", "==", "QQ==", "+/+/"]


def words(node):
    """Names of members and values of enums, wherever they stand."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.get("enum", []) if isinstance(
                node.get("enum"), list) else []:
            if isinstance(value, str):
                yield value
        for value in node.values():
            yield from words(value)
    elif isinstance(node, list):
        for value in node:
            yield from words(value)


def main(path):
    with open(path, encoding="utf-8") as file:
        found = sorted({*words(json.load(file)), *WORDS})
    for token in MARKS + NUMBERS + BARE + [f'"{word}"' for word in found]:
        print(json.dumps(token))


if __name__ == "__main__":
    main(sys.argv[1])
