#!/bin/sh
# SPDX-License-Identifier: MIT
# Run test programs one after another; show what fails; count the tests.
# usage: tests/run.sh PROGRAM...   (TEST_TIMEOUT seconds each, default 300)
set -u
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    timeout "${TEST_TIMEOUT:-300}" "$program" >"$log" 2>&1
    status=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep '^\[  FAILED  \]' "$log" | grep -vc 'test(s)')
    s=$(grep '^\[  SKIPPED \]' "$log" | grep -vc 'test(s)')
    # cmocka names each failed or skipped test twice: when it ends, in the sum
    f=$((f / 2 + f % 2)) s=$((s / 2 + s % 2))
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
        echo "FAIL $program (exit $status)"
        tail -n 60 "$log"
    else
        echo "ok   $program: $p passed$([ "$s" -eq 0 ] || echo ", $s skipped")"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
