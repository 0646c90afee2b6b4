#!/bin/sh
# postgres.sh FOLDER_OF_PROGRAMS: a PostgreSQL of its own in a new folder, on a socket in it. Prints the folder when it is
# ready. Reads `stop` and `start`, and answers each; ends, and takes the folder away, when its input ends.
set -eu
bin=$1
dir=$(mktemp -d /tmp/tutti-pg.XXXXXX)
pid=
finish() {
  [ -z "$pid" ] || { kill -INT "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  rm -rf "$dir"
}
trap finish EXIT
trap '' INT

start() {
  "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=200 \
    -c shared_buffers=16MB >>"$dir/log" 2>&1 &
  pid=$!
  until "$bin/pg_isready" -q -h "$dir"; do
    kill -0 "$pid" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
    sleep 0.05
  done
}

LC_ALL=C "$bin/initdb" -D "$dir/data" -U tutti -A trust -E UTF8 --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
start
echo "$dir"
while read -r command; do
  case $command in
    stop) kill -INT "$pid"; wait "$pid" || true; pid= ;;
    start) start ;;
  esac
  echo "$command"
done
