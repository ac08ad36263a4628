# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced: what docker/compose.yaml promises. Needs an engine, the image, and
# docker compose (or Debian's docker-compose).
# shellcheck disable=SC2016,SC2154
project=smx$$

compose() { # PROFILE ARGUMENTS...
    profile=$1
    shift
    if docker compose version >/dev/null 2>&1; then
        set -- docker compose -p "$project" -f compose.yaml \
            --profile "$profile" "$@"
    else
        set -- docker-compose -p "$project" -f compose.yaml \
            --profile "$profile" "$@"
    fi
    # Debian's looks for the profile of system calls where it is run.
    (cd docker && PORT=0 "$@" 2>>"$work/compose.log")
}

compose_works() {
    docker compose version >/dev/null 2>&1 ||
        command -v docker-compose >/dev/null
}

# The application's user is not the daemon's: the group of the socket counts, and
# that of an object in shared memory.
sidecar_asks() {
    compose sidecar exec -T app perl -MIO::Socket::UNIX -e '
        $s = IO::Socket::UNIX->new($ENV{SOFTMAX_SOCKET}) or exit 1;
        $body = q({"logits":[1,2,3]});
        print $s "POST /softmax HTTP/1.1\r\nHost: localhost\r\n",
            "Content-Type: application/json\r\nConnection: close\r\n",
            "Content-Length: ", length $body, "\r\n\r\n", $body;
        print while <$s>' >"$work/answer" </dev/null
}

sidecar_answers() {
    compose sidecar up -d >/dev/null && until_true 4 sidecar_asks || return 1
    compose sidecar exec -T app perl - <tests/docker/shared_memory.pl ||
        return 1
    compose sidecar down -v -t 5 >/dev/null
    grep -qF '[0.09003057,0.24472848,0.66524094]' "$work/answer"
}

was_asked() { # CONTAINER SINCE
    docker logs --since "$2" "$1" 2>&1 | grep -q 'endpoint="softmax"'
}

# CONTAINER: until requests reach it since its last start
takes_part() {
    until_true 20 was_asked "$1" \
        "$(docker inspect -f '{{.State.StartedAt}}' "$1")"
}

# Under load: kill one replica, start it again, stop the other, start it again.
replicas_lose_nothing() {
    compose replicas up -d >/dev/null || return 1
    port=$(docker port "$(compose replicas ps -q haproxy)" 8080/tcp |
        sed 's/.*://;q')
    wait_for "http://127.0.0.1:$port/readyz" || return 1
    one=$(compose replicas ps -q softmaxd-1)
    two=$(compose replicas ps -q softmaxd-2)
    {
        takes_part "$one" && takes_part "$two" &&
            docker kill "$one" >/dev/null &&
            sleep 1.5 && # some load on the other alone
            docker start "$one" >/dev/null && takes_part "$one" &&
            docker stop "$two" >/dev/null &&
            sleep 1 && # likewise
            docker start "$two" >/dev/null && takes_part "$two" &&
            touch "$work/all_took_part"
    } | timeout 120 tests/docker/load.py "$port" >"$work/count"
    read -r asked lost <"$work/count"
    echo "replicas: $asked requests, $lost lost"
    [ -e "$work/all_took_part" ] || return 1
    for c in "$one" "$two"; do
        [ "$(docker inspect -f '{{.State.Running}}' "$c")" = true ] || return 1
    done
    compose replicas down -v -t 5 >/dev/null
    [ "$asked" -gt 1000 ] && [ "$lost" -eq 0 ]
}

compose_stop() {
    compose_works || return 0
    compose sidecar down -v -t 1 >/dev/null
    compose replicas down -v -t 1 >/dev/null
}
