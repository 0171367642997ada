#!/usr/bin/env bash
# Runs Swift's tests with the arguments given; where some fail, says last which and why: their output is long.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" != 0 ]; then
    echo "What failed:"
    grep -E '^(✘|↳)' "$log" | grep -v '^✘ Suite' | head -n 200 || true
fi
exit "$status"
