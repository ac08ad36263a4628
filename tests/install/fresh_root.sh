#!/bin/sh
# SPDX-License-Identifier: MIT
# The two commands of the README in a Debian root that has only git and make.
# usage: fresh_root.sh [RELEASE]   (bookworm, trixie ...; else this machine's)
set -u
release=${1:-}
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
. tests/docker/engine.sh
root=$work/root
server=

finish() {
    [ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null
    umount "$root/proc" 2>/dev/null
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

skip() { echo "[  SKIPPED ] fresh ${release:+$release }root: $*"; exit 0; }
fail() { echo "[  FAILED  ] fresh ${release:+$release }root: $*"; exit 1; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"

debian_root "$root" || fail "debootstrap"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc" || skip "cannot mount in a new root"
fresh() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"; }
{ fresh apt-get update -q &&
    fresh apt-get install -q -y --no-install-recommends git make; } \
    >"$work/log" 2>&1 || fail "git and make: $(tail -n 3 "$work/log")"
git clone -q . "$root/src" || fail "git clone"

fresh make -j2 -C /src deps check >"$work/log" 2>&1 ||
    fail "make deps check: $(tail -n 20 "$work/log")"
grep '^[0-9]* passed' "$work/log"
echo "[       OK ] fresh ${release:+$release }root: make deps check"

# the default port is the host's too: refuse to test somebody else's server
! curl -s -o /dev/null --max-time 2 http://127.0.0.1:8080/ ||
    skip "port 8080 is taken"
# not through the function: $! must be make, which passes SIGTERM on
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    make -C /src deps run >"$work/log" 2>&1 &
server=$!
tries=0
until answer=$(curl -sf --max-time 2 http://127.0.0.1:8080/softmax \
    -H 'Content-Type: application/json' -d '{"logits":[1,2,3]}'); do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 $server 2>/dev/null; then
        fail "make deps run: $(tail -n 20 "$work/log")"
    fi
    sleep 0.2
done
[ "$answer" = '{"probabilities":[0.09003057,0.24472848,0.66524094]}' ] ||
    fail "make deps run: got $answer"
echo "[       OK ] fresh ${release:+$release }root: make deps run"
