#!/usr/bin/env bash
# A long run, compressed: twenty minutes of a program that makes some 800 threads and processes a second,
# recorded into files of which the oldest go, with snapshots, marks, and a viewer that reads along. Then:
# is every creation in the files once, and nothing that was not; is each snapshot its stretch; did
# nothing grow?
#
#     tests/soak.sh [MINUTES]          20 unless told
#
# On Linux, with a C compiler, as root or wherever a process may trace its child. Exit status: 0 if all
# is well; 1 if anything was lost, differs, grew or failed, and then its files are kept; 2 if it cannot run.
set -euo pipefail
shopt -s inherit_errexit nullglob
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8

minutes=${1:-20}
seconds=$(awk -v m="$minutes" 'BEGIN { printf "%d", m * 60 }')
cap_kib=$(awk -v s="$seconds" 'BEGIN { m = s / 240; printf "%d", 1024 * (m < 1.5 ? 1.5 : m > 8 ? 8 : m) }')
rss_limit_kib=$((64 << 10))
before_s=3
after_s=1

say() { printf '%s\n' "$*"; }
cannot() {
    say "soak.sh: $*" >&2
    exit 2
}

[ "$seconds" -ge 90 ] || cannot "how many minutes is \"$minutes\"? One and a half at least: no file is given up earlier"
for command in cc python3 pkill setsid cargo; do
    command -v "$command" >/dev/null || cannot "there is no $command"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
groups=() # sessions that were started here
wrongs=()

wrong() {
    say "    WRONG: $*"
    wrongs+=("$*")
}

# What runs in a session of its own can be ended with all that it made, and nothing else with it.
start() { # start COMMAND…: in the background; its PID and session is $started
    setsid env --default-signal=INT,QUIT "$@" </dev/null &
    started=$!
    groups+=("$started")
}

clean() {
    local status=$? group
    trap - EXIT
    trap '' INT TERM HUP
    # The viewer first: it is no wonder then that it finds nothing.
    for group in "${groups[@]}"; do
        pkill -TERM -s "$group" || true
        pkill -KILL -s "$group" || true
        wait "$group" 2>/dev/null || true
    done
    if [ "${#wrongs[@]}" != 0 ]; then
        say "kept: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

(cd "$here/.." && cargo build --release --quiet) || cannot "cargo build --release failed"
bin=$(cd "$here/.." && cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release
# Whoever builds meanwhile does not change what runs here.
cp "$bin/tidrec" "$bin/tidview" "$work/"
tidrec=$work/tidrec
tidview=$work/tidview
cc -O1 -Wall -Wextra -pthread -o "$work/soak" "$here/../testdata/programs/soak.c" || cannot "soak.c does not compile"

# ---- The recording

mkdir "$work"/{all,snapshots}
touch "$work"/{seen,marks,triggered,view-wrong,samples,views}
# What is at hand in the end: each snapshot was named to this once.
printf '#!/bin/sh\nprintf "%%s\\t%%s\\n" "$1" "$TIDREC_TRIGGER" >>%q\n' "$work/triggered" >"$work/on-trigger"
chmod 755 "$work/on-trigger"

say "recording for $seconds s below $cap_kib KiB, in $work"
start env LOG="$work/log" "$tidrec" -o "$work/rec" --segment-size 128K --max-disk "${cap_kib}K" \
    --before "${before_s}s" --after "${after_s}s" --trigger 'live-threads>400' --trigger exit-signal \
    --trigger-pause 10s --on-trigger "$work/on-trigger" -- "$work/soak" "$seconds" \
    >"$work/out" 2>"$work/err"
recorder=$started
for _ in $(seq 100); do
    [ ! -s "$work/out" ] || break
    sleep 0.1
done
[ -s "$work/out" ] || { cat "$work/err" >&2; cannot "nothing is recorded"; }

# Views of the live folder, one after the other: none may fail, hang, or show what did not happen.
view_on() { # view_on WORK TIDVIEW
    local status
    only_live() { # only_live FILE: all that the check finds is that the recording goes on
        ! grep -q '"problem": ' "$1" || ! grep '"problem": ' "$1" | grep -qvE '"(cut short|unfinished)"'
    }
    view() { # view WORDS…: into the file view
        status=0
        timeout 300 nice "$2" "${@:3}" "$1/rec" >"$1/view" 2>"$1/view-err" || status=$?
        [ "$status" = 0 ] || [ -e "$1/ended" ] || { [ "$3 $status" = "check 1" ] && only_live "$1/view"; } ||
            echo "tidview ${*:3}: status $status: $(tail -n 1 "$1/view-err") $(tail -n 1 "$1/view")" >>"$1/view-wrong"
        echo "${*:3}" >>"$1/views"
    }
    while [ ! -e "$1/ended" ]; do
        view "$1" "$2" info --format json
        view "$1" "$2" timeline --format ndjson --kind clone,fork,vfork
        # A part of what is old, and all that is new; whole lines only were the viewer killed.
        [ "$status" != 0 ] || { awk 'NR % 50 == 0' "$1/view"; tail -n 1000 "$1/view"; } >>"$1/seen"
        view "$1" "$2" tree
        view "$1" "$2" check --format json
        view "$1" "$2" threads
        view "$1" "$2" timeline --lanes --limit 50
        sleep 1
    done
}
start bash -c "$(declare -f view_on); view_on \"\$@\"" soak-view "$work" "$tidview"
viewer=$started

sum() { # bytes of all files that are named on stdin
    awk '{ sum += $1 } END { print sum + 0 }'
}

sample() {
    local rss hwm ticks disk
    rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$recorder/status" 2>/dev/null) || return 0
    hwm=$(awk '/^VmHWM/ { print $2 }' "/proc/$recorder/status" 2>/dev/null) || return 0
    # Its name has no space in it.
    ticks=$(awk '{ print $14 + $15 }' "/proc/$recorder/stat" 2>/dev/null) || return 0
    disk=$(find "$work/rec" "$work"/rec-snapshot-*.tid -type f -printf '%s\n' 2>/dev/null | sum)
    [ -z "$rss" ] || [ -z "$hwm" ] || [ -z "$ticks" ] || echo "$SECONDS $rss $hwm $ticks $disk" >>"$work/samples"
}

# Each file has a second name here: what it gives up is still there to be compared.
keep_all() {
    local file
    for file in "$work"/rec/[0-9]*.tid; do
        [ -e "$work/all/${file##*/}" ] || ln "$file" "$work/all/" 2>/dev/null || true
    done
}

ctl() {
    timeout 30 "$tidrec" ctl "$recorder" "$@" >"$work/ctl" 2>&1
}

# Whoever moves snapshots away has room for others.
move_snapshots() { # move_snapshots LEAVE
    local written=() file
    mapfile -t written < <(cut -f 1 "$work/triggered")
    for file in "${written[@]}"; do
        [ "$(find "$work"/rec-snapshot-*.tid -type f 2>/dev/null | wc -l)" -gt "$1" ] || break
        [ ! -e "$file" ] || mv "$file" "$work/snapshots/"
    done
}

round=0
begun=$SECONDS
while kill -0 "$recorder" 2>/dev/null; do
    sleep 1
    [ "$SECONDS" -lt $((begun + 2 * seconds + 120)) ] || { wrong "the recording does not end"; break; }
    round=$((round + 1))
    keep_all
    [ $((round % 2)) != 0 ] || sample
    # Not in the last moments: then there may be nobody to hear it.
    [ $((SECONDS - begun)) -lt $((seconds - 8)) ] || continue
    if [ $((round % 3)) = 0 ]; then
        if ctl mark "mark $round"; then echo "mark $round" >>"$work/marks"; else wrong "ctl mark: $(cat "$work/ctl")"; fi
    fi
    [ $((round % 7)) != 0 ] || ctl status || wrong "ctl status: $(cat "$work/ctl")"
    [ $((round % 23)) != 0 ] || kill -USR1 "$recorder" || true
    [ $((round % 31)) != 0 ] || ctl snapshot || wrong "ctl snapshot: $(cat "$work/ctl")"
    move_snapshots 3
done
status=0
touch "$work/ended"
wait "${groups[0]}" || status=$?
wait "$viewer" || wrong "the viewer's loop failed"
groups=()
keep_all
[ "$status" = 0 ] || wrong "tidrec's exit status is $status: $(tail -n 1 "$work/err")"
result=$(tail -n 1 "$work/out")
[[ $result =~ ^made\ [0-9]+\ signals\ sent\ ([0-9]+)\ received\ ([0-9]+)$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]] ||
    wrong "the target's own result: $result"
signals=${BASH_REMATCH[2]:-}
while read -r line; do wrong "$line"; done <"$work/view-wrong"
! grep -E 'no snapshot|on-trigger|cannot' "$work/err" >"$work/said" || wrong "tidrec says: $(head -n 1 "$work/said")"

# ---- What it was

"$tidview" check "$work/rec" >"$work/check" 2>&1 || wrong "tidview check: $(tail -n 1 "$work/check")"
"$tidview" timeline --format ndjson "$work/rec" >"$work/timeline" 2>"$work/said" || wrong "tidview timeline failed"
for file in "$work"/snapshots/*.tid "$work"/rec-snapshot-*.tid; do
    "$tidview" check "$file" >"$work/check" 2>&1 || wrong "tidview check ${file##*/}: $(tail -n 1 "$work/check")"
done
move_snapshots 0
left=("$work"/rec-snapshot-*.tid)
[ "${#left[@]}" = 0 ] || wrong "--on-trigger did not hear of ${left[*]##*/}"
BEFORE_NS=$((before_s * 1000000000)) AFTER_NS=$((after_s * 1000000000)) PYTHONDONTWRITEBYTECODE=1 \
    python3 "$here/soak_compare.py" "$work" >"$work/compared" || wrong "the comparison failed"
while read -r line; do wrong "$line"; done < <(sed -n 's/^WRONG //p' "$work/compared")
declare -A is=()
while read -r name value; do is[$name]=$value; done < <(grep -v '^WRONG' "$work/compared")
[ "${is[logged]:-0}" -gt $((seconds * 50)) ] || wrong "only ${is[logged]:-0} creations"
[ "${is[snapshots]:-0}" -gt 0 ] || wrong "no snapshots"
[ "${is[left]:-0}" -lt "${is[files]:-0}" ] || wrong "no file was given up"
[ "${is[seen]:-0}" -gt 0 ] || wrong "the viewer saw nothing"

# Medians of the first and the last quarter; the beginning is no steady state, so the first tenth does
# not count.
read -r first_kib last_kib hwm_kib disk_kib ticks < <(python3 - "$work/samples" <<'END'
import statistics, sys
rows = [list(map(int, line.split())) for line in open(sys.argv[1])]
rss = [row[1] for row in rows]
rest = rss[len(rss) // 10:]
quarter = max(len(rest) // 4, 1)
print(int(statistics.median(rest[:quarter])), int(statistics.median(rest[-quarter:])),
      max(row[2] for row in rows), -(-max(row[4] for row in rows) // 1024), rows[-1][3])
END
)
[ "$hwm_kib" -le "$rss_limit_kib" ] || wrong "tidrec had $hwm_kib KiB"
[ $((last_kib * 10)) -le $((first_kib * 12)) ] || wrong "tidrec grew from $first_kib to $last_kib KiB"
[ "$disk_kib" -le "$cap_kib" ] || wrong "$disk_kib KiB on the disk, $cap_kib allowed"
recorded_s=$(awk 'NR == 1 { first = $1 } END { print $1 - first + 2 }' "$work/samples")
hz=$(getconf CLK_TCK)
cpu=$(awk -v t="$ticks" -v hz="$hz" -v s="$recorded_s" 'BEGIN { printf "%.1f", 100 * t / hz / s }')
each=$(awk -v t="$ticks" -v hz="$hz" -v n="${is[recorded]:-1}" 'BEGIN { printf "%.1f", 1e6 * t / hz / n }')

say ""
say "| what | value |"
say "|---|--:|"
say "| recorded | $seconds s, $((${is[logged]:-0} / seconds)) creations/s |"
say "| creations logged / recorded | ${is[logged]:-?} / ${is[recorded]:-?} |"
say "| exits, execs | ${is[exits]:-?}, ${is[execs]:-?} |"
say "| signals sent and received | ${signals:-?} |"
say "| differences, lost | ${is[differences]:-?}, ${is[lost]:-?} |"
say "| files ever / left | ${is[files]:-?} / ${is[left]:-?}, with ${is[kept]:-?} creations |"
say "| snapshots, their events | ${is[snapshots]:-?} (asked ${is[asks]:-?} times), ${is[in_snapshots]:-?} |"
say "| marks | ${is[marks]:-?} |"
say "| views of the live folder | $(wc -l <"$work/views"), ${is[seen]:-?} births compared |"
say "| disk, most / allowed | $disk_kib / $cap_kib KiB |"
say "| RSS, first / last quarter; most | $first_kib / $last_kib; $hwm_kib KiB |"
say "| queue, most | ${is[high_water]:-?} events |"
say "| stops of creators, p99 | $((${is[stop_p99]:-0} / 1000)) µs |"
say "| CPU of tidrec | $cpu % of one, $each µs for each creation |"
say "| verdict | $([ "${#wrongs[@]}" = 0 ] && echo ok || echo "**${#wrongs[@]} wrong**") |"
say ""
say "Linux $(uname -r), $(nproc) CPUs"
[ "${#wrongs[@]}" = 0 ] || exit 1
