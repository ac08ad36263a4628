#!/bin/sh
# SPDX-License-Identifier: MIT
# Prove of parsers that no input up to a bound leads out of bounds, with CBMC.
# usage: prove.sh FOLDER [PROOF...]   (a PROOF is a tests/prove/prove_NAME.c)
#
# Debian 12 has no cbmc: there it runs in a root of Debian 13, bootstrapped
# below FOLDER once (root). PROVE_SECONDS (600) bounds each proof.
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$1
shift
[ $# -gt 0 ] || set -- tests/prove/prove_*.c
work=$(mktemp -d)
failed=0
. tests/docker/engine.sh
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM

skip() { echo "[  SKIPPED ] prove: $*"; exit 0; }

root=$(pwd)/$folder/root
have_cbmc() {
    command -v cbmc >/dev/null && { in_root=; return; }
    [ "$(id -u)" = 0 ] || skip "no cbmc here, and not root"
    in_root="chroot $root"
    [ ! -e "$root/ready" ] || return 0
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    rm -rf --one-file-system "$root"
    release=trixie debian_root "$root" || skip "debootstrap failed"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    { $in_root apt-get update -q && $in_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends cbmc gcc libc6-dev; } \
        >"$work/log" 2>&1 || skip "cbmc: $(tail -n 1 "$work/log")"
    touch "$root/ready"
}

# Included by name alone, as the sources include each other.
includes=$(find server lib -name '*.h' -printf '-I%h\n' | sort -u)

prove() { # FILE NAME
    unwind=$(sed -n -e 's|^// unwind: |--unwind |p' \
        -e 's|^// unwindset: |--unwindset |p' "$1")
    # shellcheck disable=SC2086
    ${CC:-cc} -std=gnu11 -E -D_FORTIFY_SOURCE=0 -I. -Itests/prove $includes \
        "$1" -o "$work/$2.i" || return 1
    input=$work/$2.i
    if [ -n "$in_root" ]; then
        cp "$input" "$root/tmp" && input=/tmp/$2.i
    fi
    # shellcheck disable=SC2086
    timeout "${PROVE_SECONDS:-600}" $in_root cbmc $unwind \
        --undefined-shift-check --drop-unused-functions "$input" >"$work/$2.log" 2>&1
}
mkdir -p "$folder"
have_cbmc
for proof in "$@"; do
    name=$(basename "$proof" .c)
    begin=$(date +%s)
    if prove "$proof" "$name"; then
        properties=$(sed -n 's/^\*\* 0 of \([0-9]*\) failed.*/\1/p' "$work/$name.log")
        echo "[       OK ] $name: ${properties:-0} properties," \
            "$(($(date +%s) - begin)) s"
    else
        grep -E 'FAILURE|rror' "$work/$name.log" | head -n 20
        echo "[  FAILED  ] $name: $(tail -n 1 "$work/$name.log")"
        failed=1
    fi
done
exit $failed
