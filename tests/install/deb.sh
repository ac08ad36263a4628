#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian packages in a root of their own: built, installed, run, linked
# against, purged, and nothing left. systemd does not run in there: the daemon
# is started by hand, its unit only looked at.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
. tests/docker/engine.sh
root=$work/root
daemon=

finish() {
    [ -z "$daemon" ] || { kill "$daemon"; wait "$daemon"; } 2>/dev/null
    umount "$root/proc" 2>/dev/null
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

skip() { echo "[  SKIPPED ] deb: $*"; exit 0; }
ok() { echo "[       OK ] deb: $*"; }
fail() { echo "[  FAILED  ] deb: $*"; tail -n 20 "$work/log"; exit 1; }
[ "$(id -u)" = 0 ] || skip "not root"
for tool in dpkg-buildpackage dh debootstrap; do
    command -v $tool >/dev/null || skip "no $tool (scripts/ci-deps.sh)"
done
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@" >"$work/log" 2>&1; }

# make check has run already
DEB_BUILD_OPTIONS=nocheck make -s deb >"$work/log" 2>&1 || fail build
debian_root "$root" || fail debootstrap
mount -t proc proc "$root/proc" || skip "cannot mount in a new root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/debs"
cp build/deb/*.deb "$root/debs" && rm -f "$root"/debs/*-dbgsym_*
ok build

inside apt-get update -q || fail "apt-get update"
inside apt-get install -q -y --no-install-recommends gcc libc6-dev pkg-config ||
    fail "a compiler"
# shellcheck disable=SC2016
inside sh -c 'apt-get install -q -y --no-install-recommends /debs/*.deb' ||
    fail install
[ -L "$root/etc/systemd/system/multi-user.target.wants/softmaxd.service" ] ||
    fail "the service is not enabled"
[ -f "$root/etc/default/softmaxd" ] || fail "no /etc/default/softmaxd"
grep -q '^EnvironmentFile=-/etc/default/softmaxd$' \
    "$root/lib/systemd/system/softmaxd.service" ||
    fail "the unit does not read it"
! grep -r '@[A-Z]*@' "$root/lib/systemd/system/softmaxd.service" ||
    fail "the unit is not filled in"
ok install

mkdir -m 700 "$root/run/softmaxd"
chroot "$root" /usr/sbin/softmaxd --listen unix:/run/softmaxd/http.sock \
    >"$work/log" 2>&1 &
daemon=$!
tries=0
until answer=$(curl -sf --max-time 2 --unix-socket \
    "$root/run/softmaxd/http.sock" http://localhost/softmax \
    -H 'Content-Type: application/json' -d '{"logits":[1,2,3]}'); do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || fail start
    sleep 0.1
done
[ "$answer" = '{"probabilities":[0.09003057,0.24472848,0.66524094]}' ] ||
    fail "got $answer"
kill -TERM "$daemon"
wait "$daemon" || fail "exit status $?"
daemon=
rm -r "$root/run/softmaxd"
ok "start and stop"

cat >"$root/use.c" <<'C'
#include <softmax.h>
int main(void) { return !smx_status_string(SMX_OK); }
C
# shellcheck disable=SC2016
inside sh -c 'gcc -o /use /use.c $(pkg-config --cflags --libs softmax) &&
    /use' || fail "linking with libsoftmax-dev"
rm -rf "$root/use" "$root/use.c" "$root/debs"
ok "a program of its own"

inside apt-get purge -q -y softmaxd libsoftmax1 libsoftmax-dev || fail purge
left=$(find "$root" -xdev -name '*softmax*' ! -path '*/var/cache/apt/*' \
    ! -path '*/var/log/*')
[ -z "$left" ] || fail "left behind: $left"
ok purge
