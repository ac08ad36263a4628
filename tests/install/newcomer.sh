#!/bin/sh
# SPDX-License-Identifier: MIT
# A newcomer's way through README.md, by copying alone: from `git clone` in a
# Debian root that has only git and make to answers by curl, Python and Node.
# usage: newcomer.sh [RELEASE]   (bookworm, trixie ...; else this machine's)
set -u
cd "$(dirname "$0")/../.." || exit 1
release=${1:-}
what="newcomer${release:+ on $release}"
packages="git make"
. tests/install/fresh.sh
git clone -q . "$root/src" || fail "git clone"
begin=$(date +%s)
readme() { python3 tests/install/readme_steps.py README.md "$@"; }

start=$(readme first sh) || fail "README.md starts with no command"
serve sh -c "cd /src && exec $start"
ok "$start: $(($(date +%s) - begin)) s after git clone"

copy() { # LANGUAGE FILE COMMAND...: what README.md shows has to say its answers
    language=$1 file=$2
    shift 2
    packages=$(readme packages "$language") || fail "$language: no block"
    # shellcheck disable=SC2086
    [ -z "$packages" ] || add $packages >"$work/log" 2>&1 ||
        fail "apt install $packages"
    readme program "$language" >"$root/root/$file"
    readme answers "$language" >"$work/want"
    fresh timeout 60 "$@" "/root/$file" >"$work/got" 2>"$work/log" ||
        fail "$language"
    diff "$work/want" "$work/got" >"$work/log" ||
        fail "$language answers otherwise"
    ok "$language answers what README.md says"
}

copy console curl.sh sh
copy python client.py python3
copy js client.mjs node
