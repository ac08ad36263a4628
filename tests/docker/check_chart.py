#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each value of the Helm chart reaches what it renders, its notes can be copied,
probes and Prometheus get in with tokens and TLS too, and each manifest runs the
image of this version.
usage: check_chart.py FOLDER   (with helm, kubectl; in the root, with PyYAML)
"""
import glob
import os
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


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def admin_faults(text):
    """Why a Deployment's daemon cannot be probed or scraped at its admin address."""
    for object_ in filter(None, yaml.safe_load_all(text)):
        if object_["kind"] != "Deployment":
            continue
        template = object_["spec"]["template"]
        port = template["metadata"]["annotations"]["prometheus.io/port"]
        if "prometheus.io/scheme" in template["metadata"]["annotations"]:
            yield "scraped over something else than HTTP"
        containers = [c for kind in ("containers", "initContainers")
                      for c in template["spec"].get(kind, []) if "probe" in str(c).lower()]
        for container in containers:
            env = {e["name"]: e["value"] for e in container["env"]}
            names = [p["name"] for p in container["ports"]
                     if str(p["containerPort"]) == port]
            if env.get("SOFTMAXD_ADMIN_LISTEN") != f":{port}" or len(names) != 1:
                yield f"{container['name']} does not tell its metrics at {port}"
            for kind in "startupProbe", "readinessProbe", "livenessProbe":
                asked = container[kind]["httpGet"]
                if [asked["port"]] != names or "scheme" in asked:
                    yield f"{kind} asks {asked}, not {names}"
        if len(containers) != 1:
            yield f"{len(containers)} containers with probes"


def notes_fault(helm, *settings):
    """None if the notes show a request to this release that a shell can read."""
    said = output(helm, "install", "mine", CHART, "--namespace", "ml",
                  "--dry-run=client",
                  *(word for setting in settings for word in ("--set", setting)))
    said = said.partition("NOTES:")[2]
    wanted = ["mine.ml.svc:80", "service/mine 8080:80", "deployment/mine",
              *(["Bearer", "https://127.0.0.1:8080/softmax"] if settings else
                ["http://127.0.0.1:8080/softmax"])]
    missing = [part for part in wanted if part not in said]
    shell = [line for line in said.splitlines() if line.startswith("  ")][1:]
    if missing or len(shell) != 3:
        return f"no {missing} among {shell}: {said}"
    return subprocess.run(["sh", "-n"], input="\n".join(shell), text=True,
                          capture_output=True, check=False).stderr or None


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


def main(folder):
    helm, kubectl = (os.path.join(folder, name) for name in ("helm", "kubectl"))
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
    secrets = "tlsSecret=tls,tokenSecret=tokens"
    base = "docker/kubernetes"
    for name, faults in (
            ("images of one version", image_faults()),
            ("probes and metrics: base", admin_faults(output(kubectl, "kustomize", base))),
            ("probes and metrics: sidecar",
             admin_faults(output(kubectl, "kustomize", f"{base}/example"))),
            ("probes and metrics: chart", admin_faults(rendered(helm))),
            ("probes and metrics: chart with secrets",
             admin_faults(rendered(helm, secrets))),
            ("notes", filter(None, [notes_fault(helm)])),
            ("notes with secrets", filter(None, [notes_fault(helm, secrets)]))):
        faults = list(faults)
        failed += bool(faults)
        print(f"[{'  FAILED  ' if faults else '       OK '}] {name}")
        print(*faults, sep="\n", end="\n" if faults else "")
    return failed > 0


sys.exit(main(*sys.argv[1:]))
