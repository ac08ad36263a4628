#!/bin/sh
# SPDX-License-Identifier: MIT
# Numbers written on aarch64, with NEON and without, under qemu-user.
set -u
. tests/support/aarch64.sh
run_on_aarch64 numbers_on_aarch64 float32_sample tests/number/all_float32 2 7001
