#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pages lose comments and indentation in the build and nothing else, and what the
daemon lets a browser run of them is what it serves."""
import os
import re
import sys
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, *parts) for parts in
                (("..", "http"), ("..", "..", "scripts"))]
from daemon import Daemon, Tests  # noqa: E402
from page import compact, hashes  # noqa: E402

CASES = {
    "indentation and empty lines": ("a\n\n  b\n\t c \n", "a\nb\nc \n"),
    "comments of whole lines": (
        "<!-- x\n y -->\na\n  /* b */\n/* c\n * d */\n  // e\nf\n", "a\nf\n"),
    "code beside a comment": (
        "  /* a */ b();\nc(); /* d */\ne('//f'); // g\n",
        "/* a */ b();\nc(); /* d */\ne('//f'); // g\n"),
    "two comments, code between": ("/* a */ b\n/* c */\n", "/* a */ b\n"),
    "a text area as it stands": (
        "  <textarea id=x>\n  1\n\n  /* 2 */\n</textarea>\n  a\n",
        "<textarea id=x>\n  1\n\n  /* 2 */\n</textarea>\na\n"),
    "preformatted text as it stands": (
        "a\n  <pre>\n  1\n // 2\n</pre>\n\n b\n",
        "a\n<pre>\n  1\n // 2\n</pre>\nb\n"),
    "blanks in a style sheet": (
        "<style>a b { c: d, \"e f\"; }\n@media (g: 1) {\n  h > i :j { k: 1 / 2; }"
        "\n}\n</style>\n p { q: r; }\n",
        '<style>a b{c:d,"e f"}@media (g:1){h>i :j{k:1 / 2}}</style>\n'
        "p { q: r; }\n"),
}


def main():
    tests = Tests()
    for name, (text, wanted) in CASES.items():
        # Indentation goes with the end of the line before it.
        got = compact("\n" + text).removeprefix("\n")
        tests.check(name, got == wanted, repr(got))
    try:
        got = compact("a\nb = `c\n  d`;\n")
    except ValueError as error:
        got = str(error)
    tests.check("a template of several lines is refused",
                got == "line 2: a template of several lines", got)
    with Daemon() as daemon:
        for path, source in ("/", "index"), ("/docs", "docs"):
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{daemon.port}{path}", timeout=10) as answer:
                text = answer.read().decode()
                policy = answer.headers["Content-Security-Policy"]
            with open(f"server/page/{source}.html", encoding="utf-8") as file:
                tests.check(f"{path} is {source}.html", text == compact(file.read()),
                            text[:500])
            tests.check(f"{path} may run what it holds",
                        all(f"{tag}-src {hashes(text, tag)};" in policy
                            for tag in ("script", "style")), policy)
            tests.check(f"{path} has no indentation",
                        not re.search(r"\n[ \t]+<(?:div|section|p)\b", text), "")
    sys.exit(tests.failed != 0)


if __name__ == "__main__":
    main()
