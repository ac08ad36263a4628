#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make what the daemon serves of its pages: FOLDER/PAGE.html without comments and
indentation, and FOLDER/page_csp.h, the Content-Security-Policy of each as a C
string: its scripts and style sheets by their hashes, requests to its own
origin, nothing else.

usage: scripts/page.py FOLDER PAGE.html ...
"""
import base64
import hashlib
import os
import re
import sys

VERBATIM = re.compile(r"<(textarea|pre)\b.*?</\1>", re.S)
# Those that fill whole lines: no string can look like them, see compact().
COMMENT = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/|<!--(?:(?!-->).)*-->|"
                     r"//[^\n]*)[ \t]*\n", re.S | re.M)


STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.S)


def compact(text):
    """The same page in fewer bytes. No template of JavaScript may go over the end
    of a line, where white space and what looks like a comment would count."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count("`") % 2:
            raise ValueError(f"line {number}: a template of several lines")
    kept, at = [], 0
    for verbatim in VERBATIM.finditer(text):
        kept += squeeze(text[at:verbatim.start()]), verbatim.group()
        at = verbatim.end()
    return "".join(kept) + squeeze(text[at:])


def squeeze(text):
    text = re.sub(r"\n[ \t\n]+", "\n", COMMENT.sub("", text))
    return STYLE.sub(lambda style: squeeze_style(style.group()), text)


def squeeze_style(text):
    """No blanks around what ends a name in CSS. One before a colon stays: there it
    stands between an element and the one inside it that the colon describes."""
    text = re.sub(r"\s*([{};,>])\s*|(?<=:)\s+", r"\1", text)
    return text.replace(";}", "}")


def hashes(text, tag):
    found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
    if not found:
        raise ValueError(f"no <{tag}> without attributes")
    digests = (hashlib.sha256(part.encode()).digest() for part in found)
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)


def policy(text):
    return "; ".join((
        "default-src 'none'", f"style-src {hashes(text, 'style')}",
        f"script-src {hashes(text, 'script')}", "connect-src 'self'",
        "img-src data:", "base-uri 'none'", "form-action 'none'",
        "frame-ancestors 'none'"))


def main():
    folder, *paths = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    policies = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            source = file.read()
        try:
            text = compact(source)
            name = os.path.splitext(os.path.basename(path))[0].upper()
            policies.append(f'#define PAGE_CSP_{name} \\\n    "{policy(text)}"\n')
        except ValueError as error:
            sys.exit(f"{path}: {error}")
        with open(os.path.join(folder, os.path.basename(path)), "w",
                  encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(folder, "page_csp.h"), "w", encoding="utf-8") as file:
        file.writelines(policies)


if __name__ == "__main__":
    main()
