#!/bin/sh
# SPDX-License-Identifier: MIT
# Install into a folder, build a program with pkg-config alone, run it against
# both libraries, read the man page, uninstall, and find nothing left.
# usage: installcheck.sh FOLDER
set -eu
root=$1
fail() { echo "[  FAILED  ] install: $*"; exit 1; }
rm -rf "$root"
make -s install PREFIX="$root" >/dev/null
"$root/sbin/softmaxd" --version >/dev/null || fail "softmaxd --version"
# each variable in the example of its options is one
sed -n 's/^#\(SOFTMAXD_[A-Z_]*\)=.*/\1/p' "$root/etc/default/softmaxd" | sort \
    >"$root/named"
"$root/sbin/softmaxd" --help | grep -o 'SOFTMAXD_[A-Z_]*' | sort \
    >"$root/known"
[ -s "$root/named" ] || fail "etc/default/softmaxd names no option"
[ -z "$(comm -23 "$root/named" "$root/known")" ] ||
    fail "etc/default/softmaxd names what is no option"
rm "$root/named" "$root/known"
echo "# changed" >>"$root/etc/default/softmaxd"
make -s install PREFIX="$root" >/dev/null
grep -q '# changed' "$root/etc/default/softmaxd" ||
    fail "a changed etc/default/softmaxd is overwritten"
cp server/softmaxd.default "$root/etc/default/softmaxd"
PKG_CONFIG_PATH=$root/lib/pkgconfig
export PKG_CONFIG_PATH
cat >"$root/use.c" <<'C'
#include <softmax.h>
#include <string.h>
int main(void)
{
    return strcmp(smx_status_string(SMX_OK), "no error") != 0;
}
C
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Werror -o "$root/use" "$root/use.c" \
    $(pkg-config --cflags --libs softmax)
LD_LIBRARY_PATH=$root/lib "$root/use" || fail "shared library"
LC_ALL=C readelf -d "$root/use" | grep -q 'NEEDED.*libsoftmax\.so\.1]' ||
    fail "soname: want libsoftmax.so.1"
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -o "$root/use-static" "$root/use.c" \
    $(pkg-config --cflags softmax) "$root/lib/libsoftmax.a" -lm -pthread
"$root/use-static" || fail "static library"
# what is exported is what the header declares
nm -D --defined-only "$root/lib/libsoftmax.so" | awk '{print $3}' | sort \
    >"$root/exported"
${CC:-cc} -E -P "$root/include/softmax.h" | grep -o 'smx_[a-z0-9_]*(' |
    tr -d '(' | sort -u >"$root/declared"
diff "$root/declared" "$root/exported" || fail "exported is not declared"
# and softmax(3) has it, and the constants; fields have a name of their own
grep -o '\bSMX_[A-Z0-9_]*' "$root/include/softmax.h" |
    grep -v -e '^SMX_FIELD' -e '^SMX_STATUSES$' -e '_H$' -e '^SMX_ENUM$' |
    sort -u | cat - "$root/declared" | while read -r name; do
    grep -qw "$name" lib/softmax.3 || echo "$name"
done >"$root/unsaid"
[ ! -s "$root/unsaid" ] || fail "not in softmax(3): $(cat "$root/unsaid")"
rm -f "$root/unsaid" "$root/use" "$root/use.c" "$root/use-static" "$root/exported" \
    "$root/declared"
make -s uninstall PREFIX="$root" >/dev/null
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "left behind: $left"
echo "[       OK ] install"
