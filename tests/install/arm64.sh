#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon for arm64, cross-built in a Debian root with arm64's libraries and
# run there under qemu-user: the same bytes as from this machine's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
. tests/docker/engine.sh
root=$work/root
daemons=

finish() {
    for d in $daemons; do kill "$d"; wait "$d"; done 2>/dev/null
    umount "$root/proc" 2>/dev/null
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

skip() { echo "[  SKIPPED ] arm64: $*"; exit 0; }
fail() { echo "[  FAILED  ] arm64: $*"; tail -n 20 "$work/log"; exit 1; }
[ "$(id -u)" = 0 ] || skip "not root"
[ "$(uname -m)" = x86_64 ] || skip "not on x86-64"
command -v debootstrap >/dev/null || skip "no debootstrap (scripts/ci-deps.sh)"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"; }

debian_root "$root" || fail debootstrap
mount -t proc proc "$root/proc" || skip "cannot mount in a new root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside dpkg --add-architecture arm64
{ inside apt-get update -q && inside apt-get install -q -y \
    --no-install-recommends make pkg-config python3-minimal python3-yaml \
    qemu-user gcc-aarch64-linux-gnu libc6-dev:arm64 libmicrohttpd-dev:arm64 \
    libjansson-dev:arm64 libgnutls28-dev:arm64 zlib1g-dev:arm64; } \
    >"$work/log" 2>&1 || fail "packages"
git archive --prefix=src/ HEAD | tar -C "$root" -x
inside PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig \
    make -C /src -j2 CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar \
    >"$work/log" 2>&1 || fail build
echo "[       OK ] arm64: build"

make -s all >"$work/log" 2>&1 || fail "this machine's build"
chroot "$root" qemu-aarch64 -L / /src/build/softmaxd \
    --listen unix:/run/arm64.sock >"$work/log" 2>&1 &
daemons=$!
build/softmaxd --listen "unix:$work/native.sock" >/dev/null 2>&1 &
daemons="$daemons $!"

ask() { # SOCKET PATH BODY
    curl -sf --max-time 30 --retry 50 --retry-delay 0 --retry-all-errors \
        --retry-max-time 20 --unix-socket "$1" "http://localhost$2" \
        -H 'Content-Type: application/json' -d "$3"
}
logits='[[0.1,-3.25,7,1e-3,88,-0.7,2],[20,0,0,0,0,0,0],[-1,-2,-3,4,5,6,7e1]]'
same() { # PATH BODY
    ask "$work/native.sock" "$1" "$2" >"$work/native" || fail "$1"
    ask "$root/run/arm64.sock" "$1" "$2" >"$work/arm64" || fail "$1"
    cmp "$work/native" "$work/arm64" || fail "$1"
    echo "[       OK ] arm64: $1"
}
same /softmax "{\"logits\":$logits,\"include\":[\"logsumexp\",\"entropy\"]}"
same /loss "{\"logits\":$logits,\"labels\":[1,0,6],\"label_smoothing\":0.1}"
same /gradient "{\"logits\":$logits,\"labels\":[1,0,6],\"dtype\":\"float64\"}"
