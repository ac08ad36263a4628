#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What runs when softmaxd runs, as SPDX 2.3 and CycloneDX 1.6: the program, and
the Debian package and version of each shared library that it is linked with on
this machine, which is what packages built here depend on and what an image
built from here holds.

usage: sbom.py VERSION FOLDER PROGRAM   (writes FOLDER/softmaxd.spdx.json and
       FOLDER/softmaxd.cdx.json)
"""
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid


def run(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def libraries(programs):
    """Paths of the shared libraries, the loader too."""
    found = set()
    for program in programs:
        for path in re.findall(r"(/\S+) \(0x", run("ldd", program)):
            found.add(os.path.realpath(path))
    return sorted(found)


def package_of(path):
    """The package that dpkg says owns it, whose files may stand under /lib
    where the folder is a link to /usr/lib."""
    for candidate in path, path.removeprefix("/usr"):
        done = subprocess.run(["dpkg", "-S", candidate], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(": ")[0].split(",")[0]
    raise SystemExit(f"sbom: {path}: no package owns it")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def describe(package):
    fields = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t" \
             "${Homepage}"
    name, version, arch, source, home = run(
        "dpkg-query", "-W", "-f", fields, package).split("\t")
    with open("/etc/os-release", encoding="utf-8") as file:
        distribution = dict(line.rstrip().split("=", 1) for line in file
                            if "=" in line)["ID"].strip('"')
    return {"name": name, "version": version, "home": home,
            "purl": f"pkg:deb/{distribution}/{name}@"
                    f"{version.replace('+', '%2B').replace(':', '%3A')}"
                    f"?arch={arch}", "source": source}


def spdx(version, parts, files, now):
    def package(identifier, name, number, purl, license_, home="", **more):
        return {"SPDXID": f"SPDXRef-{identifier}", "name": name,
                "versionInfo": number, "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False, "licenseConcluded": license_,
                "licenseDeclared": license_, "copyrightText": "NOASSERTION",
                **({"homepage": home} if home else {}),
                "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER",
                                  "referenceType": "purl",
                                  "referenceLocator": purl}], **more}
    digests = [{"algorithm": "SHA256", "checksumValue": digest}
               for _, digest in files]
    mine = package("softmaxd", "softmaxd", version,
                   f"pkg:generic/softmaxd@{version}", "MIT",
                   checksums=digests[:1])
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
            "documentNamespace": f"https://softmaxd.invalid/spdx/{uuid.uuid4()}",
            "creationInfo": {"created": now,
                             "creators": ["Tool: softmaxd-sbom"]},
            "packages": packages, "relationships": relations}


def cyclonedx(version, parts, files, now):
    mine = f"pkg:generic/softmaxd@{version}"
    components = [{"type": "library", "bom-ref": part["purl"],
                   "name": part["name"], "version": part["version"],
                   "purl": part["purl"]} for part in parts]
    components += [{"type": "file", "bom-ref": f"file:{os.path.basename(path)}",
                    "name": os.path.basename(path),
                    "hashes": [{"alg": "SHA-256", "content": digest}]}
                   for path, digest in files]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "serialNumber": f"urn:uuid:{uuid.uuid4()}",
            "metadata": {"timestamp": now, "component": {
                "type": "application", "bom-ref": mine, "name": "softmaxd",
                "version": version, "purl": mine,
                "licenses": [{"license": {"id": "MIT"}}]}},
            "components": components,
            "dependencies": [{"ref": mine, "dependsOn":
                              [component["bom-ref"]
                               for component in components]}]}


def main():
    version, folder, *programs = sys.argv[1:]
    # SOURCE_DATE_EPOCH: the same document from the same source
    when = int(os.environ.get("SOURCE_DATE_EPOCH", 0)) or None
    now = (datetime.datetime.fromtimestamp(when, datetime.timezone.utc) if when
           else datetime.datetime.now(datetime.timezone.utc)) \
        .strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [describe(package) for package in
             sorted({package_of(path) for path in libraries(programs)})]
    files = [(path, sha256(path)) for path in programs]
    os.makedirs(folder, exist_ok=True)
    for name, make in ("cdx", cyclonedx), ("spdx", spdx):
        path = os.path.join(folder, f"softmaxd.{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(make(version, parts, files, now), file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
