#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both documents of `make sbom` follow their schemas and name each package that
owns a library of the daemon.
usage: check_sbom.py PROGRAM FOLDER"""
import json
import os
import re
import subprocess
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import \
    validate_full_spdx_document

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))
from daemon import Tests


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    program, folder = sys.argv[1:]
    tests = Tests()
    spdx = os.path.join(folder, "softmaxd.spdx.json")
    cyclonedx = os.path.join(folder, "softmaxd.cdx.json")
    wrong = validate_full_spdx_document(parse_file(spdx))
    tests.check("SPDX 2.3", not wrong, str(wrong))
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        read(cyclonedx))
    tests.check("CycloneDX 1.6", wrong is None, str(wrong))
    linked = subprocess.run(["ldd", program], capture_output=True, text=True,
                            check=True).stdout
    stems = {re.sub(r"[-.0-9]*\.so.*", "", os.path.basename(path))
             for path in re.findall(r"=> (/\S+)", linked)}
    own = {"libc": "libc6", "libm": "libc6", "libz": "zlib1g"}
    for what, path in ("SPDX", spdx), ("CycloneDX", cyclonedx):
        document = json.loads(read(path))
        named = [part["name"] for part in
                 document.get("packages") or document["components"]]
        missing = [stem for stem in stems if not any(
            name.startswith(own.get(stem, stem)) for name in named)]
        tests.check(f"{what} has each library's package", not missing,
                    str(missing))
    sys.exit(tests.failed != 0)


if __name__ == "__main__":
    main()
