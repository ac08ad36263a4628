#!/bin/sh
# SPDX-License-Identifier: MIT
# test_bits from every compiler here at several levels of optimisation.
set -u
status=0
for compiler in gcc clang; do
    if ! command -v $compiler >/dev/null; then
        echo "[  SKIPPED ] bits_by_$compiler (not installed)"
        continue
    fi
    for level in -O0 -O2 -O3; do
        name=bits_by_$compiler$level
        folder=build/bits-$compiler$level
        echo "[ RUN      ] $name"
        if make -s CC=$compiler CFLAGS="$level -g" O="$folder" \
            "$folder/test_bits" && "$folder/test_bits"; then
            echo "[       OK ] $name"
        else
            echo "[  FAILED  ] $name"
            status=1
        fi
    done
done
exit $status
