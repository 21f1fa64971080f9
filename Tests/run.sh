#!/usr/bin/env bash
# Runs `swift test` with these arguments, ends as it ends, and lists the ten slowest suites on standard error.
#
# The tests run one after another: those that take long use every CPU core by themselves, and a suite's time is then
# its own. (Side by side, every test is said to take from its start in a queue to its end, which is nearly the whole
# run for most.)
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test --no-parallel "$@" | tee "$log"
status=$?
echo "The slowest suites, in seconds:" >&2
sed -nE 's/^.* Suite "?(.*[^"])"? (passed|failed) after ([0-9.]+) seconds.*$/\3 \1/p' "$log" | sort -rn | head -n 10 |
  awk '{ seconds = $1; $1 = ""; printf "%8.1f %s\n", seconds, $0 }' >&2
exit "$status"
