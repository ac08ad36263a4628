#!/bin/sh
# SPDX-License-Identifier: MIT
# Each bound has a kernel that is timed beside it, on each instruction set.
set -u
for program in test_bounds test_dd_bounds; do
    BENCH=1 "$O/tests/kernel/$program" >/dev/null 2>&1 && continue
    echo "[  FAILED  ] $program times what it bounds"
    exit 1
done
echo "[       OK ] bounds_are_timed"
