# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced: leaves DOCKER_HOST pointing at an engine that answers, or returns 1
# with the reason in $reason. Uses the running engine; else starts one of its
# own below the caller's $work (Debian's docker.io), on a Unix socket, as root.
# shellcheck disable=SC2154
engine_start() {
    if docker version >/dev/null 2>&1; then
        engine_pid=
        return 0
    fi
    reason="no engine runs here, and none can be started"
    [ "$(id -u)" = 0 ] || { reason="$reason: not root"; return 1; }
    command -v dockerd >/dev/null ||
        { reason="$reason: dockerd is not installed (scripts/ci-deps.sh)"
          return 1; }
    mkdir -p "$work/engine"
    DOCKER_HOST=unix://$work/engine/sock
    export DOCKER_HOST
    dockerd --data-root "$work/engine/data" --exec-root "$work/engine/exec" \
        --pidfile "$work/engine/pid" -H "$DOCKER_HOST" \
        >"$work/engine/log" 2>&1 &
    engine_pid=$!
    tries=0
    until docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 60 ] || ! kill -0 "$engine_pid" 2>/dev/null; then
            reason="$reason: $(tail -n 1 "$work/engine/log")"
            return 1
        fi
        sleep 0.5
    done
}

engine_stop() {
    [ -z "${engine_pid:-}" ] && return 0
    kill "$engine_pid" 2>/dev/null
    wait "$engine_pid" 2>/dev/null
    umount "$work/engine/exec/netns/default" 2>/dev/null
    rm -rf "$work/engine"
}

# The mirror that this machine's apt uses.
apt_mirror() {
    sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' \
        -e 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources \
        2>/dev/null | head -n 1
}

# The Debian release that this machine runs.
own_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# A Debian root in $1, of $release (else this machine's own), for $arch where
# that is set, with the apt configuration and certificates of this machine, so
# that it reaches what this machine reaches. Bootstrapped once.
debian_root() {
    codename=${release:-$(own_release)}
    bootstrapped=build/debian-$codename${arch:+-$arch}.tar
    if [ ! -f "$bootstrapped" ]; then
        debootstrap --variant=minbase ${arch:+--arch="$arch"} "$codename" "$1" \
            "$(apt_mirror)" >/dev/null || return 1
        rm -rf "$1"/var/cache/apt/archives/*.deb
        mkdir -p build
        tar -C "$1" -cf "$bootstrapped.new" . &&
            mv "$bootstrapped.new" "$bootstrapped"
    else
        mkdir "$1" && tar -C "$1" -xf "$bootstrapped" || return 1
    fi
    rm -f "$1/etc/apt/sources.list"
    for sources in sources.list sources.list.d/debian.sources; do
        [ ! -f "/etc/apt/$sources" ] || sed "s/$(own_release)/$codename/g" \
            "/etc/apt/$sources" >"$1/etc/apt/$sources"
    done
    cp /etc/apt/apt.conf.d/* "$1/etc/apt/apt.conf.d/"
    mkdir -p "$1/etc/ssl/certs"
    cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/" 2>/dev/null
    return 0
}

# Have the image $1: it is here, or pulled, or the command after it makes it.
have_image() {
    wanted=$1
    shift
    docker image inspect "$wanted" >/dev/null 2>&1 && return 0
    timeout 60 docker pull -q "$wanted" >/dev/null 2>&1 && return 0
    "$@" "$wanted" >"$work/image.log" 2>&1 || {
        reason="no registry in reach and no stand-in for $wanted:"
        reason="$reason $(tail -n 1 "$work/image.log")"
        return 1
    }
    echo "$wanted: no registry in reach, one made of Debian packages stands in"
}

# By a build, since older engines' import takes any root for their own
# architecture's.
make_debian() { # IMAGE: debian:RELEASE-..., maybe in a folder
    release=${1#*debian:}
    release=${release%%-*}
    curl -sfo /dev/null --max-time 20 "$(apt_mirror)/dists/$release/Release" ||
        { echo "no mirror of packages in reach"; return 1; }
    mkdir "$work/context" && debian_root "$work/base" &&
        tar -C "$work/base" -cf "$work/context/base.tar" . || return 1
    rm -rf "$work/base"
    printf 'FROM scratch\nADD base.tar /\n' |
        docker build -q -t "$1" -f - "$work/context" || return 1
    rm -rf "$work/context"
}

make_haproxy() { # IMAGE
    docker build --network host -t "$1" - <<END
FROM $base
RUN apt-get update -q && apt-get install -q -y haproxy
USER haproxy
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
END
}

# The images that the Dockerfile and compose.yaml build on.
base_image() { # FOLDER: of the registry, or none: an architecture's own
    base=$1$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
    have_image "$base" make_debian
}

compose_images() {
    have_image debian:trixie-slim docker tag "$base" &&
        have_image haproxy:3.0 make_haproxy
}
