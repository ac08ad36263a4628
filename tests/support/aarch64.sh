# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by the checks that run a program on aarch64, under qemu-user.

# run_on_aarch64 NAME HERE PROGRAM [ARGUMENT]...: the check NAME builds PROGRAM
# and runs it; where the machine is an aarch64, HERE does what it does.
run_on_aarch64() {
    name=$1 here=$2 program=build/aarch64/$3
    cross=aarch64-linux-gnu-gcc
    shift 3
    echo "[ RUN      ] $name"
    if [ "$(uname -m)" = aarch64 ]; then
        echo "[  SKIPPED ] $name (this is one: $here runs here)"
        return 0
    fi
    for tool in $cross qemu-aarch64; do
        if ! command -v "$tool" >/dev/null; then
            echo "[  SKIPPED ] $name (no $tool)"
            return 0
        fi
    done
    # Checks run beside each other and build the same objects.
    if mkdir -p build/aarch64 && flock build/aarch64/lock \
        env -u MAKEFLAGS -u MAKELEVEL -u SAN make -s CC=$cross SAN= \
        O=build/aarch64 "$program" &&
        qemu-aarch64 -L /usr/aarch64-linux-gnu "$program" "$@"; then
        echo "[       OK ] $name"
    else
        echo "[  FAILED  ] $name"
        return 1
    fi
}
