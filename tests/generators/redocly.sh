#!/bin/sh
# SPDX-License-Identifier: MIT
# Redocly ends with 0 where it only warns: a warning is a failure here.
# usage: redocly.sh REDOCLY
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$1" lint --extends=recommended --format=json openapi.yaml >"$log" ||
    { cat "$log"; exit 1; }
jq -e '.totals.errors + .totals.warnings + .totals.ignored == 0' "$log" \
    >/dev/null || { cat "$log"; exit 1; }
echo "Redocly: no error, no warning"
