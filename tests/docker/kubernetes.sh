#!/bin/sh
# SPDX-License-Identifier: MIT
# What Kustomize and Helm make of docker/kubernetes against the published
# schema, unknown fields refused, for the first version that has native sidecars
# switched on and for the newest. KServe's own kinds are not Kubernetes':
# check_kserve.py looks at them.
# usage: kubernetes.sh FOLDER   (with kubernetes-validate, kubectl, helm, python)
set -u
bin=$1 failed=0
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=docker/kubernetes
chart=$files/chart

check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "[       OK ] kubernetes: $name"
    else
        cat "$work/output"
        echo "[  FAILED  ] kubernetes: $name"
        failed=1
    fi
}

render() { # NAME COMMAND...: into NAME.yaml, valid for both versions
    kind=$1 rendered=$work/$1.yaml
    shift
    "$@" >"$rendered" || { echo "[  FAILED  ] kubernetes: $kind"; failed=1; }
    for version in 1.29 1.37; do
        check "$kind ($version)" \
            "$bin/kubernetes-validate" -k $version --strict "$rendered"
    done
}

# The same objects, whatever the order of their members.
same_objects() { # FILE FILE
    "$bin/python" - "$@" <<'END'
import sys
import yaml
def objects(path):
    with open(path) as file:
        return {o["kind"]: o for o in yaml.safe_load_all(file) if o}
base, chart = map(objects, sys.argv[1:])
for kind in base.keys() | chart.keys():
    if base.get(kind) != chart.get(kind):
        sys.exit(f"{kind}: {base.get(kind)}\n{chart.get(kind)}")
END
}

check "helm lint" "$bin/helm" lint --strict $chart
render base "$bin/kubectl" kustomize $files
render example "$bin/kubectl" kustomize $files/example
render chart "$bin/helm" template softmaxd $chart
render options "$bin/helm" template other $chart --set tlsSecret=tls \
    --set tokenSecret=tokens,autoscaling.enabled=false,image.tag=1 \
    --set networkPolicy.enabled=false,nodeSelector.disk=ssd
check "the chart's defaults are the base" \
    same_objects "$work/base.yaml" "$work/chart.yaml"
check "the sidecar and the application share memory" awk '
    /name: SOFTMAXD_SHARED_MEMORY/ { getline; switched = /"?on"?$/ }
    /mountPath: \/dev\/shm/ { getline; mounts += /name: softmaxd-memory/ }
    /runAsUser: 10001/ { users++ }
    END { exit !(switched && mounts == 2 && users == 2) }' "$work/example.yaml"
check "secrets are mounted" grep -q 'secretName: tokens' "$work/options.yaml"
exit $failed
