"""Checks a processed profile of the Firefox Profiler: every table has its length, every index its target."""
import json
import sys

profile = json.load(open(sys.argv[1], encoding="utf-8"))
events = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
assert profile["meta"]["preprocessedProfileVersion"] >= 50
kinds = {schema["name"]: schema for schema in profile["meta"]["markerSchema"]}
tids = set()


def below(indexes, count):
    assert all(index is None or -1 <= index < count for index in indexes), (indexes, count)


markers = 0
for thread in profile["threads"]:
    assert thread["tid"] not in tids, thread["tid"]
    tids.add(thread["tid"])
    for name in ("frameTable", "funcTable", "markers", "samples", "stackTable"):
        table = thread[name]
        for column, values in table.items():
            if isinstance(values, list):
                assert len(values) == table["length"], (name, column)
    strings = len(thread["stringArray"])
    below(thread["funcTable"]["name"], strings)
    below(thread["frameTable"]["func"], thread["funcTable"]["length"])
    below(thread["stackTable"]["frame"], thread["frameTable"]["length"])
    for index, prefix in enumerate(thread["stackTable"]["prefix"]):
        assert prefix is None or prefix < index
    below(thread["samples"]["stack"], thread["stackTable"]["length"])
    assert all(delta >= 0 for delta in thread["samples"]["timeDeltas"])
    below(thread["markers"]["name"], strings)
    for data in thread["markers"]["data"]:
        fields = {field["key"] for field in kinds[data["type"]]["fields"]}
        assert set(data) == fields | {"type"}, data
        below([data["text"]], strings)
    for phase, start, end in zip(*(thread["markers"][c] for c in ("phase", "startTime", "endTime"))):
        assert phase in (0, 1, 2, 3) and (phase != 1 or start <= end)
    markers += thread["markers"]["length"]
# Each birth is a marker of its creator and of its own.
births = [e for e in events if e["kind"] in ("clone", "fork", "vfork") and e["parent_tid"] is not None]
assert markers >= 2 * len(births), (markers, len(births))
