"""Checks a file of Chrome's trace event format against the events that it was made of."""
import json
import sys
from collections import Counter

trace = json.load(open(sys.argv[1], encoding="utf-8"))
events = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
by_phase = {}
for event in trace["traceEvents"]:
    assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
    assert event["ts"] >= 0 and event.get("dur", 0) >= 0, event
    by_phase.setdefault(event["ph"], []).append(event)
assert set(by_phase) <= set("MXBsfi"), set(by_phase)

births = [e for e in events if e["kind"] in ("clone", "fork", "vfork") and e["parent_tid"] is not None]
starts = {e["id"]: e for e in by_phase.get("s", [])}
ends = {e["id"]: e for e in by_phase.get("f", [])}
assert len(births) == len(starts) == len(by_phase.get("s", [])), (len(births), len(starts))
assert starts.keys() == ends.keys()
for number, start in starts.items():
    assert start["ts"] == ends[number]["ts"], (start, ends[number])
made = Counter((e["parent_tid"], e["new_tid"]) for e in births)
assert made == Counter((starts[n]["tid"], ends[n]["tid"]) for n in starts)

lives = by_phase.get("X", []) + by_phase.get("B", [])
lives = [e for e in lives if e["cat"] == "life"]
first = [e for e in events if e["kind"] in ("existing", "clone", "fork", "vfork")]
assert len(lives) >= len(first), (len(lives), len(first))
named = {(e["pid"], e["tid"]) for e in by_phase["M"] if e["name"] == "thread_name"}
assert all((e["pid"], e["tid"]) in named for e in lives)
