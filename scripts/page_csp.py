#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the Content-Security-Policy of a page as a C string: its one script and
one style sheet by their hashes, requests to its own origin, nothing else.

usage: scripts/page_csp.py PAGE.html ...
"""
import base64
import hashlib
import re
import sys


def hashes(text, tag):
    found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
    if not found:
        sys.exit(f"page_csp: no <{tag}> without attributes")
    digests = (hashlib.sha256(part.encode()).digest() for part in found)
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)


def main():
    for path in sys.argv[1:]:
        text = open(path, encoding="utf-8").read()
        name = re.sub(r"\W", "_", path.split("/")[-1].split(".")[0]).upper()
        policy = "; ".join((
            "default-src 'none'", f"style-src {hashes(text, 'style')}",
            f"script-src {hashes(text, 'script')}", "connect-src 'self'",
            "img-src data:", "base-uri 'none'", "form-action 'none'",
            "frame-ancestors 'none'"))
        print(f'#define PAGE_CSP_{name} \\\n    "{policy}"')


if __name__ == "__main__":
    main()
