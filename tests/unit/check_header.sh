#!/bin/sh
# SPDX-License-Identifier: MIT
# lib/softmax.h must compile alone, as C11 and as C++, without a warning, its
# example must run, and the library must export what it declares and no more.
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

only_declared()
{
    "${NM:-nm}" -g --defined-only "$O/public/libsoftmax.a" |
        sed -n 's/^[0-9a-f]* [A-Z] //p' | sort >"$scratch/exported"
    "${CC:-cc}" -E -P lib/softmax.h | grep -o 'smx_[a-z0-9_]*(' | tr -d '(' |
        sort -u >"$scratch/declared"
    [ -s "$scratch/declared" ] && diff "$scratch/declared" "$scratch/exported"
}

example_runs()
{
    {
        printf '#include <stdio.h>\n#include "softmax.h"\nint main(void)\n{\n'
        sed -n '/@code/,/@endcode/p' lib/softmax.h | sed '1d;$d;s/^ \*//'
        printf 'return 0;\n}\n'
    } >"$scratch/example.c"
    # shellcheck disable=SC2086
    "${CC:-cc}" -std=c11 $warn ${SANITIZERS:-} ${LDFLAGS:-} -Ilib -o "$scratch/example" \
        "$scratch/example.c" "$O/public/libsoftmax.a" -lm -pthread &&
        [ "$("$scratch/example")" = "no error" ]
}

# The man page has the functions of the header and its example.
page_follows()
{
    "${CC:-cc}" -E -P lib/softmax.h | grep -o 'smx_[a-z0-9_]*(' | tr -d '(' |
        sort -u >"$scratch/declared"
    sed -n 's/^\.BI.*[ *"]\(smx_[a-z_]*\)(.*/\1/p' lib/softmax.3 | sort -u \
        >"$scratch/described"
    [ -z "$(comm -13 "$scratch/declared" "$scratch/described")" ] &&
        [ "$(wc -l <"$scratch/described")" -ge 10 ] &&
        sed -n '/@code/,/@endcode/p' lib/softmax.h | sed '1d;$d;s/^ \* //' \
            >"$scratch/example" &&
        sed -n '/^\.EX/,/^\.EE/p' lib/softmax.3 | sed '1d;$d' |
        diff "$scratch/example" -
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
verdict man_page_follows_the_header page_follows
verdict example_of_the_header_runs example_runs
verdict archive_exports_what_the_header_declares only_declared
exit $status
