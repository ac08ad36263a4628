#!/bin/sh
# SPDX-License-Identifier: MIT
# The tables of the codec are what their scripts write.
set -u
failed=0
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT

compare() { # FILE COMMAND...
    file=$1
    shift
    if "$@" >"$fresh" && cmp "$fresh" "server/number/$file"; then
        echo "[       OK ] $file"
    else
        echo "[  FAILED  ] $file"
        failed=1
    fi
}

if ! python3 -c 'import fractions' 2>/dev/null; then
    echo "[  SKIPPED ] tables: no python3 with fractions"
    exit 0
fi
for table in scales layouts32 layouts64; do
    compare "write_$table.c" scripts/number_tables.py "$table"
done
compare powers_of_ten.c scripts/powers_of_ten.py
exit "$failed"
