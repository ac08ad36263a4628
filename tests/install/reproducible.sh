#!/bin/sh
# SPDX-License-Identifier: MIT
# The same bytes from another folder at another time by another user's habits:
# the release archive, the daemon, the libraries and the Debian packages. The
# image is built twice by tests/docker/check.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
failed=0
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fail() { echo "[  FAILED  ] reproducible: $*"; tail -n 20 "$work/log"; exit 1; }
same() { # NAME: of the first folder and of the other
    if cmp "$1" "$2"; then
        echo "[       OK ] reproducible: $(basename "$1")"
    else
        echo "[  FAILED  ] reproducible: $(basename "$1")"
        failed=1
    fi
}

# The second time is years ahead, where faketime is there to say so.
later=
command -v faketime >/dev/null && later="faketime -f +900d"

# A compiler cache would give the first answer twice.
make_in() { # FOLDER COMMAND...
    tree=$1
    shift
    (cd "$tree" && CCACHE_DISABLE=1 DEB_BUILD_OPTIONS=nocheck "$@") \
        >"$work/log" 2>&1 || fail "$* in $tree"
}

unpack() { # ARCHIVE FOLDER: the tree in it
    mkdir -p "$2"
    tar -C "$2" -xzf "$1"
    echo "$2"/softmaxd-*
}

make -s B="$work/dist1" dist || exit 1
sleep 1.1 # gzip knows whole seconds
(umask 077 && TZ=Asia/Kathmandu LC_ALL=C.UTF-8 \
    make -s B="$work/dist2" dist) || exit 1
for name in SHA256SUMS provenance.json; do
    same "$work/dist1/$name" "$work/dist2/$name"
done
archive=$(echo "$work"/dist1/softmaxd-*.tar.gz)
same "$archive" "$work/dist2/$(basename "$archive")"
(cd "$work/dist1" && sha256sum --quiet -c SHA256SUMS) || failed=1

one=$(unpack "$archive" "$work/one")
two=$(unpack "$archive" "$work/another/and/longer")
make_in "$one" make -j2 all shared
# shellcheck disable=SC2086
TZ=Asia/Kathmandu LC_ALL=C.UTF-8 make_in "$two" $later make -j1 all shared
for file in softmaxd libsoftmax.a; do
    same "$one/build/$file" "$two/build/$file"
done
for file in "$one"/build/*/libsoftmax.so.*; do
    same "$file" "$two${file#"$one"}"
done

if command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null; then
    make_in "$one" dpkg-buildpackage -b -us -uc
    # shellcheck disable=SC2086
    TZ=Asia/Kathmandu LC_ALL=C.UTF-8 make_in "$two" $later \
        dpkg-buildpackage -b -us -uc
    for file in "$work"/one/*.deb; do
        same "$file" "$work/another/and/longer/$(basename "$file")"
    done
else
    echo "[  SKIPPED ] reproducible: packages: no dpkg-buildpackage or dh"
fi
exit $failed
