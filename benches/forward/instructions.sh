#!/bin/sh
# Instructions of the forward path per packet, by callgrind, into benches/forward/instructions.txt.
# Only what the server does is counted: `Call::counted_turn` without the clients (`Call::deliver`).
set -eu
target=${1:-target}
folder=$(dirname "$0")
counts=$(mktemp)
output=$(valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*Call*counted_turn*' --toggle-collect='*Call*deliver*' \
  --callgrind-out-file="$counts" "$target/release/tutti-bench-forward" fixed 2>&1)
packets=$(echo "$output" | sed -n 's/^\([0-9]*\) packets forwarded in all$/\1/p')
instructions=$(echo "$output" | sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
rm -f "$counts"
{
  echo "make bench-forward: 20 subscribers, callgrind (AVX2 ciphers, no AVX-512: valgrind has none)"
  echo "packets forwarded: $packets"
  echo "instructions: $instructions"
  echo "instructions per packet: $((instructions / packets))"
} > "$folder/instructions.txt"
cat "$folder/instructions.txt"
