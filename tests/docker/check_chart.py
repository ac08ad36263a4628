#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each value of the Helm chart reaches what it renders, and each manifest runs
the image of this version.
usage: check_chart.py HELM   (in the root of the repository, with PyYAML)
"""
import glob
import re
import subprocess
import sys

import yaml

CHART = "docker/kubernetes/chart"
# What a value needs beside it to count.
BESIDE = {"replicaCount": ["autoscaling.enabled=false"]}


def leaves(values, path=""):
    """(path, value) of all that can be set."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def other(path, value):
    """--set of something else in its place."""
    if value == []:
        return f"{path}[0].name=another"
    if value == {}:
        return f"{path}.another=there"
    if isinstance(value, bool):
        return f"{path}={str(not value).lower()}"
    return f"{path}={value + 1 if isinstance(value, int) else 'another'}"


def rendered(helm, *settings):
    done = subprocess.run(
        [helm, "template", "softmaxd", CHART,
         *(word for setting in settings for word in ("--set", setting))],
        capture_output=True, text=True, check=False)
    return done.stdout or f"helm: {settings}: {done.stderr}"


def image_faults():
    with open("lib/softmax.h", encoding="utf-8") as file:
        version = re.search(r'SMX_VERSION "(.*)"', file.read()).group(1)
    for path in glob.glob("docker/**/*.yaml", recursive=True):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for tag in re.findall(r"image: softmaxd\b(.*)|"
                              r"name: softmaxd, newTag: ([^}]+)|"
                              r"appVersion: (.*)", text):
            if "".join(tag).removeprefix(":") != version:
                yield f"{path}: {''.join(tag) or 'no tag'}, not {version}"


def main(helm):
    with open(f"{CHART}/values.yaml", encoding="utf-8") as file:
        values = yaml.safe_load(file)
    failed = 0
    for path, value in leaves(values):
        beside = BESIDE.get(path, [])
        plain = rendered(helm, *beside)
        changed = rendered(helm, *beside, other(path, value))
        good = changed != plain and not changed.startswith("helm:")
        failed += not good
        print(f"[{'       OK ' if good else '  FAILED  '}] chart: {path}"
              + ("" if good else f"\n{changed[-500:]}"))
    faults = list(image_faults())
    print(f"[{'  FAILED  ' if faults else '       OK '}] images of one version")
    print(*faults, sep="\n", end="\n" if faults else "")
    return failed > 0 or bool(faults)


sys.exit(main(*sys.argv[1:]))
