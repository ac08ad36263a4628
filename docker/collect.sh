#!/bin/sh
# SPDX-License-Identifier: MIT
# Lay out the root of the image: the program, the shared libraries that it
# loads, the loader, which packages those are from (SPDX and CycloneDX), and a
# folder for sockets; stripped, with fixed times.
# usage: collect.sh PROGRAM FOLDER
set -eu
program=$1 root=$2
mkdir -p "$root/run/softmaxd"
cp "$program" "$root/softmaxd"
strip "$root/softmaxd"
# ldd prints "name => /path (address)" and, for the loader, "/path (address)"
ldd "$program" | tr -s '[:blank:]' '\n' | grep '^/' | sort -u |
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
"$(dirname "$0")/../scripts/sbom.py" "$root/usr/share/sbom" "$root/softmaxd"
# a new volume mounted here takes over this owner
chown 10001:10001 "$root/run/softmaxd"
chmod 770 "$root/run/softmaxd"
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
