#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what continuous integration needs beyond scripts/deps.sh: a second
# compiler, the linters, the arm64 cross build and qemu, packaging, an
# engine for images, a library of Triton's load generator, coverage, another
# clock, lintian, systemd for the units; Node and a Java for the generators of
# clients, a JDK, Go, Rust (as new as browsers want it) and R for the examples,
# unless some are here already.
set -eu
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
more=
command -v npm >/dev/null || more="$more nodejs npm"
command -v javac >/dev/null || more="$more default-jdk-headless"
command -v cargo >/dev/null || more="$more cargo-web"
command -v go >/dev/null || more="$more golang-go"
command -v Rscript >/dev/null || more="$more r-base-core r-cran-httr2 r-cran-jsonlite"
$sudo apt-get update -q
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends clang clang-format libclang-rt-14-dev llvm \
    cppcheck shellcheck gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
    qemu-user qemu-user-static docker.io docker-compose iptables debootstrap \
    python3-venv haproxy dpkg-dev debhelper prometheus libb64-0d chromium \
    faketime zip unzip lintian systemd $more
