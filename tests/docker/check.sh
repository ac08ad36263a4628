#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the image and run it the way it is meant to run.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
suite=docker image=softmaxd
. tests/docker/engine.sh
. tests/docker/image.sh
. tests/docker/compose.sh

finish() {
    compose_stop
    containers_stop
    engine_stop
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# From another folder, with other times and modes of its files.
repeatable() {
    mkdir -p "$work/another/folder"
    tar -c Makefile openapi.yaml make lib server scripts docker .dockerignore |
        (umask 077 && tar -C "$work/another/folder" -xm --no-same-permissions)
    docker build -q --no-cache --network host -f docker/Dockerfile \
        -t softmaxd:again "$work/another/folder" >/dev/null || return 1
    [ "$(docker image inspect -f '{{.RootFS.Layers}}' softmaxd)" = \
        "$(docker image inspect -f '{{.RootFS.Layers}}' softmaxd:again)" ]
}

# As it lies in the image, stripped.
hardened() {
    docker cp -q smx-files:/softmaxd "$work/softmaxd" &&
        tests/install/check_hardening.sh "$work/softmaxd"
}

# Two containers, one /dev/shm: no logit crosses the socket between them.
shares_memory() {
    mkdir -p "$work/near"
    chmod 777 "$work/near"
    # shellcheck disable=SC2086
    run smx-near $locked --network none --ipc shareable \
        -v "$work/near:/run/softmaxd" \
        -e SOFTMAXD_LISTEN=unix:/run/softmaxd/http.sock \
        -e SOFTMAXD_SHARED_MEMORY=on softmaxd || return 1
    wait_for --unix-socket "$work/near/http.sock" http://localhost/readyz &&
        timeout 60 docker run --rm -i --network none --ipc container:smx-near \
            --user 10001:10001 -v "$work/near:/run/softmaxd" "$base" \
            perl - <tests/docker/shared_memory.pl
}

# From docker run to the first 200, the best of at most ten: the engine has its
# share of that, which a machine takes or not; what is left once the container
# runs is the daemon's, with docker port and curl.
starts_fast() {
    best=100000 own=100000
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ $best -gt 300 ] || break
        begin=$(date +%s%N)
        # shellcheck disable=SC2086
        run smx-port $locked -p 127.0.0.1:0:8080 softmaxd || return 1
        running=$(date +%s%N)
        port=$(docker port smx-port 8080/tcp | sed 's/.*://')
        wait_for "http://127.0.0.1:$port/readyz" || return 1
        end=$(date +%s%N)
        ms=$(((end - begin) / 1000000))
        [ $ms -ge $best ] || best=$ms
        ms=$(((end - running) / 1000000))
        [ $ms -ge $own ] || own=$ms
    done
    echo "docker run to ready: $best ms, of which $own ms after docker run"
    [ $best -le 300 ] || [ $own -le 100 ]
}

# 64 MiB of memory, bodies of 8 M logits (32 MB each): refused, not killed
refuses_over_budget() {
    # shellcheck disable=SC2086
    run smx-small $locked --memory 64m -p 127.0.0.1:0:8080 softmaxd ||
        return 1
    port=$(docker port smx-small 8080/tcp | sed 's/.*://')
    wait_for "http://127.0.0.1:$port/readyz" || return 1
    awk 'BEGIN { printf "{\"logits\":[1"
        for (i = 1; i < 8000000; i++) printf ",1"; print "]}" }' \
        >"$work/large.json"
    statuses=
    for _ in 1 2 3 4; do
        statuses="$statuses $(curl -s -o /dev/null -w '%{http_code}' \
            --max-time 30 "http://127.0.0.1:$port/softmax" -H "$json" \
            --data-binary @"$work/large.json")"
    done
    echo "over budget: $statuses"
    case $statuses in *413*) ;; *) return 1 ;; esac
    # and others are served
    curl -sf --retry 5 -o /dev/null "http://127.0.0.1:$port/softmax" -H "$json" \
        -d '{"logits":[1,2,3]}' &&
        [ "$(docker inspect -f '{{.State.OOMKilled}}' smx-small)" = false ]
}

# A volume that is another user's, or read-only: one line, exit 1.
cannot_listen() { # VOLUME-OPTION
    mkdir -p "$work/theirs"
    chmod 755 "$work/theirs"
    # shellcheck disable=SC2086
    run smx-theirs $locked -v "$work/theirs:/run/softmaxd$1" \
        -e SOFTMAXD_LISTEN=unix:/run/softmaxd/http.sock softmaxd || return 1
    [ "$(timeout 20 docker wait smx-theirs)" = 1 ] || return 1
    docker logs smx-theirs >"$work/said" 2>&1
    cat "$work/said"
    [ "$(wc -l <"$work/said")" = 1 ] &&
        grep -q 'cannot listen on unix:/run/softmaxd/http.sock: ' "$work/said"
}

# The least that an engine grants.
tiny_memory() {
    # shellcheck disable=SC2086
    run smx-tiny $locked --memory 6m -p 127.0.0.1:0:8080 softmaxd || return 1
    port=$(docker port smx-tiny 8080/tcp | sed 's/.*://')
    wait_for "http://127.0.0.1:$port/readyz" || return 1
    for _ in 1 2 3 4 5 6 7 8; do
        curl -sf -o /dev/null "http://127.0.0.1:$port/softmax" -H "$json" \
            -d '{"logits":[1,2,3]}' || return 1
        curl -s -o /dev/null --max-time 30 "http://127.0.0.1:$port/softmax" \
            -H "$json" --data-binary @"$work/large.json"
    done
    [ "$(docker inspect -f '{{.State.OOMKilled}} {{.State.Running}}' \
        smx-tiny)" = "false true" ]
}

if ! engine_start || ! base_image ""; then
    skip "$reason"
    exit 0
fi
version=$(sed -n 's/^#define SMX_VERSION "\(.*\)"/\1/p' lib/softmax.h)
check build docker build -q --network host -f docker/Dockerfile \
    -t softmaxd -t "softmaxd:$version" .
[ $failed -eq 0 ] || exit 1
check "at most 15 MB" image_small
check "no shell" no_shell
check "lists the packages it is from" says_what_it_holds
check "hardened as what make builds" hardened
check "user 10001" user_10001
check "the same layers twice" repeatable
check "locked down, over a Unix socket" over_socket
check "three endpoints" three_endpoints
check healthcheck healthcheck
check "tensors in shared memory" shares_memory
check "SIGTERM finishes what is in flight" drains
check "ready within 300 ms, or 100 ms after docker run" starts_fast
check "over the limit is 413, not a kill" refuses_over_budget
check "6 MB of memory: it works" tiny_memory
check "a volume of another user's: one line, exit 1" cannot_listen ""
check "a read-only volume: one line, exit 1" cannot_listen :ro
if ! compose_works; then
    skip "compose: no docker compose (scripts/ci-deps.sh)"
elif ! compose_images; then
    skip "compose: $reason"
else
    check "compose: a sidecar over its socket" sidecar_answers
    check "compose: a replica dies, no request is lost" replicas_lose_nothing
fi
[ $failed -eq 0 ]
