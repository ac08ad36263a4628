#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh with the variables that OSS-Fuzz sets, and each target on its corpus.
# usage: check.sh FOLDER
set -u
cd "$(dirname "$0")/../../.." || exit 1
folder=$1
for tool in clang zip unzip; do
    command -v $tool >/dev/null ||
        { echo "[  SKIPPED ] oss-fuzz: no $tool"; exit 0; }
done
mkdir -p "$folder/work" "$folder/out"
folder=$(cd "$folder" && pwd)
CC=clang CFLAGS="-O1 -fno-omit-frame-pointer -fsanitize=address,fuzzer-no-link" \
    LIB_FUZZING_ENGINE=-fsanitize=fuzzer WORK=$folder/work OUT=$folder/out \
    tests/fuzz/oss-fuzz/build.sh || { echo "[  FAILED  ] oss-fuzz: build"; exit 1; }
failed=0
for program in "$folder"/out/fuzz_*; do
    [ -f "$program.dict" ] || continue
    name=$(basename "$program")
    rm -rf "$folder/seeds" && mkdir "$folder/seeds"
    unzip -q "${program}_seed_corpus.zip" -d "$folder/seeds"
    if "$program" -dict="$program.dict" -runs=500 "$folder/seeds" \
        >"$folder/log" 2>&1; then
        echo "[       OK ] oss-fuzz: $name"
    else
        tail -n 20 "$folder/log"
        echo "[  FAILED  ] oss-fuzz: $name"
        failed=1
    fi
done
exit $failed
