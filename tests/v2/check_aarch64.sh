#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the 16-bit conversions for aarch64 and run them under qemu-user: NEON
# gives the bits of plain C.
set -u
. tests/support/aarch64.sh
run_on_aarch64 half_on_aarch64 test_half half_twins
