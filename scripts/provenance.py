#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write down what was built of what, beside it.

usage: provenance.py FOLDER FILE...

FOLDER/SHA256SUMS is for sha256sum -c. FOLDER/provenance.json is an in-toto
statement with SLSA's provenance: the files, the commit that they were built
from and the target that built them. Neither names a machine, a folder or an
hour, so that whoever builds the same commit gets the same bytes.
"""
import hashlib
import json
import os
import re
import subprocess
import sys


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() \
            if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(file.read()).hexdigest()


def git(*arguments):
    return subprocess.run(["git", *arguments], capture_output=True, text=True,
                          check=True).stdout.strip()


def version():
    with open("lib/softmax.h", encoding="utf-8") as header:
        return re.search(r'SMX_VERSION "(.*)"', header.read())[1]


def statement(digests, target):
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}
                    for name, digest in digests.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:softmaxd:make:1",
                "externalParameters": {"target": target, "version": version()},
                "resolvedDependencies": [{
                    "name": "softmaxd",
                    "digest": {"gitCommit": git("rev-parse", "HEAD"),
                               "gitTree": git("rev-parse", "HEAD^{tree}")},
                }],
            },
            "runDetails": {"builder": {"id": "urn:softmaxd:make"}},
        },
    }


def main(folder, files):
    digests = {os.path.basename(path): sha256(path) for path in sorted(files)}
    with open(os.path.join(folder, "SHA256SUMS"), "w", encoding="utf-8") as out:
        out.writelines(f"{digest}  {name}\n" for name, digest in digests.items())
    target = "deb" if any(name.endswith(".deb") for name in digests) else "dist"
    with open(os.path.join(folder, "provenance.json"), "w",
              encoding="utf-8") as out:
        json.dump(statement(digests, target), out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
