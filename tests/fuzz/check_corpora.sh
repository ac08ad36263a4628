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
# A second run of a target harms none beside it, as of "make check" elsewhere.
name=two_runs_of_regions_at_once
timeout 100 "$O/tests/fuzz/replay_regions" "$here/corpus/regions" &
other=$!
if timeout 100 "$O/tests/fuzz/replay_regions" "$here/corpus/regions" &&
    wait "$other"; then
    echo "[       OK ] $name"
else
    echo "[  FAILED  ] $name"
    status=1
fi
exit $status
