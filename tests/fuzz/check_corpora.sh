#!/bin/sh
# SPDX-License-Identifier: MIT
# Every input that a fuzz target has in its corpus, once. O: the build folder.
set -u
status=0
here=$(dirname "$0")
for corpus in "$here"/corpus/*; do
    target=$(basename "$corpus")
    name=corpus_of_${target}_passes
    echo "[ RUN      ] $name"
    if timeout 100 "$O/tests/fuzz/replay_$target" "$corpus"; then
        echo "[       OK ] $name"
    else
        echo "[  FAILED  ] $name"
        status=1
    fi
done
exit $status
