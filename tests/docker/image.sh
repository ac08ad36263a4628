# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced: what the image $image keeps to on every architecture, and how a
# check is reported, under the name $suite. Needs an engine; works in $work.
# shellcheck disable=SC2154
containers=
failed=0

check() { # NAME COMMAND...: which returns 77 for what cannot be told here
    name=$1
    shift
    "$@"
    case $? in
    0) echo "[       OK ] $suite: $name" ;;
    77) echo "[  SKIPPED ] $suite: $name" ;;
    *)
        echo "[  FAILED  ] $suite: $name"
        failed=$((failed + 1))
        ;;
    esac
}

skip() { echo "[  SKIPPED ] $suite: $*"; }

run() { # NAME DOCKER-ARGUMENTS...
    docker rm -f "$1" >/dev/null 2>&1
    containers="$containers $1"
    docker run -d --name "$@" >/dev/null
}

containers_stop() {
    for c in $containers; do docker rm -f "$c" >/dev/null 2>&1; done
}

# What every container here is denied.
locked="--read-only --cap-drop ALL --user 10001:10001
--security-opt no-new-privileges --security-opt seccomp=docker/seccomp.json"
json='Content-Type: application/json'
socket() { curl -sf --max-time 10 --unix-socket "$work/run/http.sock" "$@"; }

until_true() { # SECONDS COMMAND...: gives up after so much waiting
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

wait_for() { # CURL-ARGUMENTS...: until it answers, at most 5 s
    until_true 5 curl -sf --max-time 1 -o /dev/null "$@"
}

image_small() {
    bytes=$(docker image inspect -f '{{.Size}}' "$image")
    echo "image: $bytes bytes"
    [ "$bytes" -le 15000000 ]
}

user_10001() {
    [ "$(docker image inspect -f '{{.Config.User}}' "$image")" = 10001:10001 ]
}

no_shell() {
    docker create --name smx-files "$image" >/dev/null || return 1
    containers="$containers smx-files"
    docker export smx-files | tar -t >"$work/files"
    grep -q '^softmaxd$' "$work/files" &&
        ! grep -E '(^|/)([bd]a)?sh$|busybox' "$work/files"
}

# Needs the list and the container that no_shell left.
says_what_it_holds() {
    docker cp -q smx-files:/usr/share/sbom "$work/sbom" &&
        python3 tests/install/check_sbom.py "$work/sbom" --image "$work/files"
}

over_socket() {
    mkdir -p "$work/run"
    chmod 777 "$work/run"
    # shellcheck disable=SC2086
    run smx-socket $locked --network none -v "$work/run:/run/softmaxd" \
        -e SOFTMAXD_LISTEN=unix:/run/softmaxd/http.sock "$image" &&
        wait_for --unix-socket "$work/run/http.sock" http://localhost/healthz
}

three_endpoints() {
    socket http://localhost/softmax -H "$json" -d '{"logits":[1,2,3]}' |
        grep -qF '[0.09003057,0.24472848,0.66524094]' &&
        socket http://localhost/loss -H "$json" \
            -d '{"logits":[1,2,3],"labels":2}' | grep -q '"loss":0.4076' &&
        socket http://localhost/gradient -H "$json" \
            -d '{"logits":[1,2,3],"labels":2}' | grep -q '"gradient":\[0.0900'
}

healthcheck() {
    docker exec smx-socket /softmaxd --healthcheck \
        unix:/run/softmaxd/http.sock
}

# The request for the metrics is one of the two.
body_begun() {
    socket http://localhost/metrics | grep -q '^softmaxd_in_flight_requests 2'
}

draining() { docker logs smx-socket 2>&1 | grep -q 'drain:'; }

# SIGTERM while a body is under way: the answer still arrives, exit 0
drains() {
    {
        printf '{"logits":['
        until_true 10 draining
        printf '1,2,3]}'
    } | socket http://localhost/softmax -H "$json" -T - -X POST \
        >"$work/answer" &
    request=$!
    until_true 10 body_begun && docker stop -t 20 smx-socket >/dev/null
    wait $request
    grep -q probabilities "$work/answer" &&
        [ "$(docker inspect -f '{{.State.ExitCode}}' smx-socket)" = 0 ]
}
