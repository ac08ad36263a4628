#!/bin/sh
# SPDX-License-Identifier: MIT
# lib/softmax.h must compile alone, as C11 and as C++, without a warning, and
# the library must export nothing but smx_ symbols.
# O: the objects' folder; CC, CXX, NM: the tools.
set -u
status=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
warn="-Wall -Wextra -Wpedantic -Werror"

# verdict NAME COMMAND...
verdict()
{
    name=$1
    shift
    echo "[ RUN      ] $name"
    if "$@"; then
        echo "[       OK ] $name"
    else
        echo "[  FAILED  ] $name"
        status=1
    fi
}

only_smx()
{
    "${NM:-nm}" -g --defined-only "$O/libsoftmax.a" >"$scratch/symbols"
    grep -c ' T smx_' "$scratch/symbols" >/dev/null || return 1
    ! sed -n 's/^[0-9a-f]* [A-Z] //p' "$scratch/symbols" |
        grep -v -e '^smx_' -e '^__odr_asan\.' # the sanitizer's own
}

for dialect in c11 c17; do
    # shellcheck disable=SC2086
    verdict "header_alone_in_$dialect" "${CC:-cc}" -std=$dialect $warn \
        -x c -fsyntax-only -include lib/softmax.h /dev/null
done
if command -v "${CXX:-c++}" >/dev/null; then
    for dialect in c++11 c++20; do
        # shellcheck disable=SC2086
        verdict "header_alone_in_$dialect" "${CXX:-c++}" -std=$dialect $warn \
            -x c++ -fsyntax-only -include lib/softmax.h /dev/null
    done
else
    echo "[  SKIPPED ] header_alone_in_c++ (no C++ compiler)"
fi
verdict library_exports_only_smx_symbols only_smx
exit $status
