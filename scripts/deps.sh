#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what building and testing needs from Debian's or Ubuntu's packages.
set -eu
need="gcc make pkg-config libc6-dev libmicrohttpd-dev libjansson-dev
libgnutls28-dev zlib1g-dev libcmocka-dev libcurl4-gnutls-dev curl jq openssl
python3-minimal python3-yaml python3-jsonschema"
missing=
for package in $need; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends $missing
