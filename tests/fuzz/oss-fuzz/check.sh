#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh with the variables that OSS-Fuzz sets, and each target from the corpus
# that it packs, for FUZZ_SECONDS (5).
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
targets=
for program in "$folder"/out/fuzz_*; do
    [ -f "$program.dict" ] || continue
    name=$(basename "$program")
    targets="$targets ${name#fuzz_}"
    rm -rf "$folder/corpus/${name#fuzz_}" && mkdir -p "$folder/corpus"
    unzip -q "${program}_seed_corpus.zip" -d "$folder/corpus/${name#fuzz_}" ||
        { echo "[  FAILED  ] oss-fuzz: seeds of $name"; exit 1; }
done
# shellcheck disable=SC2086
exec tests/fuzz/run.sh "$folder/out" "$folder/corpus" \
    "$folder/out/fuzz_request.dict" "${FUZZ_SECONDS:-5}" $targets
