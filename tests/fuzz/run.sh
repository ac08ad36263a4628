#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzz each target for a while and say how often it ran.
# usage: run.sh PROGRAMS CORPORA DICTIONARY SECONDS TARGET...
set -u
programs=$1 corpora=$2 dictionary=$3 seconds=$4
shift 4
total=0

longest() { # TARGET: what it does not send back unread
    case $1 in
    write) echo 64 ;;
    accept) echo 1024 ;;
    number | numbers) echo 1199 ;;
    *) echo 4096 ;;
    esac
}

for target in "$@"; do
    mkdir -p "$corpora/$target"
    log=$corpora/$target.log
    if ! "$programs/fuzz_$target" -max_total_time="$seconds" \
        -max_len="$(longest "$target")" -timeout=10 -print_final_stats=1 -dict="$dictionary" \
        -artifact_prefix="$corpora/crash-$target-" \
        "$corpora/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "[  FAILED  ] fuzz: $target"
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    total=$((total + runs))
    echo "[       OK ] fuzz: $target: $runs executions," \
        "$((runs / seconds)) a second, $edges edges"
done
echo "$total executions"
