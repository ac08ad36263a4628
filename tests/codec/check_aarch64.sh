#!/bin/sh
# SPDX-License-Identifier: MIT
# Numbers written on aarch64, with NEON and without, under qemu-user.
set -u
name=numbers_on_aarch64
cross=aarch64-linux-gnu-gcc
if [ "$(uname -m)" = aarch64 ]; then
    echo "[  SKIPPED ] $name (this is one: float32_sample runs here)"
    exit 0
fi
for tool in $cross qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "[  SKIPPED ] $name (no $tool)"
        exit 0
    fi
done
program=build/aarch64-numbers/tests/codec/all_float32
if env -u MAKEFLAGS -u MAKELEVEL -u SAN make -s CC=$cross SAN= \
    O=build/aarch64-numbers $program &&
    qemu-aarch64 -L /usr/aarch64-linux-gnu $program 2 7001; then
    echo "[       OK ] $name"
else
    echo "[  FAILED  ] $name"
    exit 1
fi
