#!/bin/sh
# Runs the policies in order, each only once the one before has succeeded: custodian.sh all | batches
# Cloud Custodian does not wait for copies within a Region. So that nothing is shared, copied or deleted too early, it is
# asked what is still pending before the next policy.
set -eu

run() { # tag, policy: prints how many resources the policy matched
    c7n-org run -c accounts.yml -u policies.yml -s output --cache-period 0 -t "$1" -p "$2" >"$2.log" 2>&1 || {
        grep -E ' (ERROR|WARNING) |error:' "$2.log" >&2 || cat "$2.log" >&2
        return 1
    }
    sed -n "s/.*Policy resource counts Counter({'$2': \([0-9]*\)}).*/\1/p" "$2.log" | grep . || echo 0
}

await() { # tag
    while [ "$(run "$1" pending)" != 0 ]; do sleep "$POLL"; done
}

copy() { # tag, policy
    if [ "$MODE" = all ]; then
        run "$1" "$2"
        await "$1"
        return
    fi
    while matched=$(run "$1" "$2-batch") && [ "$matched" != 0 ]; do await "$1"; done
    [ "$matched" = 0 ]
}

MODE=$1
copy source copy-to-kms-b
run source share
copy dr copy-to-kms-c
run source delete
