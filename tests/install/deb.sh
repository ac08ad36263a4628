#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian packages in a root of their own: built, installed, run, linked
# against, purged, and nothing left. systemd does not run in there: the daemon
# is started by hand, its unit only looked at.
set -u
cd "$(dirname "$0")/../.." || exit 1
what=deb
packages="gcc libc6-dev pkg-config"
. tests/install/fresh.sh
for tool in dpkg-buildpackage dh; do
    command -v $tool >/dev/null || skip "no $tool (scripts/ci-deps.sh)"
done

# make check has run already
DEB_BUILD_OPTIONS=nocheck make -s deb >"$work/log" 2>&1 || fail build
mkdir "$root/debs"
cp build/deb/*.deb "$root/debs" && rm -f "$root"/debs/*-dbgsym_*
ok build

# shellcheck disable=SC2046
add $(cd "$root" && echo ./debs/*.deb) >"$work/log" 2>&1 || fail install
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
server=$!
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
kill -TERM "$server"
wait "$server" || fail "exit status $?"
server=
rm -r "$root/run/softmaxd"
ok "start and stop"

cat >"$root/use.c" <<'C'
#include <softmax.h>
int main(void) { return !smx_status_string(SMX_OK); }
C
# shellcheck disable=SC2016
fresh sh -c 'gcc -o /use /use.c $(pkg-config --cflags --libs softmax) &&
    /use' >"$work/log" 2>&1 || fail "linking with libsoftmax-dev"
rm -rf "$root/use" "$root/use.c" "$root/debs"
ok "a program of its own"

fresh apt-get purge -q -y softmaxd libsoftmax1 libsoftmax-dev \
    >"$work/log" 2>&1 || fail purge
left=$(find "$root" -xdev -name '*softmax*' ! -path '*/var/cache/apt/*' \
    ! -path '*/var/log/*')
[ -z "$left" ] || fail "left behind: $left"
ok purge
