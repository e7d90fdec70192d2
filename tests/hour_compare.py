#!/usr/bin/env python3
"""Holds a trace against what the kernel's tracepoints say, for tests/hour.sh.

    perf script … | python3 tests/hour_compare.py TRACE NDJSON CREATOR LOSSY [UNTIL_NS]

TRACE is the file (for its clock), NDJSON its timeline. CREATOR is the PID of tidrec, where it launched
the command, or 0 where it attached. LOSSY is 1 if perf lost events: then only what the kernel saw and
the trace has not is a difference. UNTIL_NS, on the monotonic clock, is when a recording that was not
ended by its target was asked to end: what the kernel saw later need not be in the trace.

The input is `perf script --ns -F pid,tid,time,event,trace` of task:task_newtask,
sched:sched_process_exec and sched:sched_process_exit. Prints one line, `CREATED EXITS DIFFERENCES`:
how many of each were compared; then the differences, a line each.
"""

import json
import re
import sys
from bisect import bisect_right

from format_reader import read_header

CLONE_UNTRACED = 0x00800000
CLONE_THREAD = 0x00010000
EXIT_SIGNAL = 0xFF

# The creator's name is in the text and may hold anything, a newline too: ids are taken from its ends.
HEAD = re.compile(
    r"\s*(-?\d+)/(-?\d+)\s+(\d+)\.(\d{9}):\s+"
    r"(?:task:(task_newtask)|sched:sched_process_(exit|exec)): (.*)"
)
NEWTASK = re.compile(r"pid=(\d+) .* clone_flags=([0-9a-f]+) oom_score_adj=", re.S)
EXEC = re.compile(r".* pid=(\d+) old_pid=(\d+)", re.S)


class Life:
    """One task: TIDs are used again, lives are not."""

    def __init__(self, tid, born=None, parent=None, flags=None):
        self.tid, self.born, self.parent, self.flags = tid, born, parent, flags
        self.exit = None  # when
        self.execed = False  # it took its leader's TID by an exec, and had no exit
        self.recorded = False
        self.orphan = False  # the trace has its end, and no beginning

    def __str__(self):
        made = "existing" if self.parent is None else f"{self.parent} -> {self.tid}"
        return f"tid {self.tid} ({made}, flags {self.flags if self.flags is None else hex(self.flags)})"


def records(lines):
    """(pid, tid, time, event, text) of each record."""
    head = None
    for line in lines:
        match = HEAD.fullmatch(line.rstrip("\n"))
        if not match:
            if head:
                head[-1] += "\n" + line
            continue
        if head:
            yield head
        pid, tid, seconds, ns, newtask, other, text = match.groups()
        time = int(seconds) * 1_000_000_000 + int(ns)
        head = [int(pid), int(tid), time, newtask or other, text]
    if head:
        yield head


def end_by_exec(leader, former):
    """After another thread's exec the leader lives on, or lives again: its exit does not count, and
    the caller's TID has ended without one."""
    if leader:
        leader.exit = None
    if former:
        former.execed = True


def seen_by_kernel(lines, root, creator):
    """TID -> its lives in the family of the root, in the order of time.

    A process that a family member made is in the family until its number is another's. That of a
    launched command is made by the recorder, which is made before; one that existed is its own."""
    lives, pids, waits = {}, set() if creator else {root}, bool(creator)
    for pid, tid, time, event, text in records(lines):
        last = lives.get(tid, [None])[-1]
        if event == "task_newtask":
            child, flags = NEWTASK.match(text).groups()
            child, flags = int(child), int(flags, 16)
            process = not flags & CLONE_THREAD
            if waits and pid == creator and child == root:
                waits = False
                pids.add(root)
                lives.setdefault(root, []).append(Life(root, time))
            elif pid in pids:
                if process:
                    pids.add(child)
                # The kernel reports those to no tracer: io_uring's workers.
                life = None if flags & CLONE_UNTRACED else Life(child, time, tid, flags)
                lives.setdefault(child, []).append(life)
            else:
                pids.discard(child)
                lives.setdefault(child, []).append(None)
        elif pid not in pids:
            continue
        elif event == "exit":
            if tid not in lives:
                lives[tid] = [Life(tid)]
                last = lives[tid][-1]
            if last:
                last.exit = time
        else:
            leader, former = map(int, EXEC.match(text).groups())
            if leader != former:
                end_by_exec(lives.get(leader, [None])[-1], lives.get(former, [None])[-1])
    return {tid: [l for l in all_ if l] for tid, all_ in lives.items() if any(all_)}


def recorded(lines, start):
    """The lives that the trace has, in the order of birth."""
    lives, alive = [], {}
    for line in lines:
        event = json.loads(line)
        time, kind = start + event["time_ns"], event["kind"]
        if kind in ("clone", "fork", "vfork"):
            flags = event.get("flags")
            life = Life(event["new_tid"], time, event["parent_tid"], flags and int(flags, 16) & ~EXIT_SIGNAL)
        elif kind == "existing":
            life = Life(event["tid"], time)
        elif kind == "exec" and event["former_tid"] != event["tid"]:
            end_by_exec(alive.get(event["tid"]), alive.get(event["former_tid"]))
            continue
        elif kind == "exit":
            life = alive.get(event["tid"])
            if life is None or life.exit or life.execed:
                life = Life(event["tid"], time)
                life.orphan = True
                lives.append(life)
            else:
                life.exit = time
            continue
        else:
            continue
        lives.append(life)
        alive[life.tid] = life
    return lives


def compare(kernel, trace, until):
    """The differences, in words."""
    begin = min((life.born for life in trace), default=0)
    different = []
    for life in trace:
        if life.orphan:
            different.append(f"an exit in the trace of a tid that does not live there: {life}")
            continue
        # The kernel's tracepoint comes before any tracer hears of it.
        of_tid = kernel.get(life.tid, [])
        at = bisect_right([other.born or 0 for other in of_tid], life.born) - 1
        other = of_tid[at] if at >= 0 else None
        if other is None or other.recorded:
            # One that was there and is there still did nothing that the kernel told of.
            if life.parent is not None or life.exit:
                different.append(f"only in the trace: {life}")
            continue
        other.recorded = True
        if life.parent is not None:
            flags = life.flags is None or life.flags == other.flags
            if other.parent != life.parent or not flags:
                different.append(f"trace: {life}; kernel: {other}")
        if life.exit and not other.exit:
            different.append(f"exit only in the trace: {life}")
        if other.exit and other.exit <= until and not life.exit:
            different.append(f"exit not in the trace: {other}")
        if life.execed != other.execed:
            different.append(f"exec of another thread than the leader: trace {life.execed}: {life}")
    for of_tid in kernel.values():
        for life in of_tid:
            if not life.recorded and life.born and begin <= life.born <= until:
                different.append(f"not in the trace: {life}, born {life.born - begin} ns after its start")
    return different


def main():
    trace_file, ndjson, creator, lossy, *rest = sys.argv[1:]
    until = int(rest[0]) if rest else float("inf")
    with open(trace_file, "rb") as file:
        header, _ = read_header(file.read(2 << 20))
    root = header["targets"][0]["pid"]
    with open(ndjson, encoding="utf-8") as file:
        trace = recorded(file, header["start_monotonic_ns"])
    perf = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", newline="\n")
    kernel = seen_by_kernel(perf, root, int(creator))
    different = compare(kernel, trace, until)
    if lossy == "1":
        different = [line for line in different if "not in the trace" in line]
    lives = [life for of_tid in kernel.values() for life in of_tid if life.recorded]
    created = sum(life.parent is not None for life in lives)
    print(created, sum(life.exit is not None for life in lives), len(different))
    for line in different:
        print(line)


if __name__ == "__main__":
    main()
