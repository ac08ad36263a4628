#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What /metrics tells, against what was asked and what the system says; alert
rules, dashboard and documentation against the names in it."""
import contextlib
import json
from multiprocessing.shared_memory import SharedMemory
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time

from daemon import Daemon, Tests

MONITORING = "docker/monitoring"
COMPUTING = {"softmax", "loss", "gradient", "v2_infer"}
JSON = {"Content-Type": "application/json"}
NAME = re.compile(r"\b(?:softmaxd|process)_[a-z_]+\b")
LABELS = re.compile(r'([a-z_]+)="([^"]*)"')


def parse(text):
    """{(name, ((label, value), ...)): number}"""
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
            labels = tuple(LABELS.findall(found[2] or ""))
            samples[found[1], labels] = float(found[3])
    return samples


def read(daemon):
    return daemon.ask("GET", "/metrics")[2].decode()


def count_up(daemon):
    """Requests of which the counters are known; the last has been counted
    when the one after it is answered, on the same connection or not."""
    for path, body in [
            ("/softmax", {"logits": [[1, 2, 3], [4, 5, 6]]}),
            ("/softmax", {"logits": [[1, 2], [3]]}),
            ("/loss", {"logits": [1, 2, 3, 4], "labels": 0}),
            ("/gradient", {"logits": [[[1, 2]] * 3] * 5, "of": "softmax"}),
            ("/v2/models/softmax/infer", {"inputs": [
                {"name": "logits", "shape": [2, 2], "datatype": "FP32",
                 "data": [1, 2, 3, 4]}]}),
            ("/nowhere", {})]:
        daemon.ask("POST", path, json.dumps(body), JSON)
    for path in "/version", "/healthz":
        daemon.ask("GET", path)


def check_counters(tests, daemon):
    wanted = {"rows": {"softmax": 2, "loss": 1, "gradient": 15, "v2_infer": 2},
              "logits": {"softmax": 6, "loss": 4, "gradient": 30,
                         "v2_infer": 4}}
    for _ in range(500):  # an answer is out before it is counted
        samples = parse(read(daemon))
        got = {unit: {labels[0][1]: int(value)
                      for (name, labels), value in samples.items()
                      if name == f"softmaxd_{unit}_total"} for unit in wanted}
        if got == wanted:
            break
        time.sleep(0.01)
    tests.check("rows and logits by endpoint", got == wanted, str(got))
    return samples


def check_durations(tests, samples):
    for kind in "request_duration_seconds", "request_body_bytes", \
                "answer_body_bytes":
        told = {dict(labels)["endpoint"] for name, labels in samples
                if name == f"softmaxd_{kind}_count"}
        tests.check(f"{kind} of what computes, alone", told == COMPUTING,
                    str(told))
    good = True
    for endpoint in COMPUTING:
        whole = samples["softmaxd_request_duration_seconds_sum",
                        (("endpoint", endpoint),)]
        parts = sum(samples["softmaxd_stage_seconds_total",
                            (("endpoint", endpoint), ("stage", stage))]
                    for stage in ("read", "compute", "write"))
        good &= 0 < whole and abs(whole - parts) < 1e-6
    tests.check("the stages sum to the duration", good)


def check_process(tests, daemon, samples):
    pid = daemon.process.pid
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    resident = int(status["VmRSS"].split()[0]) * 1024
    told = {name: value for (name, _), value in samples.items()
            if name.startswith("process_")}
    tests.check("resident memory", 0.5 < told["process_resident_memory_bytes"]
                / resident < 2, str(told))
    tests.check("address space", told["process_virtual_memory_bytes"] >
                told["process_resident_memory_bytes"], str(told))
    tests.check("open file descriptors",
                abs(told["process_open_fds"] -
                    len(os.listdir(f"/proc/{pid}/fd"))) <= 2, str(told))
    tests.check("their limit", told["process_max_fds"] ==
                resource.prlimit(pid, resource.RLIMIT_NOFILE)[0], str(told))
    tests.check("start", abs(told["process_start_time_seconds"] -
                             os.stat(f"/proc/{pid}").st_ctime) < 5, str(told))
    again = parse(read(daemon))
    tests.check("a start that does not move, CPU time that does not go back",
                again["process_start_time_seconds", ()] ==
                told["process_start_time_seconds"] and
                again["process_cpu_seconds_total", ()] >=
                told["process_cpu_seconds_total"] > 0, str(told))


def expressions(dashboard):
    """Of all panels and variables, as Prometheus would be asked."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "5m")
    for variable in dashboard["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"])
        if found:
            yield found[1]


def check_names(tests, samples, asked):
    known = {name for name, _ in samples}
    labels = {label for _, found in samples for label, _ in found}
    labels |= {"job", "instance"}
    # a histogram goes by its name where it is told about
    known |= {re.sub(r"_(count|sum|bucket)$", "", name) for name in known}
    for what, texts in asked.items():
        text = "\n".join(texts)
        strangers = set(NAME.findall(text)) - known
        used = set(re.findall(r"([a-z_]+)(?:=~|!=|=)\"", text))
        for group in re.findall(r"(?:by|on|ignoring) \(([^)]*)\)", text):
            used |= set(re.split(r",\s*", group))
        strangers |= used - labels
        tests.check(f"{what} names what /metrics has",
                    NAME.search(text) and not strangers, str(strangers))
    unseen = {name for name, _ in samples}
    shown = set(NAME.findall("\n".join(asked["the dashboard"])))
    unseen -= shown | {name for name in unseen
                       if re.search(r"_(count|sum|bucket)$", name)}
    unseen -= {"process_virtual_memory_bytes"}
    tests.check("the dashboard shows each of them", not unseen, str(unseen))
    unsaid = {name for name in known if name.startswith("softmaxd_")}
    unsaid = {re.sub(r"_(count|sum|bucket)$", "", name) for name in unsaid}
    unsaid -= set(asked["docs/operations.md"])
    tests.check("docs/operations.md names each of ours", not unsaid,
                str(unsaid))


def check_regions(tests):
    """Regions of shared memory are counted while they are registered."""
    told = []
    with Daemon("--shared-memory") as daemon, \
            contextlib.closing(SharedMemory(create=True, size=8192)) as memory:
        path = "/v2/systemsharedmemory/region/%s/%s"
        for name, verb, body in (("a", "register", {"byte_size": 4096}),
                                 ("b", "register", {"byte_size": 100}),
                                 ("a", "unregister", {})):
            body["key"] = memory.name
            daemon.ask("POST", path % (name, verb), json.dumps(body), JSON)
            samples = parse(read(daemon))
            told.append([samples[f"softmaxd_shared_memory_{unit}", ()]
                         for unit in ("regions", "bytes")])
        memory.unlink()
    tests.check("regions and their bytes",
                told == [[1, 4096], [2, 4196], [1, 100]], str(told))


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, text=True,
                          capture_output=True, check=False, timeout=60)
    return done.returncode == 0, done.stdout + done.stderr


def check_with_promtool(tests, text, asked):
    if not shutil.which("promtool"):
        print("[  SKIPPED ] promtool is not installed")
        return
    good, said = promtool("check", "metrics", text=text)
    tests.check("promtool check metrics", good and not said, said)
    tests.check("promtool check rules",
                *promtool("check", "rules", f"{MONITORING}/alerts.yaml"))
    tests.check("promtool test rules",
                *promtool("test", "rules", "tests/http/alerts_test.yaml"))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{i}", "expr": expression} for i, expression in
            enumerate(asked["the dashboard"])]}]}, file)
        file.flush()
        tests.check("promtool reads the dashboard's expressions",
                    *promtool("check", "rules", file.name))


def rules():
    """The expressions of the alerts; PyYAML is not needed for them."""
    with open(f"{MONITORING}/alerts.yaml", encoding="utf-8") as file:
        text = file.read()
    return re.findall(r"expr: (.*?)\n +(?:for|labels):", text, re.S)


def alerts_are_tested():
    pattern = r"(?:alert|alertname): (\w+)"
    with open(f"{MONITORING}/alerts.yaml", encoding="utf-8") as file:
        alerts = re.findall(pattern, file.read())
    with open("tests/http/alerts_test.yaml", encoding="utf-8") as file:
        tested = re.findall(pattern, file.read())
    return [name for name in alerts if tested.count(name) != 2]


def main():
    tests = Tests()
    with open(f"{MONITORING}/dashboard.json", encoding="utf-8") as file:
        dashboard = json.load(file)
    with open("docs/operations.md", encoding="utf-8") as file:
        documented = file.read()
    asked = {"the dashboard": list(expressions(dashboard)),
             "every alert": rules(),
             "docs/operations.md": NAME.findall(documented)}
    with tests.part("one daemon"), Daemon() as daemon:
        count_up(daemon)
        samples = check_counters(tests, daemon)
        tests.run(check_durations, samples)
        tests.run(check_process, daemon, samples)
        tests.run(check_names, samples, asked)
        tests.run(check_with_promtool, read(daemon), asked)
    tests.run(check_regions)
    untested = alerts_are_tested()
    tests.check("each alert is tested to fire and not to", not untested,
                str(untested))
    tests.end()


if __name__ == "__main__":
    main()
