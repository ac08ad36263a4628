#!/bin/sh
# SPDX-License-Identifier: MIT
# What no compiler says: banned functions, missing SPDX lines, files and
# functions that grew too long, a layer that reaches past its neighbour.
# usage: lint.sh FILE...
set -u
failed=0
complain() { echo "lint: $*"; failed=1; }

for word in sprintf vsprintf strcpy strcat atoi atol atof strtok alloca gets; do
    hits=$(grep -nE "(^|[^_[:alnum:]])$word\(" "$@") &&
        complain "$word is banned:
$hits"
done

for file in "$@"; do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier' ||
        complain "$file: no SPDX line"
    lines=$(wc -l <"$file")
    [ "$lines" -le 500 ] ||
        complain "$file: $lines lines, at most 500"
    case $file in
    *.c)
        # a function opens with { and closes with } in the first column
        awk -v file="$file" '
            /^{/ { start = NR }
            /^}/ && start {
                if (NR - start - 1 > 60) {
                    printf "lint: %s:%d: %d lines, at most 60\n", file,
                           start, NR - start - 1
                    bad = 1
                }
                start = 0
            }
            END { exit bad }' "$file" || failed=1
        ;;
    esac
    case $file in
    lib/*)
        grep -n '#include "\(.*/\)\?server\|#include "\.\./' "$file" &&
            complain "$file: lib/ knows nothing of server/"
        ;;
    server/*)
        includes=$(grep -o '#include "[^"]*lib/[^"]*"' "$file") &&
            complain "$file: server/ includes softmax.h only: $includes"
        ;;
    esac
done
exit $failed
