#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What runs when softmaxd runs, as SPDX 2.3 and CycloneDX 1.6: the program, and
the Debian package and version of each shared library that it is linked with on
this machine, which is what packages built here depend on and what the image
holds; docker/collect.sh writes the image's.

usage: sbom.py FOLDER PROGRAM   (writes FOLDER/softmaxd.spdx.json and
       FOLDER/softmaxd.cdx.json)
"""
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import uuid


def run(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def libraries(program):
    """Paths of the shared libraries, the loader too."""
    return sorted({os.path.realpath(path) for path in
                   re.findall(r"(/\S+) \(0x", run("ldd", program))})


def package_of(path):
    """The package that dpkg says owns it, whose files may stand under /lib
    where the folder is a link to /usr/lib."""
    for candidate in path, path.removeprefix("/usr"):
        done = subprocess.run(["dpkg", "-S", candidate], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(": ")[0].split(",")[0]
    raise SystemExit(f"sbom: {path}: no package owns it")


def describe(package):
    fields = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t" \
             "${Homepage}"
    name, version, arch, source, home = run(
        "dpkg-query", "-W", "-f", fields, package).split("\t")
    with open("/etc/os-release", encoding="utf-8") as file:
        system = {key: value.strip('"') for key, _, value in
                  (line.rstrip().partition("=") for line in file)}
    # testing has no number
    release = f"{system['ID']}-{system.get('VERSION_ID', 'sid')}"
    return {"name": name, "version": version, "home": home,
            "purl": f"pkg:deb/{system['ID']}/{name}@"
                    f"{version.replace('+', '%2B').replace(':', '%3A')}"
                    f"?arch={arch}&distro={release}", "source": source}


def spdx(version, parts, digest, name_of_all, now):
    def package(identifier, name, number, purl, license_, home="", **more):
        return {"SPDXID": f"SPDXRef-{identifier}", "name": name,
                "versionInfo": number, "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False, "licenseConcluded": license_,
                "licenseDeclared": license_, "copyrightText": "NOASSERTION",
                **({"homepage": home} if home else {}),
                "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER",
                                  "referenceType": "purl",
                                  "referenceLocator": purl}], **more}
    mine = package("softmaxd", "softmaxd", version,
                   f"pkg:generic/softmaxd@{version}", "MIT",
                   checksums=[{"algorithm": "SHA256",
                               "checksumValue": digest}])
    packages, relations = [mine], [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
         "relatedSpdxElement": "SPDXRef-softmaxd"}]
    for part in parts:
        identifier = re.sub(r"[^A-Za-z0-9.-]", "-", part["name"])
        packages.append(package(identifier, part["name"], part["version"],
                                part["purl"], "NOASSERTION", part["home"],
                                sourceInfo="built from the Debian source "
                                f"package {part['source']}"))
        relations.append({"spdxElementId": "SPDXRef-softmaxd",
                          "relationshipType": "DYNAMIC_LINK",
                          "relatedSpdxElement": f"SPDXRef-{identifier}"})
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT", "name": f"softmaxd-{version}",
            "documentNamespace": f"https://softmaxd.invalid/spdx/{name_of_all}",
            "creationInfo": {"created": now,
                             "creators": ["Tool: softmaxd-sbom"]},
            "packages": packages, "relationships": relations}


def cyclonedx(version, parts, digest, name_of_all, now):
    mine = f"pkg:generic/softmaxd@{version}"
    components = [{"type": "library", "bom-ref": part["purl"],
                   "name": part["name"], "version": part["version"],
                   "purl": part["purl"]} for part in parts]
    components.append({"type": "file", "bom-ref": "file:softmaxd",
                       "name": "softmaxd",
                       "hashes": [{"alg": "SHA-256", "content": digest}]})
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "serialNumber": f"urn:uuid:{name_of_all}",
            "metadata": {"timestamp": now, "component": {
                "type": "application", "bom-ref": mine, "name": "softmaxd",
                "version": version, "purl": mine,
                "licenses": [{"license": {"id": "MIT"}}]}},
            "components": components,
            "dependencies": [{"ref": mine, "dependsOn":
                              [component["bom-ref"]
                               for component in components]}]}


def main():
    folder, program = sys.argv[1:]
    version = run(program, "--version").split()[1]
    # SOURCE_DATE_EPOCH: the same document from the same source
    when = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(
        int(when) if when else time.time(), datetime.timezone.utc
    ).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [describe(package) for package in
             sorted({package_of(path) for path in libraries(program)})]
    with open(program, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    name_of_all = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([parts, digest, now]))
    os.makedirs(folder, exist_ok=True)
    for name, make in ("cdx", cyclonedx), ("spdx", spdx):
        path = os.path.join(folder, f"softmaxd.{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(make(version, parts, digest, name_of_all, now), file,
                      indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
