#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the library and test_bits for aarch64 and run them under qemu-user:
# base and NEON must give golden.txt's bits too, of tensors that an emulator gets
# through in a minute or two.
set -u
. tests/support/aarch64.sh
run_on_aarch64 bits_on_aarch64 test_bits test_bits tests/kernel/golden.txt 2 150000
