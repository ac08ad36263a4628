#!/bin/sh
# SPDX-License-Identifier: MIT
# One block in 401 of what make check-float32-all tries.
if "$ALL_FLOAT32_PROGRAM" 2 401; then
    echo "[       OK ] float32_sample"
else
    echo "[  FAILED  ] float32_sample"
    exit 1
fi
