#!/bin/sh
# SPDX-License-Identifier: MIT
# The two commands of the README in a Debian root that has only git and make.
# usage: fresh_root.sh [RELEASE]   (bookworm, trixie ...; else this machine's)
set -u
cd "$(dirname "$0")/../.." || exit 1
release=${1:-}
what="fresh ${release:+$release }root"
packages="git make"
. tests/install/fresh.sh
git clone -q . "$root/src" || fail "git clone"

fresh make -j2 -C /src deps check >"$work/log" 2>&1 ||
    fail "make deps check"
grep '^[0-9]* passed' "$work/log"
ok "make deps check"

serve make -C /src deps run
answer=$(curl -sf --max-time 2 http://127.0.0.1:8080/softmax \
    -H 'Content-Type: application/json' -d '{"logits":[1,2,3]}')
[ "$answer" = '{"probabilities":[0.09003057,0.24472848,0.66524094]}' ] ||
    fail "make deps run: got $answer"
ok "make deps run"
