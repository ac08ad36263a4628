#!/bin/sh
# SPDX-License-Identifier: MIT
# Under qemu-user: numbers written on aarch64, with NEON and without; NEON reads
# arrays of numbers and base64 as plain C does, writes base64 as it does, and
# widens 16-bit floating point to its bits.
set -u
. tests/support/aarch64.sh
failed=0
run_on_aarch64 numbers_on_aarch64 float32_sample tests/number/all_float32 2 7001 || failed=1
run_on_aarch64 scan_on_aarch64 test_scan scan_twins || failed=1
run_on_aarch64 base64_on_aarch64 test_base64 base64_twins || failed=1
run_on_aarch64 half_on_aarch64 test_half half_twins || failed=1
exit $failed
