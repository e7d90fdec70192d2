#!/usr/bin/env bash
# The two backends, and `perf record` of the same events, beside each other: ratios measured in one run, in
# turn, since machines drift. Needs root, tracefs, a C compiler and, for its rows, perf.
#
#     cargo build --release && benches/backends.sh [ROUNDS]          5 unless told
#
# TIDREC=PATH takes another tidrec.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
rounds=${1:-5}
tidrec=${TIDREC:-$here/../target/release/tidrec}
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
cc -O2 -pthread -o "$dir/loops" "$here/loops.c"

# Runs a way with a loop; adds to FILE: the loop's ns, what the loop used, what all used, the bytes written.
run() { # FILE WAY LOOP COUNT
    local file=$1 way=$2 loop=("$dir/loops" "$3" "$4") out="$dir/out" said
    local events=(-e task:task_newtask -e sched:sched_process_fork -e sched:sched_process_exit
        -e sched:sched_process_exec -e task:task_rename)
    rm -f "$out"
    TIMEFORMAT='%U %S'
    {
        time case $way in
        untraced) "${loop[@]}" ;;
        ptrace | perf) "$tidrec" --backend "$way" -q -o "$out" -- "${loop[@]}" ;;
        'perf record') perf record -q -a "${events[@]}" --call-graph dwarf -o "$out" -- "${loop[@]}" ;;
        esac >"$dir/said" 2>"$dir/errors"
    } 2>"$dir/time"
    said=$(<"$dir/said")
    awk -v said="$said" -v bytes="$(stat -c %s "$out" 2>/dev/null || echo 0)" \
        '{ split(said, s, " "); print s[2], s[4], ($1 + $2) * 1e9, bytes }' "$dir/time" >>"$file"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

compare() { # LOOP COUNT WAY…
    local loop=$1 count=$2 way round
    shift 2
    for ((round = 0; round <= rounds; round++)); do
        for way in "$@"; do
            run "$dir/$loop.$way" "$way" "$loop" "$count"
        done
    done
    echo "$loop, $count; $rounds rounds in turn"
    for way in "$@"; do
        # The first round warms caches.
        local ratio share bytes
        ratio=$(paste -d ' ' "$dir/$loop.$way" "$dir/$loop.untraced" | tail -n +2 | awk '{ print $1 / $5 }' | median)
        share=$(tail -n +2 "$dir/$loop.$way" | awk '{ print 100 * ($3 - $2) / $1 }' | median)
        bytes=$(tail -n +2 "$dir/$loop.$way" | awk '{ print $4 }' | median)
        printf '  %-12s %6.2fx untraced   %5.1f %% of a processor beside the loop   %11d bytes\n' \
            "$way" "$ratio" "$share" "$bytes"
    done
}

record=()
if command -v perf >/dev/null; then record=('perf record'); fi
compare threads 20000 untraced ptrace perf "${record[@]}"
compare forks 5000 untraced ptrace perf "${record[@]}"
compare signals 20000 untraced ptrace perf
