#!/bin/sh
# Replaces the replicas of services one at a time, under load: one more, wait until it is healthy
# and the gateway knows it, stop one old. The new ones have the present images and settings.
#   docker/roll.sh [SERVICE...]     default: user file audit
# A new one that does not become healthy within TIMEOUT_S is removed, and all old ones stay.
set -eu
cd "$(dirname "$0")/.."
TIMEOUT_S=${TIMEOUT_S:-120}
SEEN_S=${SEEN_S:-5} # the gateway asks the name server every 2 s
STOP_S=45           # more than SHUTDOWN_TIMEOUT_MS

running() { docker compose ps --quiet --status running "$1"; }

wait_until_healthy() { # container
  waited=0
  until [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; do
    [ "$waited" -lt "$TIMEOUT_S" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
}

start_one_more() { # service, its replicas now; sets new
  before=" $(running "$1" | tr '\n' ' ') "
  docker compose up --detach --no-deps --no-recreate --scale "$1=$(($2 + 1))" "$1"
  for new in $(running "$1"); do
    case $before in *" $new "*) ;; *) return 0 ;; esac
  done
  echo "No further replica of $1 has started." >&2
  return 1
}

roll() { # service
  docker compose rm --force "$1" # what had stopped: it would be started in place of a new one
  old=$(running "$1")
  count=$(printf '%s' "$old" | grep -c . || true)
  [ "$count" -gt 0 ] || { echo "No replica of $1 runs. Start the fleet first." >&2; return 1; }
  for container in $old; do
    start_one_more "$1" "$count"
    if ! wait_until_healthy "$new"; then
      docker logs --tail 20 "$new" >&2 || true
      docker rm --force "$new" >/dev/null
      echo "The new replica of $1 did not become healthy in $TIMEOUT_S s. It is removed; the old ones still run." >&2
      return 1
    fi
    sleep "$SEEN_S"
    docker stop -t "$STOP_S" "$container" >/dev/null
    docker rm "$container" >/dev/null
    echo "$1: a new replica has replaced an old one"
  done
}

[ $# -gt 0 ] || set -- user file audit
for service in "$@"; do
  case $service in
    user | file | audit) ;;
    *) echo "$service has one container only. Give user, file or audit." >&2; exit 2 ;;
  esac
done
for service in "$@"; do roll "$service"; done
