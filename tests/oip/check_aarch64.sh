#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the 16-bit conversions for aarch64 and run them under qemu-user: NEON
# gives the bits of plain C.
set -u
name=half_on_aarch64
cross=aarch64-linux-gnu-gcc
echo "[ RUN      ] $name"
if [ "$(uname -m)" = aarch64 ]; then
    echo "[  SKIPPED ] $name (this is one: test_half runs here)"
    exit 0
fi
for tool in $cross qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "[  SKIPPED ] $name (no $tool)"
        exit 0
    fi
done
folder=build/aarch64-half
if env -u MAKEFLAGS -u MAKELEVEL -u SAN make -s CC=$cross SAN= O=$folder \
    $folder/half_twins &&
    qemu-aarch64 -L /usr/aarch64-linux-gnu $folder/half_twins; then
    echo "[       OK ] $name"
else
    echo "[  FAILED  ] $name"
    exit 1
fi
