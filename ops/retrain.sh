#!/bin/sh
# Retrains, evaluates and promotes, with nobody watching: what cron, systemd, Kubernetes and Airflow of this folder run.
#
#   drift (is it time?) ─▶ train ─▶ evaluate ─▶ promote
#
# Reads the environment:
#   TRUESTREAM_DATA       folder of plays and labels                              (needed)
#   TRUESTREAM_REGISTRY   folder of the registry                                  (needed)
#   TRUESTREAM            the program                                             (truestream)
#   TRUESTREAM_STATE      folder of a service: what people decided at its desk is written into the data
#                         as labels-desk.parquet first                            (none)
#   TRUESTREAM_LABELS     more options of labels, such as "--accounts FILE" where the service has pseudonyms (none)
#   TRUESTREAM_AS_OF      train as of this day                                    (when all was known that the data hold)
#   TRUESTREAM_TRAIN      more options of train, such as "--seed 7"               (none)
#   TRUESTREAM_EVALUATE   more options of evaluate, such as "--recall-min 0.8"    (none)
#   TRUESTREAM_ONLY_DRIFT 1: train only if the plays drifted away from the champion's, or there is no champion
#
# Each step writes one line of JSON to standard output; what went wrong stands on standard error. The exit code is that of the
# step that ended it: 0 promoted, or nothing to do; 2 options that cannot be; 3 the new version missed a gate and the champion stays;
# 4 data that cannot be read or learned from; 5 the disk does not take it; 6 another job writes the registry: try again later.
# It can be killed at any moment and run again: a version that was trained is not trained twice. What is evaluated and promoted is the
# version that was trained here, whatever else the registry has got since.
set -u

data="${TRUESTREAM_DATA:?the folder of plays and labels}"
registry="${TRUESTREAM_REGISTRY:?the folder of the registry}"
truestream="${TRUESTREAM:-truestream}"
as_of="${TRUESTREAM_AS_OF:+--as-of $TRUESTREAM_AS_OF}"

step() {
    name="$1"
    shift
    # Options come as words.
    # shellcheck disable=SC2086,SC2048
    "$truestream" "$name" "$@" --json
    code=$?
    [ "$code" -eq 0 ] || echo "retrain: $name ended with exit code $code" >&2
    return "$code"
}

if [ -n "${TRUESTREAM_STATE:-}" ]; then
    # shellcheck disable=SC2086
    "$truestream" labels --state "$TRUESTREAM_STATE" --out "$data/labels-desk.parquet" ${TRUESTREAM_LABELS:-} >&2 || exit
fi
if [ "${TRUESTREAM_ONLY_DRIFT:-0}" = 1 ] && "$truestream" models show champion --registry "$registry" >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    step drift --registry "$registry" --data "$data" $as_of
    case $? in
        0) exit 0 ;;
        3) ;;
        *) exit "$code" ;;
    esac
fi
# shellcheck disable=SC2086
trained="$(step train --registry "$registry" --data "$data" $as_of ${TRUESTREAM_TRAIN:-})" || exit
printf '%s\n' "$trained"
version="$(printf '%s\n' "$trained" | sed -n 's/.*"number":\([0-9][0-9]*\).*/\1/p')"
[ -n "$version" ] || {
    echo "retrain: train did not say which version it made" >&2
    exit 4
}
# shellcheck disable=SC2086
step evaluate --registry "$registry" --data "$data" --version "$version" $as_of ${TRUESTREAM_EVALUATE:-} || exit
step promote --registry "$registry" --version "$version"
