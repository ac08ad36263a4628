#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the library and test_bits for aarch64 and run them under qemu-user:
# base and NEON must give golden.txt's bits too.
set -u
name=bits_on_aarch64
cross=aarch64-linux-gnu-gcc
echo "[ RUN      ] $name"
if [ "$(uname -m)" = aarch64 ]; then
    echo "[  SKIPPED ] $name (this is one: test_bits runs here)"
    exit 0
fi
for tool in $cross qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "[  SKIPPED ] $name (no $tool)"
        exit 0
    fi
done
folder=build/aarch64-bits
if env -u MAKEFLAGS -u MAKELEVEL -u SAN make -s CC=$cross SAN= O=$folder \
    $folder/test_bits &&
    qemu-aarch64 -L /usr/aarch64-linux-gnu $folder/test_bits \
        tests/kernel/golden.txt 2; then
    echo "[       OK ] $name"
else
    echo "[  FAILED  ] $name"
    exit 1
fi
