#!/bin/sh
# SPDX-License-Identifier: MIT
# The image for arm64 from the same Dockerfile, built and run on x86-64: the
# kernel hands every program for arm64 to qemu.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
suite="docker arm64" image=softmaxd:arm64 arch=arm64
# What docker pulls, imports, builds, creates and runs from here on.
export DOCKER_DEFAULT_PLATFORM=linux/arm64
. tests/docker/engine.sh
. tests/docker/image.sh
formats=/proc/sys/fs/binfmt_misc
format=softmaxd-aarch64
mounted='' registered='' native=''

finish() {
    [ -z "$native" ] || { kill "$native"; wait "$native"; } 2>/dev/null
    containers_stop
    engine_stop
    [ -z "$registered" ] || echo -1 >"$formats/$format"
    [ -z "$mounted" ] || umount "$formats"
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The kernel runs arm64 by itself or by qemu, opened now (F) so that it is
# found from inside of any root; or $reason says why not.
emulate() {
    [ "$(uname -m)" = x86_64 ] || { reason="not on x86-64"; return 1; }
    grep -qs '^flags:.*F' "$formats/qemu-aarch64" "$formats/$format" &&
        return 0
    [ "$(id -u)" = 0 ] || { reason="not root"; return 1; }
    qemu=$(command -v qemu-aarch64-static) ||
        { reason="no qemu-aarch64-static (scripts/ci-deps.sh)"; return 1; }
    reason="this kernel's binfmt_misc is out of reach"
    if [ ! -e "$formats/register" ]; then
        mount -t binfmt_misc binfmt_misc "$formats" 2>/dev/null || return 1
        mounted=1
    fi
    # an ELF file of 64 bits, little-endian, executable or shared, machine 183
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe'
    printf '%s' ":$format:M::$magic\\x00:$mask\\xff\\xff\\xff:$qemu:F" \
        >"$formats/register" || return 1
    registered=1
}

says_arm64() {
    [ "$(docker image inspect -f '{{.Os}}/{{.Architecture}}' "$image")" = \
        linux/arm64 ] || return 1
    docker cp -q smx-files:/softmaxd "$work/softmaxd" &&
        [ "$(od -An -tu2 -j18 -N2 "$work/softmaxd" | tr -d ' ')" = 183 ]
}

is_neon() {
    socket http://localhost/version | tee "$work/version" |
        grep -q '"isa":"neon"' || { cat "$work/version"; return 1; }
}

same_bytes() {
    build/softmaxd --listen "unix:$work/native.sock" >/dev/null 2>&1 &
    native=$!
    wait_for --unix-socket "$work/native.sock" http://localhost/healthz ||
        return 1
    body='{"logits":[[0.1,-3.25,7,1e-3,88,-0.7,2],[20,0,0,0,0,0,0]],
        "include":["logsumexp","entropy"]}'
    socket http://localhost/softmax -H "$json" -d "$body" >"$work/emulated" &&
        curl -sf --max-time 10 --unix-socket "$work/native.sock" \
            http://localhost/softmax -H "$json" -d "$body" >"$work/here" &&
        cmp "$work/emulated" "$work/here"
}

if ! emulate || ! engine_start || ! base_image arm64v8/; then
    skip "$reason"
    exit 0
fi
check build docker build -q --network host -f docker/Dockerfile \
    --build-arg BASE="$base" -t "$image" .
[ $failed -eq 0 ] || exit 1
check "at most 15 MB" image_small
check "no shell" no_shell
check "lists the packages it is from" says_what_it_holds
check "user 10001" user_10001
check "an image and a program for arm64" says_arm64
check "locked down, over a Unix socket" over_socket
check "three endpoints" three_endpoints
check healthcheck healthcheck
check "on neon" is_neon
check "the same bytes as from this machine's build" same_bytes
check "SIGTERM finishes what is in flight" drains
[ $failed -eq 0 ]
