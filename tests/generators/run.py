#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate clients from openapi.yaml, compile them, call a daemon with them.

usage: run.py BUILD [GENERATOR...]                      (default: all of them)

Each program in clients/ makes the same calls with one generator's client and
prints the answers as one JSON object, which has to hold what the daemon says
to the same requests in plain JSON. BUILD/venv and BUILD/node_modules hold the
generators (make check-generators).
"""
import json
import os
import re
import shutil
import subprocess
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "http"))
from daemon import Daemon, Tests  # noqa: E402
from downgrade import downgrade  # noqa: E402

SPECIFICATION = os.path.abspath("openapi.yaml")
OAPI_CODEGEN = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2"
BATCH = {"logits": [[2, 1, 0], [0, 1, 2]], "labels": [0, 1]}
CALLS = {
    "softmax": ("/softmax", "probabilities", {"logits": [1, 2, 3]}),
    "softmax_batch": ("/softmax", "probabilities", {
        "dtype": "float64", "temperature": 2,
        "logits": [[0.1, 0.2, 0.3], [4, 5, "-Infinity"]]}),
    "query": ("/softmax?temperature=2&include=argmax,entropy",
              "probabilities", {"logits": [1, 2, 3]}),
    "loss": ("/loss", "loss", BATCH),
    "loss_none": ("/loss", "loss", {
        **BATCH, "weights": [1, 2, 3], "reduction": "none"}),
    "gradient": ("/gradient", "gradient", {"logits": [1, 2, 3], "labels": 2}),
    "gradient_batch": ("/gradient", "gradient", {**BATCH, "reduction": "sum"}),
    "pointer": ("/loss", "pointer", {
        "logits": [[1, 2, 3], [1, 2, 3]], "labels": [0, 7]}),
    "detail": ("/loss", "detail", {
        "logits": [[1, 2, 3], [1, 2, 3]], "labels": [0, 7]}),
}


class Failure(Exception):
    pass


def run(command, cwd, **environment):
    """Its standard output; a failure shows what it said last."""
    done = subprocess.run(command, cwd=cwd, text=True, timeout=900,
                          capture_output=True, check=False,
                          env={**os.environ, **environment})
    if done.returncode:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}\n"
                      f"{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


class Workshop:
    """A folder of its own for each generator."""

    def __init__(self, build):
        self.build = os.path.abspath(build)

    def fresh(self, name):
        path = os.path.join(self.build, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def tool(self, *names):
        return os.path.join(self.build, *names)

    def caller(self, source, target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(HERE, "clients", source), target)
        return target

    def openapi_generator(self, language, target, *options):
        run([self.tool("venv", "bin", "openapi-generator-cli"), "generate",
             "-i", SPECIFICATION, "-g", language, "-o", target, *options],
            self.build)


# Each answers the command that makes the calls, less the address at its end.

def openapi_python_client(shop):
    work = shop.fresh("openapi-python-client")
    run([shop.tool("venv", "bin", "openapi-python-client"), "generate",
         "--path", SPECIFICATION, "--output-path", work, "--overwrite",
         "--meta", "setup"], shop.build)
    return [shop.tool("venv", "bin", "python"),
            shop.caller("openapi_python_client.py", f"{work}/call.py")]


def oag_python(shop):
    work = shop.fresh("oag-python")
    shop.openapi_generator("python", work)
    return [shop.tool("venv", "bin", "python"),
            shop.caller("openapi_generator.py", f"{work}/call.py")]


def oag_typescript_fetch(shop):
    work = shop.fresh("oag-typescript-fetch")
    shop.openapi_generator("typescript-fetch", f"{work}/api")
    source = shop.caller("openapi_generator.ts", f"{work}/call.ts")
    with open(f"{work}/package.json", "w", encoding="ascii") as file:
        file.write('{"type": "commonjs"}\n')
    run(["node", shop.tool("node_modules", "typescript", "bin", "tsc"),
         "--strict", "--target", "es2022", "--lib", "es2022,dom",
         "--module", "commonjs", "--types", "node", "--skipLibCheck",
         "--outDir", f"{work}/js",
         source], work)
    return ["node", f"{work}/js/call.js"]


def oag_go(shop):
    work = shop.fresh("oag-go")
    shop.openapi_generator("go", work)
    shop.caller("openapi_generator.go", f"{work}/call/main.go")
    run(["go", "build", "-o", "caller", "./call"], work, GOFLAGS="-mod=mod")
    return [f"{work}/caller"]


def oag_java(shop):
    work = shop.fresh("oag-java")
    shop.openapi_generator("java", work, "--additional-properties",
                           "useSingleRequestParameter=true")
    run(["mvn", "-q", "-B", "-Dmaven.test.skip=true",
         "-Dmaven.javadoc.skip=true", "-Dmaven.source.skip=true", "package",
         "dependency:copy-dependencies", "-DincludeScope=runtime"], work)
    source = shop.caller("OpenapiGenerator.java",
                         f"{work}/call/OpenapiGenerator.java")
    path = f"{work}/target/*:{work}/target/dependency/*:{work}/call"
    run(["javac", "-cp", path, source], work)
    return ["java", "-cp", path, "OpenapiGenerator"]


def cargo(shop, work, source, *dependencies):
    """Build the caller in Rust; all of them share what they depend on."""
    name = os.path.basename(work)
    shop.caller(source, f"{work}/src/main.rs")
    with open(f"{work}/Cargo.toml", "w", encoding="ascii") as file:
        file.write("\n".join((
            "[package]", f'name = "{name}"', 'edition = "2021"',
            "[dependencies]", 'serde_json = "1"',
            'tokio = {version = "1", features = ["rt", "macros"]}',
            *dependencies, "")))
    run(["cargo", "build", "-q"], work,
        CARGO_TARGET_DIR=shop.tool("cargo-target"))
    return [shop.tool("cargo-target", "debug", name)]


def oag_rust(shop):
    work = shop.fresh("oag-rust")
    shop.openapi_generator("rust", f"{work}/api")
    return cargo(shop, work, "openapi_generator.rs",
                 'openapi = {path = "api", default-features = false}')


def progenitor(shop):
    """It reads OpenAPI 3.0 alone."""
    work = shop.fresh("progenitor")
    with open(SPECIFICATION, encoding="utf-8") as file:
        older = downgrade(yaml.safe_load(file))
    with open(f"{work}/openapi-3.0.3.json", "w", encoding="utf-8") as file:
        json.dump(older, file)
    return cargo(shop, work, "progenitor.rs", 'progenitor = "0.15"',
                 'progenitor-client = "0.15"', 'bytes = "1"', 'futures = "0.3"',
                 'reqwest = {version = "0.13", default-features = false, '
                 'features = ["json", "query", "stream"]}',
                 'serde = {version = "1", features = ["derive"]}')


def oapi_codegen(shop):
    work = shop.fresh("oapi-codegen")
    os.makedirs(f"{work}/api")
    with open(f"{work}/go.mod", "w", encoding="ascii") as file:
        file.write("module softmaxd.test/client\n\ngo 1.24\n")
    run(["go", "run", OAPI_CODEGEN, "-generate", "types,client", "-package",
         "api", "-o", "api/client.go", SPECIFICATION], work)
    shop.caller("oapi_codegen.go", f"{work}/main.go")
    run(["go", "mod", "tidy"], work)
    run(["go", "build", "-o", "caller", "."], work)
    return [f"{work}/caller"]


def openapi_fetch(shop):
    work = shop.fresh("openapi-fetch")
    return typescript(shop, work, "schema",
                      shop.caller("openapi_fetch.ts", f"{work}/call.ts"))


def typescript(shop, work, types, source):
    """Compile it beside the types that openapi-typescript makes."""
    modules = shop.tool("node_modules")
    run(["node", f"{modules}/openapi-typescript/bin/cli.js", SPECIFICATION,
         "-o", f"{work}/{types}.d.ts"], shop.build)
    with open(f"{work}/package.json", "w", encoding="ascii") as file:
        file.write('{"type": "module"}\n')
    run(["node", f"{modules}/typescript/bin/tsc", "--strict", "--target",
         "es2022", "--lib", "es2022,dom", "--module", "nodenext", "--types",
         "node", "--skipLibCheck", source], work)
    return ["node", f"{work}/call.js"]


def guide_fault(shop, daemon):
    """What is wrong with the program in TypeScript of docs/guide.md, or ""."""
    work = shop.fresh("guide")
    with open("docs/guide.md", encoding="utf-8") as file:
        program = re.search(r"^```ts\n(.*?)^```", file.read(), re.M | re.S).group(1)
    with open(f"{work}/call.ts", "w", encoding="utf-8") as file:
        file.write(program.replace(":8080", f":{daemon.port}"))
    said = run(typescript(shop, work, "softmaxd", f"{work}/call.ts"), work)
    want = re.search(r"console\.log\(.*// (.*)", program).group(1)
    return "" if said.strip() == want else f"got {said}, want {want}"


GENERATORS = {
    "openapi-python-client": openapi_python_client,
    "oag-python": oag_python,
    "oag-typescript-fetch": oag_typescript_fetch,
    "oag-go": oag_go,
    "oag-java": oag_java,
    "oag-rust": oag_rust,
    "progenitor": progenitor,
    "oapi-codegen": oapi_codegen,
    "openapi-fetch": openapi_fetch,
}


def expected(daemon):
    """What the daemon says to the calls in plain JSON."""
    answers = {}
    for name, (path, member, request) in CALLS.items():
        body = daemon.ask("POST", path, json.dumps(request),
                          {"Content-Type": "application/json"})[2]
        answers[name] = json.loads(body)[member]
    return answers


def main(build, *names):
    tests = Tests()
    shop = Workshop(build)
    with Daemon("--log-level", "error") as daemon:
        want = expected(daemon)
        for name in names or GENERATORS:
            why = ""
            try:
                command = GENERATORS[name](shop)
                said = json.loads(run(
                    [*command, f"http://127.0.0.1:{daemon.port}"], shop.build))
                if said != want:
                    why = f"got  {said}\nwant {want}"
            except (Failure, OSError, ValueError,
                    subprocess.TimeoutExpired) as failure:
                why = str(failure)
            tests.check(name, not why, why)
        if "openapi-fetch" in (names or GENERATORS):
            try:
                why = guide_fault(shop, daemon)
            except (Failure, OSError, subprocess.TimeoutExpired) as failure:
                why = str(failure)
            tests.check("docs/guide.md in TypeScript", not why, why)
    return tests.failed > 0


sys.exit(main(*sys.argv[1:]))
