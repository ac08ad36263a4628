#!/bin/sh
# SPDX-License-Identifier: MIT
# Every manifest against the published schema, unknown fields refused, for the
# first version that has native sidecars switched on and for the newest.
# KServe's own kinds are not Kubernetes': check_kserve.py looks at them.
# usage: kubernetes.sh VALIDATOR
set -u
validator=$1 failed=0
cd "$(dirname "$0")/../.." || exit 1
for version in 1.29 1.37; do
    for file in docker/kubernetes/service.yaml docker/kubernetes/sidecar.yaml
    do
        if output=$("$validator" -k $version --strict "$file" 2>&1); then
            echo "[       OK ] $file ($version)"
        else
            echo "$output"
            echo "[  FAILED  ] $file ($version)"
            failed=1
        fi
    done
done
exit $failed
