#!/usr/bin/env bash
# Records real programs for about an hour, beside an oracle that shares no code with any tracer: perf on
# the scheduler's tracepoints. Five programs, each in rounds of a recording until its fifth of the time
# is recorded. After each round: is every task that the kernel made and ended in the trace, and no
# other; is nothing lost; and is the program's own result the one that it has untraced?
#
#     tests/hour.sh [MINUTES]          60 unless told, or HOUR_SCALE times 60
#     HOUR_ONLY="jvm go" tests/hour.sh some of: python jvm make postgres go
#
# On Debian, as root. Installs what is missing and says so. Exit status: 0 if all is well; 1 if anything
# was lost, differs or failed, and then the rounds in question are kept; 2 if it cannot run.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C.UTF-8 # of what is read, and of what the programs print

minutes=${1:-$(awk -v scale="${HOUR_SCALE:-1}" 'BEGIN { print 60 * scale }')}
read -ra stages <<<"${HOUR_ONLY:-python jvm make postgres go}"
share_ms=$(awk -v m="$minutes" -v n="${#stages[@]}" 'BEGIN { printf "%d", m * 60000 / n }')

say() { printf '%s\n' "$*"; }
cannot() {
    say "hour.sh: $*" >&2
    exit 2
}

[ "$share_ms" -gt 0 ] || cannot "how many minutes is \"$minutes\"?"
[ "$(id -u)" = 0 ] || cannot "only root sees the kernel's tracepoints"
# The tracepoints' PIDs are the first namespace's.
[ "$(readlink /proc/self/ns/pid)" = "pid:[4026531836]" ] || cannot "this is not the first pid namespace"

work=$(mktemp -d "${TMPDIR:-/tmp}/hour.XXXXXX")
chmod 711 "$work" # PostgreSQL's user passes through
patience=900      # seconds, for any one command
groups=()         # sessions that were started here and run
postgres_dir=
mounted=
policy=
kept=
all_well=yes
wrongs=()

# What runs in a session of its own can be ended with all that it made, and nothing else with it.
start() { # start COMMAND…: in the background; its PID, group and session is $started
    # The shell has what is in the background ignore these two, which the programs' tests send.
    setsid env --default-signal=INT,QUIT "$@" </dev/null &
    started=$!
    groups+=("$started")
}

finish() { # finish PID: waits for it; its status. A program that a recorder stopped for ever is a find
    local status=0 group left=() deadline=$((SECONDS + patience))
    while kill -0 "$1" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            wrong "does not end within $patience s"
            ps -L -s "$1" -o pid,tid,ppid,stat,wchan:24,comm >>"$work/log" || true
            pkill -KILL -s "$1" || true
            break
        fi
        sleep 0.05
    done
    wait "$1" || status=$?
    for group in "${groups[@]}"; do
        [ "$group" = "$1" ] || left+=("$group")
    done
    groups=("${left[@]}")
    return "$status"
}

clean() {
    local status=$? group
    trap - EXIT
    trap '' INT TERM HUP
    for group in "${groups[@]}"; do
        pkill -TERM -s "$group" || true
        pkill -KILL -s "$group" || true
        wait "$group" 2>/dev/null || true
    done
    [ -z "$postgres_dir" ] || as_nobody "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -m immediate stop >/dev/null 2>&1 || true
    [ -z "$policy" ] || rm -f /usr/sbin/policy-rc.d
    [ -z "$mounted" ] || umount /sys/kernel/tracing 2>/dev/null || true
    if [ -n "$kept" ]; then
        find "$work" -mindepth 1 -maxdepth 1 ! -name kept -exec rm -rf {} +
        say "kept: $work/kept"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- What it needs

updated=
apt_install() { # apt_install PACKAGE…
    say "installing: $*"
    if [ -z "$updated" ]; then
        apt-get update -qq || cannot "apt-get update failed"
        updated=yes
    fi
    # No service that comes with a package shall start.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=yes
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
        { cat "$work/apt.log" >&2; cannot "cannot install $*"; }
    if [ -n "$policy" ]; then
        rm -f /usr/sbin/policy-rc.d
        policy=
    fi
}

need() { # need COMMAND PACKAGE…
    local command=$1
    shift
    command -v "$command" >/dev/null || apt_install "$@"
}

need perf linux-perf
need python3 python3
need pkill procps
# A wrapper that picks one of several Pythons would add processes of its own.
python=$(python3 -c 'import sys; print(sys.executable)')
if [ ! -e /sys/kernel/tracing/events ]; then
    mount -t tracefs tracefs /sys/kernel/tracing || cannot "cannot mount tracefs"
    mounted=yes
fi
(cd "$here/.." && cargo build --release --quiet) || cannot "cargo build --release failed"
bin=$(cd "$here/.." && cargo metadata --format-version 1 --no-deps | "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release
tidrec=$bin/tidrec
tidview=$bin/tidview

# ---- One round

# perf answers when it has begun and when it has ended, so all between is in its file.
perf_start() {
    rm -f "$work/control" "$work/answer"
    mkfifo "$work/control" "$work/answer"
    exec {control}<>"$work/control" {answer}<>"$work/answer"
    start perf record --all-cpus --clockid mono --mmap-pages 32M --no-buildid --no-buildid-cache \
        -e task:task_newtask -e sched:sched_process_exec -e sched:sched_process_exit \
        --delay -1 --control "fifo:$work/control,$work/answer" --output "$work/perf.data" \
        >"$work/perf.log" 2>&1
    perf=$started
    perf_ask enable
}

perf_ask() { # perf_ask COMMAND
    local reply
    echo "$1" >&"$control"
    read -r -t 60 -u "$answer" reply || { cat "$work/perf.log" >&2; cannot "perf does not $1"; }
}

perf_stop() { # how many events it lost is $perf_lost
    perf_ask stop
    finish "$perf" || { cat "$work/perf.log" >&2; cannot "perf failed"; }
    exec {control}>&- {answer}>&-
    perf_lost=$(perf report --force --stats --stdio --input "$work/perf.data" 2>/dev/null |
        awk '/LOST/ { sum += $3 } END { print sum + 0 }')
    [ "$perf_lost" != 0 ] || ! grep -qi lost "$work/perf.log" || perf_lost=some
}

sum() { # sum NAME VALUE: adds to a total of the stage
    total[$1]=$((${total[$1]:-0} + $2))
}

wrong() { # wrong WHAT: the round is not well; what it left is kept
    say "    WRONG: $*"
    wrongs+=("$*")
    all_well=no
}

# A command's round.
round_of_command() {
    perf_start
    start "$tidrec" -q --force -o "$work/trace" -- "$work/$stage/run" "$work/result" >"$work/log" 2>&1
    creator=$started
    local status=0
    finish "$started" || status=$?
    [ "$status" = "$(cat "$work/$stage/status")" ] || wrong "exit status $status, untraced $(cat "$work/$stage/status")"
    until=
    perf_stop
}

# What is recorded in $work/trace is held against the kernel's account and the untraced result.
judge() {
    local info out fields differences result=same begin=$SECONDS
    if [ ! -s "$work/trace" ]; then
        kept=yes
        mkdir -p "$work/kept"
        cp "$work/log" "$work/kept/"
        say "  round $round: there is no trace: $(tail -n 1 "$work/log")"
        exit 1
    fi
    "$tidview" info --format json "$work/trace" >"$work/info"
    info=$("$python" - "$work/info" <<'END'
import json, sys
i = json.load(open(sys.argv[1]))
t = i["tasks"]
print(i["duration_ns"] // 1000000, t["created_threads"], t["created_processes"], t["exited"],
      i["lost"], i["gaps"], (i.get("overhead") or {}).get("creation_stop_p99_ns", 0) // 1000,
      (i.get("end_reason") or "cut short").replace(" ", "_"))
END
    )
    local ms threads processes exits lost gaps p99 ending
    read -r ms threads processes exits lost gaps p99 ending <<<"$info"
    "$tidview" check "$work/trace" >"$work/check" 2>&1 || wrong "tidview check: $(tail -n 1 "$work/check")"
    "$tidview" timeline --format ndjson "$work/trace" >"$work/ndjson"
    # shellcheck disable=SC2086 # no time, no argument
    perf script --force --ns -F pid,tid,time,event,trace --input "$work/perf.data" 2>"$work/script.log" |
        PYTHONDONTWRITEBYTECODE=1 "$python" "$here/hour_compare.py" "$work/trace" "$work/ndjson" "$creator" \
            "$([ "$perf_lost" = 0 ] && echo 0 || echo 1)" $until >"$work/differences" ||
        cannot "the comparison failed: $(cat "$work/script.log")"
    out=$(head -n 1 "$work/differences")
    read -r fields _ differences <<<"$out"
    [ "$differences" = 0 ] || wrong "$differences differences, the first: $(sed -n 2p "$work/differences")"
    [ "$fields" = $((threads + processes)) ] || [ "$perf_lost" != 0 ] || [ "$differences" != 0 ] ||
        wrong "$fields creations compared, $((threads + processes)) recorded"
    [ "$fields" != 0 ] || wrong "nothing was created"
    [ "$lost" = 0 ] || wrong "$lost events lost"
    [ "$gaps" = 0 ] || wrong "$gaps gaps"
    if ! cmp -s "$work/$stage/alone" "$work/result"; then
        result=differs
        wrong "another result than untraced: $(diff "$work/$stage/alone" "$work/result" | sed -n 2,3p | tr '\n' ' ')"
    fi
    sum rounds 1
    sum ms "$ms"
    sum threads "$threads"
    sum processes "$processes"
    sum exits "$exits"
    sum lost "$lost"
    sum gaps "$gaps"
    sum differences "$differences"
    [ "$result" = same ] || sum unlike 1
    [ "$perf_lost" = 0 ] || sum perf_lost "${perf_lost/some/1}"
    say "  round $round: $((ms / 1000)).$((ms / 100 % 10)) s, $threads threads, $processes processes, $exits exits;" \
        "lost $lost, gaps $gaps, differences $differences, result $result" \
        "(${ending//_/ }; stops of creators ≤ $p99 µs p99; compared in $((SECONDS - begin)) s)"
    [ "$perf_lost" = 0 ] || say "    perf lost events ($perf_lost): only looked for what is not in the trace"
    if [ "${#wrongs[@]}" != 0 ]; then
        kept=yes
        mkdir -p "$work/kept/$stage-$round"
        cp "$work"/{trace,perf.data,differences,log,result,info} "$work/$stage/alone" "$work/kept/$stage-$round/" || true
    fi
    rm -f "$work"/{trace,perf.data,perf.data.old,ndjson,result}
}

# The result of a command, untraced.
alone() {
    local status=0
    start "$work/$stage/run" "$work/$stage/alone" >"$work/log" 2>&1
    finish "$started" || status=$?
    echo "$status" >"$work/$stage/status"
    [ -s "$work/$stage/alone" ] || { tail -n 20 "$work/log" >&2; cannot "$stage: no result, untraced"; }
    say "  untraced: exit $status; $(tail -n 1 "$work/$stage/alone")"
}

script() { # script: the stage's command, from stdin; it writes its result into the file $1
    {
        printf '#!/bin/bash\nset -u\ndir=%q python=%q\n' "$work/$stage" "$python"
        cat
    } >"$work/$stage/run"
    chmod 755 "$work/$stage/run"
}

# ---- Python: threads, forks with threads, subprocesses, vfork, aborts

title_python="CPython's test_threading and test_subprocess"
prepare_python() {
    if ! "$python" -c 'import test.test_threading, test.test_subprocess' 2>/dev/null; then
        apt_install libpython3-testsuite
        python=/usr/bin/python3
    fi
    # Its own runner prints between what the tests' children print.
    cat >"$work/python/suite.py" <<'END'
import os, sys, unittest
suite = unittest.defaultTestLoader.loadTestsFromNames(["test.test_threading", "test.test_subprocess"])
outcome = {}
class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        outcome[test.id()] = "ok"
result = unittest.TextTestRunner(resultclass=Result).run(suite)
for word, tests in (("failed", result.failures), ("error", result.errors), ("skipped", result.skipped),
                    ("failed as expected", result.expectedFailures)):
    for test, _ in tests:
        outcome[test.id()] = word
with open(sys.argv[1], "w") as file:
    for test, word in sorted(outcome.items()):
        print(word, test, file=file)
    print(f"{result.testsRun} tests, {len(result.failures)} failed, {len(result.errors)} errors, "
          f"{len(result.skipped)} skipped", file=file)
os._exit(not result.wasSuccessful())
END
    script <<'END'
mkdir -p "$dir/cwd" && cd "$dir/cwd"
"$python" "$dir/suite.py" "$1"
END
    alone
}

# ---- JVM: thread churn, collections, SIGSEGV as a null check and as a full stack, children

title_jvm="JVM: threads, collections, null checks by SIGSEGV"
prepare_jvm() {
    need javac default-jdk-headless
    cat >"$work/jvm/Churn.java" <<'END'
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Churn {
	static int deep(int n) { return 1 + deep(n + 1); }

	static long work(int seed) {
		long sum = 0;
		List<byte[]> kept = new ArrayList<>();
		for (int i = 0; i < 200; i++) {
			byte[] some = new byte[1024 + (seed + i) % 4096];
			some[i] = (byte) i;
			if (i % 10 == 0) kept.add(some);
			sum += some[i];
			String text = i % 3 == 0 ? null : "text";
			try {
				sum += text.length();
			} catch (NullPointerException e) {
				sum += 1000;
			}
		}
		return sum + kept.size();
	}

	public static void main(String[] args) throws Exception {
		int rounds = Integer.parseInt(args[0]);
		AtomicLong sum = new AtomicLong(), full = new AtomicLong(), children = new AtomicLong();
		for (int round = 0; round < rounds; round++) {
			List<Thread> threads = new ArrayList<>();
			for (int i = 0; i < 40; i++) {
				int seed = round * 40 + i;
				Thread thread = new Thread(null, () -> sum.addAndGet(work(seed)), "churn-" + i, 256 << 10);
				threads.add(thread);
				thread.start();
			}
			Thread overflows = new Thread(() -> {
				try {
					deep(0);
				} catch (StackOverflowError e) {
					full.incrementAndGet();
				}
			});
			overflows.start();
			if (round % 10 == 0) {
				ExecutorService pool = Executors.newFixedThreadPool(8);
				List<Future<Integer>> ends = new ArrayList<>();
				for (int i = 0; i < 8; i++) {
					int code = i;
					ends.add(pool.submit(() -> new ProcessBuilder("sh", "-c", "exit " + code).start().waitFor()));
				}
				for (Future<Integer> end : ends) children.addAndGet(end.get());
				pool.shutdown();
				System.gc();
			}
			for (Thread thread : threads) thread.join();
			overflows.join();
		}
		System.out.println("sum " + sum + ", full stacks " + full + ", children's codes " + children);
		System.exit(9);
	}
}
END
    javac -d "$work/jvm" "$work/jvm/Churn.java"
    script <<'END'
# Small heaps, so that they are collected; collectors differ in the threads that they make.
for collector in G1 Parallel Serial; do
    java -Xmx48m "-XX:+Use${collector}GC" -XX:+UseDynamicNumberOfGCThreads -cp "$dir" Churn 150
    echo "exit $?"
done >"$1"
END
    alone
}

# ---- make: thousands of short processes, vforks, pipes

title_make="GNU sed: configure, make -j4"
prepare_make() {
    local dir=$work/make
    need make make
    need cc gcc libc6-dev
    need dpkg-source dpkg-dev
    need patch patch
    need xz xz-utils
    # Source lists of its own: the system's stay as they are.
    mkdir -p "$dir/parts" "$dir/lists/partial"
    cat >"$dir/parts/source.sources" <<'END'
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: stable
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    # shellcheck source=/dev/null
    sed -i "s/^Suites: .*/Suites: $(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")/" "$dir/parts/source.sources"
    local options=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$dir/parts"
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root)
    say "  fetching the source package sed"
    (cd "$dir" && apt-get "${options[@]}" update && apt-get "${options[@]}" source sed) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; cannot "cannot fetch the source package sed"; }
    mv "$dir"/sed-*/ "$dir/pristine"
    script <<'END'
# In the same folder each time: paths are in what is built.
rm -rf "$dir/tree"
cp -a "$dir/pristine" "$dir/tree"
cd "$dir/tree" || exit
./configure -q && make -s -j4 || exit
find . -name '*.o' -o -path ./sed/sed -o -path ./config.h | sort | xargs sha256sum >"$1"
printf 'one two\n' | sed/sed 's/\(o.*\) \(.*\)/\2 \1/' >>"$1"
END
    alone
}

# ---- PostgreSQL: attached to; a process per connection, and parallel workers

title_postgres="PostgreSQL: pgbench -C, parallel workers (attached)"
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; }
query() { "$postgres_bin/psql" -XAtq -h 127.0.0.1 -p "$port" -U bench -d postgres -c "$1"; }

bench() { # bench RESULT: in the background, as pgbench is in the way of nobody
    {
        printf '#!/bin/bash\nbin=%q port=%q dir=%q\n' "$postgres_bin" "$port" "$postgres_dir"
        cat <<'END'
run() { "$bin/pgbench" -n -h 127.0.0.1 -p "$port" -U bench "$@" postgres; }
{
    run -C -c 4 -j 2 -t 600
    echo "exit $?"
    run -C -c 2 -j 2 -t 60 -f "$dir/parallel.sql"
    echo "exit $?"
} 2>&1 | grep -E '^(number of (transactions actually|failed)|exit|pgbench: error)' >"$1"
"$bin/psql" -XAtq -h 127.0.0.1 -p "$port" -U bench -d postgres >>"$1" 2>&1 <<'SQL'
SELECT 'accounts, tellers, branches and history agree: ' ||
    ((SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(tbalance) FROM pgbench_tellers)
    AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches)
    AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history));
SQL
echo "crashes in the log: $(grep -cE 'PANIC|terminated by signal|crash' "$dir/server.log")" >>"$1"
END
    } >"$work/$stage/run"
    chmod 755 "$work/$stage/run"
    start "$work/$stage/run" "$1" >"$work/log" 2>&1
}

prepare_postgres() {
    local try
    compgen -G '/usr/lib/postgresql/*/bin/pgbench' >/dev/null || apt_install postgresql
    postgres_bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1)
    chown nobody:nogroup "$work/postgres"
    chmod 711 "$work/postgres"
    cat >"$work/postgres/parallel.sql" <<'END'
SELECT count(*) FROM pgbench_accounts WHERE abalance > -1000000;
END
    (cd / && as_nobody "$postgres_bin/initdb" -D "$work/postgres/data" -U bench -A trust --no-sync) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; cannot "initdb failed"; }
    cat >>"$work/postgres/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work/postgres'
fsync = off
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
END
    postgres_dir=$work/postgres
    for try in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        (cd / && as_nobody "$postgres_bin/pg_ctl" -w -D "$postgres_dir/data" -l "$postgres_dir/server.log" -o "-p $port" start) \
            >"$work/log" 2>&1 </dev/null && break
        [ "$try" != 5 ] || { cat "$work/log" >&2; cannot "PostgreSQL does not start"; }
    done
    "$postgres_bin/pgbench" -i -q -s 5 -h 127.0.0.1 -p "$port" -U bench postgres >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; cannot "pgbench -i failed"; }
    bench "$work/$stage/alone"
    finish "$started" || true
    say "  untraced: $(tr '\n' ';' <"$work/$stage/alone")"
    grep -q 'agree: true' "$work/$stage/alone" || cannot "PostgreSQL: wrong untraced"
}

# Odd rounds attach before the benchmark and let go after it, even ones both in its midst.
round_postgres() {
    local recorder benching
    creator=0
    perf_start
    if [ $((round % 2)) = 0 ]; then
        bench "$work/result"
        benching=$started
        sleep 1
    fi
    : >"$work/tidrec.log"
    start "$tidrec" --force -o "$work/trace" -p "$(head -n 1 "$postgres_dir/data/postmaster.pid")" >"$work/tidrec.log" 2>&1
    recorder=$started
    until grep -q 'recording postgres' "$work/tidrec.log"; do
        kill -0 "$recorder" 2>/dev/null || { cat "$work/tidrec.log" >&2; cannot "tidrec did not attach"; }
        sleep 0.05
    done
    if [ $((round % 2)) = 0 ]; then
        sleep 8
    else
        bench "$work/result"
        finish "$started" || true
        sleep 0.5
    fi
    until=$("$python" -c 'import time; print(time.monotonic_ns())')
    kill -INT "$recorder"
    finish "$recorder" || wrong "tidrec's exit status $?: $(tail -n 1 "$work/tidrec.log")"
    [ $((round % 2)) = 1 ] || finish "$benching" || true
    cat "$work/tidrec.log" >>"$work/log"
    perf_stop
}

# ---- Go: threads that die with their goroutines, preemption by SIGURG, and Go's own tests

title_go="Go: locked threads, GOMAXPROCS; its os/signal and runtime tests"
prepare_go() {
    need go golang-go
    [ -e "$(go env GOROOT)/src/os/signal/signal_test.go" ] || apt_install golang-src
    need cc gcc libc6-dev # runtime's tests have C parts
    mkdir "$work/go/churn"
    cat >"$work/go/churn/go.mod" <<'END'
module churn

go 1.19
END
    cat >"$work/go/churn/main.go" <<'END'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
)

type node struct{ value int }

func null(n *node) (caught int) {
	defer func() {
		if recover() != nil {
			caught = 1
		}
	}()
	return n.value
}

func main() {
	var sum, caught, codes, spun int64
	const rounds = 1500
	for round := 0; round < rounds; round++ {
		runtime.GOMAXPROCS(1 + round%6)
		var group sync.WaitGroup
		for i := 0; i < 12; i++ {
			group.Add(1)
			go func(i int) {
				defer group.Done()
				runtime.LockOSThread() // and no unlock: the thread ends with the goroutine
				atomic.AddInt64(&sum, int64(round*i))
				atomic.AddInt64(&caught, int64(null(nil)))
			}(i)
		}
		if round%20 == 0 {
			// No call in the loop: only a signal takes this goroutine off its thread.
			var stop, runs uint32
			group.Add(1)
			go func() {
				defer group.Done()
				atomic.StoreUint32(&runs, 1)
				for atomic.LoadUint32(&stop) == 0 {
				}
				atomic.AddInt64(&spun, 1)
			}()
			for atomic.LoadUint32(&runs) == 0 {
				runtime.Gosched()
			}
			runtime.GC()
			err := exec.Command("sh", "-c", "exit 3").Run()
			codes += int64(err.(*exec.ExitError).ExitCode())
			atomic.StoreUint32(&stop, 1)
		}
		group.Wait()
	}
	fmt.Println("sum", sum, "caught", caught, "codes", codes, "spun", spun)
	if sum != rounds*(rounds-1)/2*66 || caught != rounds*12 || spun != rounds/20 || codes != 3*spun {
		fmt.Println("WRONG")
		os.Exit(1)
	}
}
END
    export GOCACHE=$work/go/cache GOFLAGS= GOTOOLCHAIN=local GOTELEMETRY=off
    (cd "$work/go/churn" && go build -o ../churn-program .) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; cannot "go build failed"; }
    script <<'END'
cd "$dir/churn" || exit
{
    "$dir/churn-program"
    echo "exit $?"
    # How long each took is in brackets.
    go test -count=1 -short -v os/signal 2>&1 | sed -nE 's/^(--- )?(PASS|FAIL|SKIP|panic)(:? ?[^ ]*).*/\2\3/p' | sort
    go test -count=1 -short -v -run 'LockOS|Signal|SIG|Preempt|Thread' runtime 2>&1 |
        sed -nE 's/^(--- )?(PASS|FAIL|SKIP|panic)(:? ?[^ ]*).*/\2\3/p' | sort
} >"$1"
printf '%s tests passed, %s failed\n' "$(grep -c '^PASS: ' "$1")" "$(grep -c '^FAIL: ' "$1")" >>"$1"
END
    alone
}

# ---- All of them

rows=()
begun=$SECONDS
for stage in "${stages[@]}"; do
    title=title_$stage
    [ -n "${!title-}" ] || cannot "there is no stage \"$stage\""
done
say "recording for $minutes min in all, $((share_ms / 1000)) s for each of ${#stages[@]}; in $work"
for stage in "${stages[@]}"; do
    title=title_$stage
    say "${!title}"
    mkdir -p "$work/$stage"
    "prepare_$stage"
    declare -A total=([ms]=0)
    round=0 all_wrongs=0
    while [ "${total[ms]}" -lt "$share_ms" ]; do
        round=$((round + 1))
        wrongs=()
        if [ "$stage" = postgres ]; then
            round_postgres
        else
            round_of_command
        fi
        judge
        all_wrongs=$((all_wrongs + ${#wrongs[@]}))
        rm -f "$work"/{log,differences,info,check}
    done
    if [ "$stage" = postgres ]; then
        (cd / && as_nobody "$postgres_bin/pg_ctl" -w -m fast -D "$postgres_dir/data" stop) >/dev/null 2>&1 || true
        postgres_dir=
    fi
    rm -rf "${work:?}/$stage"
    rows+=("| ${!title} | ${total[rounds]} | $((total[ms] / 60000)):$(printf '%02d' $((total[ms] / 1000 % 60))) | ${total[threads]} | ${total[processes]} | ${total[exits]} | ${total[lost]} | ${total[gaps]} | ${total[differences]} | $([ "${total[unlike]:-0}" = 0 ] && echo same || echo "differs in ${total[unlike]}") | $([ "$all_wrongs" = 0 ] && echo ok || echo "**$all_wrongs wrong**")$([ "${total[perf_lost]:-0}" = 0 ] || echo ", perf lost ${total[perf_lost]}") |")
    unset total
done

say ""
say "| program | rounds | recorded | threads | processes | exits | lost | gaps | differences | own result | verdict |"
say "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|"
printf '%s\n' "${rows[@]}"
say ""
say "$((SECONDS - begun)) s with the untraced runs and the comparisons; Linux $(uname -r), $(nproc) CPUs"
[ "$all_well" = yes ] || exit 1
