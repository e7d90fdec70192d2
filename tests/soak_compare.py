#!/usr/bin/env python3
"""Holds a long recording, its snapshots and what a viewer saw meanwhile against the target's log, for
tests/soak.sh.

    python3 tests/soak_compare.py WORK

WORK has: all/ every file that the recording ever had; rec/ those that are left, and timeline, which
tidview shows of them; snapshots/; seen, births that a viewer saw while it was recorded; marks; log.
BEFORE_NS and AFTER_NS in the environment are what a snapshot reaches. Prints `NAME VALUE` lines,
then one `WRONG …` line for each difference.
"""

import json
import os
import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from pathlib import Path

from format_reader import Reader

MADE = re.compile(r"made (thread|process) parent (\d+) child (\d+) from (\d+) till (\d+)\n")
RAN = re.compile(r"ran (\d+) till (\d+)\n")
NAME = re.compile(r"soak|named-\d+")
BIRTHS = ("clone", "fork", "vfork")
MOST = 20  # differences of a kind that are told

wrongs = Counter()


def wrong(kind, words):
    wrongs[kind] += 1
    if wrongs[kind] <= MOST:
        print(f"WRONG {kind}: {words}")


def read(path):
    reader = Reader(path.read_bytes())
    for damage in reader.damage:
        wrong("damage", f"{path.name}: {damage}")
    if not reader.end:
        wrong("damage", f"{path.name} has no end mark")
    if reader.unknown or reader.longer:
        wrong("damage", f"{path.name}: records of a later version")
    return reader


def print_of(event):
    """What two copies of an event have in common: a number that stands for all of it."""
    return hash(tuple(event.items()))


class Recording:
    """All that was ever recorded, followed file by file."""

    def __init__(self, paths):
        self.births, self.execs, self.marks, self.exits, self.losses = [], [], [], 0, 0
        self.times, self.prints = array("Q"), array("q")
        self.living, self.begins, self.counters = {}, [], {}
        for number, path in enumerate(paths):
            reader = read(path)
            self.start = reader.header["start_monotonic_ns"]
            if reader.header["segment"] != number:
                wrong("damage", f"{path.name} is not file {number} of all that there were")
            if number:
                self.checkpoint(path.name, reader)
            self.begins.append(reader.checkpoints[0]["time"] if reader.checkpoints else 0)
            for event in reader.events:
                self.follow(event)
            self.counters, self.end = reader.counters, reader.now
        for task in self.living:
            wrong("exit", f"{task} has none")

    def checkpoint(self, name, reader):
        if len(reader.checkpoints) != 1:
            wrong("checkpoint", f"{name} has {len(reader.checkpoints)}")
            return
        carried = {t["tid"]: (t["pid"], t["born"]) for t in reader.checkpoints[0]["carried"] if not t["ended"]}
        for tid, _ in set(carried.items()) ^ set(self.living.items()):
            wrong("checkpoint", f"{name}: {tid}: there {carried.get(tid)}, before it {self.living.get(tid)}")

    def follow(self, event):
        time, kind, tid = event["time"], event["kind"], event.get("tid")
        if self.times and time < self.times[-1]:
            wrong("order", f"{event} after {self.times[-1]}")
        self.times.append(time)
        self.prints.append(print_of(event))
        if kind in BIRTHS or kind == "existing":
            if tid in self.living:
                wrong("birth", f"{tid} lives already: {event}")
            self.living[tid] = (event["pid"], time)
            if kind == "existing":
                if len(self.times) > 1:
                    wrong("birth", f"existed: {event}")
                return
            self.births.append((time, event["parent_tid"], tid, event["what"]))
        elif kind == "mark":
            self.marks.append((time, bytes.fromhex(event["text"]).decode()))
        elif kind in ("gap", "lost"):
            self.losses += 1
            wrong("lost", event)
        elif kind not in ("exit", "exec", "rename"):
            wrong("made up", event)
        elif self.living.get(tid, (None, 0))[0] != event["pid"]:
            wrong("made up", f"of one that does not live: {event}")
        elif kind == "exit":
            self.exits += 1
            del self.living[tid]
        elif kind == "exec":
            self.execs.append((time, tid))
        elif not NAME.fullmatch(bytes.fromhex(event["name"]).decode()):
            wrong("made up", f"a name: {event}")


def compare_with_log(recording, log):
    """Each creation is recorded once, between the moments that the target noted around it."""
    logged, ran = {}, {}
    with open(log, encoding="ascii") as lines:
        for line in lines:
            if made := MADE.fullmatch(line):
                what, *numbers = made.groups()
                parent, child, begin, end = map(int, numbers)
                logged.setdefault((parent, child, what), []).append((begin, end))
            elif match := RAN.fullmatch(line):
                ran.setdefault(int(match[1]), []).append(int(match[2]))
            else:
                wrong("log", repr(line))
    for spans in logged.values():
        spans.sort(reverse=True)
    count = sum(map(len, logged.values()))
    for time, parent, child, what in recording.births:
        at = recording.start + time
        spans = logged.get((parent, child, what), [])
        while spans and spans[-1][1] < at:
            wrong("not recorded", f"{what} {parent} -> {child}, {spans.pop()}")
        if spans and spans[-1][0] <= at:
            spans.pop()
        else:
            wrong("not logged", f"{what} {parent} -> {child} at {at} (the next in the log: {spans[-1:]})")
    for (parent, child, what), spans in logged.items():
        for span in spans:
            wrong("not recorded", f"{what} {parent} -> {child}, {span}")
    # Each process that ran the program anew had executed it just before; the first process had, too.
    execs = {}
    for time, tid in recording.execs:
        execs.setdefault(tid, []).append(recording.start + time)
    if sum(map(len, execs.values())) not in (sum(map(len, ran.values())), sum(map(len, ran.values())) + 1):
        wrong("exec", f"{len(recording.execs)} recorded, {sum(map(len, ran.values()))} logged")
    for tid, times in ran.items():
        if [bisect_right(execs.get(tid, []), time) for time in sorted(times)] != list(range(1, len(times) + 1)):
            wrong("exec", f"{tid} ran at {times}, recorded {execs.get(tid)}")
    return count


def compare_kept(recording, kept, timeline):
    """What is left, as tidview shows it, is the end of what was recorded."""
    number = int(kept[0].stem) if kept else len(recording.begins)
    begin = recording.begins[number] if number < len(recording.begins) else recording.end
    shown = []
    with open(timeline, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["kind"] in BIRTHS:
                shown.append((event["time_ns"], event["parent_tid"], event["new_tid"]))
    # What is before a file's checkpoint may have its very time, by an event that came late.
    expected = [birth[:3] for birth in recording.births if birth[0] >= begin]
    late = [birth[:3] for birth in recording.births if birth[0] == begin]
    if shown != expected and shown != expected[len(late):]:
        missing, added = Counter(expected) - Counter(shown), Counter(shown) - Counter(expected)
        wrong("kept", f"{len(shown)} births shown, {len(expected)} expected; {list(missing)[:3]} {list(added)[:3]}")
    return len(shown)


def compare_snapshot(recording, path):
    """A snapshot has the events of its stretch, all of them, and knows what lived when it begins."""
    before, after = int(os.environ["BEFORE_NS"]), int(os.environ["AFTER_NS"])
    reader = read(path)
    reason = dict(reader.header["options"])["snapshot"]
    reasons = sorted("snapshot: " + one for one in reason.split("; "))
    times = [event["time"] for event in reader.events]
    if not times:
        wrong("snapshot", f"{path.name} is empty")
        return 0
    # It has the marks of all its triggers, one behind the other. Those of the snapshot before may be in it,
    # too, with the same words; that one's stretch ended before these.
    marks = [(e["time"], bytes.fromhex(e["text"]).decode()) for e in reader.events if e["kind"] == "mark"]
    marks = [(time, text) for time, text in marks if text.startswith("snapshot: ")]
    runs = [marks[at : at + len(reasons)] for at in range(len(marks))]
    runs = [run for run in runs if sorted(text for _, text in run) == reasons]
    asked = [(run[0][0], run[-1][0]) for run in runs if run[-1][0] + after >= times[-1]]
    if not asked:
        wrong("snapshot", f"{path.name} has no marks {reasons!r}")
        return 0
    begin, end = asked[0][0] - before, asked[0][1] + after
    if reader.now > end:
        wrong("snapshot", f"{path.name} reaches {reader.now - end} ns too far")
    left, right = bisect_left(recording.times, begin), bisect_right(recording.times, end)
    expected = Counter(recording.prints[left:right])
    found = Counter(map(print_of, reader.events))
    if expected != found:
        missing, added = expected - found, found - expected
        told = [e for e in reader.events if print_of(e) in added][:3]
        lacks = [recording.times[i] for i in range(left, right) if recording.prints[i] in missing][:3]
        wrong("snapshot", f"{path.name} [{begin}, {end}]: {missing.total()} missing at {lacks}, {added.total()} too many: {told}")
    # Whoever does something in it lived before, or is born in it.
    carried = reader.checkpoints[0]["carried"] if reader.checkpoints else []
    living = {task["tid"]: task["pid"] for task in carried if not task["ended"]}
    for event in reader.events:
        if event["kind"] in BIRTHS or event["kind"] == "existing":
            living[event["tid"]] = event["pid"]
        elif event["kind"] in ("exit", "exec", "rename") and living.get(event["tid"]) != event["pid"]:
            wrong("snapshot", f"{path.name}: of one that does not live there: {event}")
        if event["kind"] == "exit":
            living.pop(event["tid"], None)
    return len(times)


def main():
    work = Path(sys.argv[1])
    recording = Recording(sorted((work / "all").glob("*.tid")))
    logged = compare_with_log(recording, work / "log")
    kept = compare_kept(recording, sorted((work / "rec").glob("*.tid")), work / "timeline")
    snapshots = sorted((work / "snapshots").glob("*.tid"))
    in_snapshots = sum(compare_snapshot(recording, path) for path in snapshots)
    births = {birth[:3] for birth in recording.births}
    seen = 0
    with open(work / "seen", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            seen += 1
            if (event["time_ns"], event["parent_tid"], event["new_tid"]) not in births:
                wrong("viewer", f"saw {line.strip()}")
    marks = Counter(text for _, text in recording.marks if not text.startswith("snapshot: "))
    asked = Counter((work / "marks").read_text().splitlines())
    if marks != asked:
        wrong("mark", f"missing {asked - marks}, too many {marks - asked}")
    asks = sum(text.startswith("snapshot: ") for _, text in recording.marks)
    print("logged", logged)
    print("recorded", len(recording.births))
    print("exits", recording.exits)
    print("execs", len(recording.execs))
    print("events", len(recording.times))
    print("lost", recording.losses)
    print("files", len(recording.begins))
    print("left", len(list((work / "rec").glob("*.tid"))))
    print("kept", kept)
    print("marks", marks.total())
    print("asks", asks)
    print("snapshots", len(snapshots))
    print("in_snapshots", in_snapshots)
    print("seen", seen)
    print("high_water", recording.counters.get("queue_high_water", "?"))
    print("stop_p99", recording.counters.get("creation_stop_p99_ns", "?"))
    print("differences", wrongs.total())
    for kind, number in wrongs.items():
        if number > MOST:
            print(f"WRONG {kind}: {number - MOST} more")


if __name__ == "__main__":
    main()
