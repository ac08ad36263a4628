#!/bin/sh
# SPDX-License-Identifier: MIT
# A daemon of its own, then 300 random requests (check_random.py) against it.
# SOFTMAXD: the daemon; TEST_SEED: the seed.
set -u
daemon=${SOFTMAXD:-build/softmaxd}
name=random_requests_agree_with_decimal_arithmetic
log=$(mktemp)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -f "$log"' EXIT
echo "[ RUN      ] $name"
"$daemon" --listen 127.0.0.1:0 --log-level error >"$log" 2>&1 &
pid=$!
url=
tries=0
while [ -z "$url" ] && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
    url=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$log" | head -n 1)
done
# shellcheck disable=SC2086
if [ -n "$url" ] && timeout 120 python3 "$(dirname "$0")/check_random.py" \
    "$url" 300 ${TEST_SEED:-}; then
    echo "[       OK ] $name"
else
    cat "$log"
    echo "[  FAILED  ] $name"
    exit 1
fi
