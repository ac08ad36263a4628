#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both documents of `make sbom` follow their schemas and name each package that
owns a library of the daemon; those of an image, each library in its list of
files, whose release its packages name.
usage: check_sbom.py FOLDER PROGRAM | check_sbom.py FOLDER --image FILES"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))
from daemon import Tests


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def follow_their_schemas(tests, spdx, cyclonedx):
    # From PyPI: an image is checked without.
    # pylint: disable=import-outside-toplevel
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import \
        validate_full_spdx_document
    wrong = validate_full_spdx_document(parse_file(spdx))
    tests.check("SPDX 2.3", not wrong, str(wrong))
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        read(cyclonedx))
    tests.check("CycloneDX 1.6", wrong is None, str(wrong))


def main():
    folder, program, *files = sys.argv[1:]
    tests = Tests()
    spdx = os.path.join(folder, "softmaxd.spdx.json")
    cyclonedx = os.path.join(folder, "softmaxd.cdx.json")
    if files:
        paths = re.findall(r"^\S*\.so\S*$", read(files[0]), re.M)
    else:
        follow_their_schemas(tests, spdx, cyclonedx)
        paths = re.findall(r"=> (/\S+)", subprocess.run(
            ["ldd", program], capture_output=True, text=True,
            check=True).stdout)
    stems = {re.sub(r"[-.0-9]*\.so.*", "", os.path.basename(path))
             for path in paths}
    own = {"libc": "libc6", "libm": "libc6", "libz": "zlib1g",
           "ld-linux-x": "libc6", "ld-linux-aarch": "libc6"}
    for what, path, member in (("SPDX", spdx, "packages"),
                               ("CycloneDX", cyclonedx, "components")):
        parts = json.loads(read(path))[member]
        missing = [stem for stem in stems if not any(
            part["name"].startswith(own.get(stem, stem)) for part in parts)]
        tests.check(f"{what} has each library's package",
                    len(stems) > 5 and not missing, str(missing or stems))
        purls = [purl for purl in re.findall(r'"(pkg:deb/[^"]+)"', read(path))]
        unversioned = [purl for purl in purls if not re.fullmatch(
            r"pkg:deb/\w+/[\w.+-]+@[\w.%+~-]+\?arch=\w+&distro=[\w.-]+", purl)]
        tests.check(f"{what} has their versions and release",
                    purls and not unversioned, str(unversioned))
    sys.exit(tests.failed != 0)


if __name__ == "__main__":
    main()
