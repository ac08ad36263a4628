# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced, by scripts that run in the tree's root and have $what to report: a
# Debian root of $release (else this machine's) in $root that has only
# $packages.
# shellcheck disable=SC2154
work=$(mktemp -d)
: >"$work/log"
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

ok() { echo "[       OK ] $what: $*"; }
skip() { echo "[  SKIPPED ] $what: $*"; exit 0; }
fail() { echo "[  FAILED  ] $what: $*"; tail -n 20 "$work/log"; exit 1; }
fresh() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    DEBIAN_FRONTEND=noninteractive "$@"; }
add() { fresh apt-get install -q -y --no-install-recommends "$@"; }

[ "$(id -u)" = 0 ] || skip "not root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
debian_root "$root" || fail "debootstrap"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc" || skip "cannot mount in a new root"
# shellcheck disable=SC2086
{ fresh apt-get update -q && add $packages; } >"$work/log" 2>&1 ||
    fail "$packages"

# A server in the root by the command, until it answers on its default port,
# which is the host's too: refuses to test somebody else's.
serve() { # COMMAND...
    ! curl -s -o /dev/null --max-time 2 http://127.0.0.1:8080/ ||
        skip "port 8080 is taken"
    # not through fresh(): $! must be make, which passes SIGTERM on
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        "$@" >"$work/log" 2>&1 &
    server=$!
    tries=0
    until curl -sf -o /dev/null --max-time 2 http://127.0.0.1:8080/readyz; do
        tries=$((tries + 1))
        if [ $tries -gt 3000 ] || ! kill -0 $server 2>/dev/null; then
            fail "$*"
        fi
        sleep 0.2
    done
}
