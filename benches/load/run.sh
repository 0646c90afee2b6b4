#!/bin/sh
# Starts a server on ports of its own and loads it with the standard set, one line of JSON for each load.
#
#   TUTTI_BIN   the program [target/release/tutti]
#   SECONDS_EACH   how long media flows in each load [15]
#   ONLY   names of loads to run [all]
set -eu

bin=${TUTTI_BIN:-target/release/tutti}
seconds=${SECONDS_EACH:-15}
port=${PORT:-18880}
log=$(mktemp)

"$bin" serve --dev --bind 127.0.0.1 --port "$port" --tcp-port $((port + 1)) --udp-port-base $((port + 2)) \
  --log-level warn >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT INT TERM
tries=0
until grep -q 'is ready' "$log"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
    cat "$log"
    exit 1
  fi
  sleep 0.1
done

failed=0
load() {
  name=$1
  shift
  case " ${ONLY:-$name} " in *" $name "*) ;; *) return 0 ;; esac
  printf '\n== %s: tutti load %s\n' "$name" "$*" >&2
  out=$(mktemp)
  "$bin" load --dev --url "ws://127.0.0.1:$port" --server-pid "$server" --duration "${seconds}s" "$@" >"$out" || failed=1
  sed '$d' "$out" >&2
  # The name in front of the figures.
  tail -n 1 "$out" | sed "s/^{/{\"load\":\"$name\",/"
  rm -f "$out"
}

load audio --publishers 10 --subscribers 90 --audio-only
load video --publishers 1 --subscribers 50 --video-kbps 1500
load simulcast --publishers 2 --subscribers 20 --video-kbps 1500 --simulcast
load dual --publishers 1 --subscribers 50 --video-kbps 1500 --dual
load rooms --rooms 10 --publishers 3 --subscribers 0 --conversation --video-kbps 500
load joins --publishers 0 --subscribers 500
load flood --publishers 1 --subscribers 10 --video-kbps 1500 --flood 50000
exit "$failed"
