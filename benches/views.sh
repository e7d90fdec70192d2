#!/usr/bin/env bash
# What it takes to read events back, beside `perf script`, which prints those that `perf record` kept: one program,
# recorded by both at once; each file is then printed whole, in turn. Needs root, tracefs, a C compiler and perf.
#
#     cargo build --release && benches/views.sh [ROUNDS [THREADS]]          5 and 100000 unless told
#
# TIDREC=PATH and TIDVIEW=PATH take others.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C
rounds=${1:-5} threads=${2:-100000}
tidrec=${TIDREC:-$here/../target/release/tidrec}
tidview=${TIDVIEW:-$here/../target/release/tidview}
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
cc -O2 -pthread -o "$dir/loops" "$here/loops.c"

# Of this program alone, and without stacks: what both then keep is the same.
perf record -q -o "$dir/perf.data" -e task:task_newtask -e sched:sched_process_fork -e sched:sched_process_exit \
    -e sched:sched_process_exec -e task:task_rename -- \
    "$tidrec" --backend perf --stacks off -q -o "$dir/trace.tid" -- "$dir/loops" threads "$threads" >/dev/null

show() { # WAY
    case $1 in
    'perf script') perf script -i "$dir/perf.data" 2>/dev/null ;;
    'tidview timeline') "$tidview" timeline "$dir/trace.tid" --limit 0 ;;
    'tidview export csv') "$tidview" export "$dir/trace.tid" --to csv 2>/dev/null ;;
    'tidview threads --all') "$tidview" threads "$dir/trace.tid" --all --limit 0 ;;
    'tidview stats') "$tidview" stats "$dir/trace.tid" ;;
    esac
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

ways=('perf script' 'tidview timeline' 'tidview export csv' 'tidview threads --all' 'tidview stats')
for ((round = 0; round <= rounds; round++)); do
    for way in "${ways[@]}"; do
        begun=$(date +%s%N)
        show "$way" >"$dir/out"
        ended=$(date +%s%N)
        # The first round warms caches.
        ((round == 0)) || echo "$(((ended - begun) / 1000000)) $(wc -l <"$dir/out")" >>"$dir/$way"
    done
done
echo "$threads threads, created and joined; $rounds rounds in turn, medians"
echo "  perf.data $(stat -c %s "$dir/perf.data") bytes, trace.tid $(stat -c %s "$dir/trace.tid") bytes"
peer=$(cut -d ' ' -f 1 "$dir/perf script" | median)
for way in "${ways[@]}"; do
    took=$(cut -d ' ' -f 1 "$dir/$way" | median)
    printf '  %-22s %6d ms  %8d lines   %.3f of perf script\n' \
        "$way" "$took" "$(tail -n 1 "$dir/$way" | cut -d ' ' -f 2)" "$(awk "BEGIN { print $took / $peer }")"
done
