#!/bin/bash
# SPDX-License-Identifier: MIT
# Run by OSS-Fuzz in the tree: CC, CFLAGS, LIB_FUZZING_ENGINE, WORK and OUT are
# its; a target finds its libraries, dictionary and corpus beside it.
set -eu
# shellcheck disable=SC2016
rpath='-Wl,-rpath,$$ORIGIN/lib'
make -s -j"$(nproc)" B="$WORK/build" O="$WORK/build/o" SAN=fuzz \
    SANFLAGS="$CFLAGS" CFLAGS="-g" LDFLAGS="'$rpath'" CC="$CC" \
    FUZZING_ENGINE="$LIB_FUZZING_ENGINE" fuzzers
mkdir -p "$OUT/lib"
for program in "$WORK"/build/o/tests/fuzz/fuzz_*; do
    case $program in *.[od]) continue ;; esac
    name=$(basename "$program")
    cp "$program" "$OUT/$name"
    ldd "$program" | awk '/=> \// { print $3 }' |
        grep -vE '/lib(c|m|pthread|dl|rt|gcc_s|stdc\+\+)\.so' |
        xargs -r cp -L -t "$OUT/lib"
    tests/fuzz/dictionary.py "$WORK/build/o/openapi.json" >"$OUT/$name.dict"
    (cd "tests/fuzz/corpus/${name#fuzz_}" && zip -q -r - .) \
        >"$OUT/${name}_seed_corpus.zip"
done
