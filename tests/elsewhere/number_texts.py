# SPDX-License-Identifier: MIT
"""Number texts of other parsers' tests, read back exactly.

The log-sum-exp of a row of one class is its logit, so the answer is what was
read. The value must be the nearest of its dtype by exact fractions, in both
dtypes and both signs. Beyond the largest number, a positive text is refused
and a negative one is minus infinity.
"""
import fractions
import glob
import json
import os
import re
import test

import numpy as np

# Rust's tests have them in quotation marks or bare, Python's one a line.
NUMBER = re.compile(r"(?<![\w.+])(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?"
                    r"(?![\w.])")
CRATES = ("fast-float", "fast-float2", "minimal-lexical",
          "lexical-parse-float", "ryu")
LONGEST_EXPONENT = 5
ROWS_A_REQUEST = 500


def texts(folder):
    files = [path for crate in CRATES for path in sorted(glob.glob(os.path.join(
        folder, "crates", "vendor", crate, "tests", "**", "*.rs"),
        recursive=True))]
    # not every Python comes with its tests
    files += glob.glob(os.path.join(os.path.dirname(test.__file__),
                                    "floating_points.txt"))
    found = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            for text in NUMBER.findall(file.read().replace("_", "")):
                # an exact fraction of 10^99999 is no more than a wait
                if len(text.lower().rpartition("e")[2]) <= LONGEST_EXPONENT or \
                        "e" not in text.lower():
                    found[text] = None
    return list(found)


def nearest(text, dtype):
    """The value of the dtype nearest to the text, ties to even."""
    if dtype == np.float64 or text == "-Infinity":
        return np.float64(float(text))
    if text[0] == "-":
        return -nearest(text[1:], dtype)
    exact = fractions.Fraction(text)
    with np.errstate(over="ignore"):
        guess = np.float32(float(text))
    if np.isinf(guess):
        edge = fractions.Fraction(2) ** 128 - fractions.Fraction(2) ** 103
        return guess if exact >= edge else np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        near = [np.nextafter(guess, np.float32(way)) for way in
                (-np.inf, np.inf)] + [guess]
    near = [value for value in near if np.isfinite(value)]
    return min(near, key=lambda value: (
        abs(fractions.Fraction(float(value)) - exact),
        int(value.view(np.uint32)) & 1))


def read_back(remote, lines, dtype):
    """What the daemon read of each text, one to a row."""
    body = '{"dtype":"%s","include":["logsumexp"],"logits":[%s]}' % (
        np.dtype(dtype), ",".join(f"[{text}]" for text in lines))
    status, _, answer = remote.post("/softmax", body.encode(),
                                    {"Content-Type": "application/json"})
    assert status == 200, (status, answer[:500])
    # by way of text: through a double they would be rounded twice
    rows = json.loads(answer, parse_float=str, parse_int=str)["logsumexp"]
    return [nearest(text, dtype) for text in rows]


def refused(remote, text, dtype):
    body = f'{{"dtype":"{np.dtype(dtype)}","logits":[{text}]}}'
    status, _, _ = remote.post("/softmax", body.encode(),
                               {"Content-Type": "application/json"})
    return status == 422


def run(remote, tally, folder):
    found = texts(folder)
    for dtype in (np.float32, np.float64):
        expected = {sign + text: nearest(sign + text, dtype)
                    for text in found for sign in ("", "-")}
        name = np.dtype(dtype)
        inside = [t for t, value in expected.items() if value != np.inf]
        for i in range(0, len(inside), ROWS_A_REQUEST):
            lines = inside[i:i + ROWS_A_REQUEST]
            for text, value in zip(lines, read_back(remote, lines, dtype)):
                tally.check(f"{text[:60]} as {name}", value == expected[text],
                            f"got {value!r}, must be {expected[text]!r}")
        for text in expected.keys() - set(inside):
            tally.check(f"{text[:60]} as {name}", refused(remote, text, dtype),
                        "not refused")
