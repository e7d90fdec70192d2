"""Reads a trace by Perfetto's own schema (the Python package perfetto has it), and compares it with the events."""
import json
import sys
from collections import Counter

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

trace = Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())
events = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]


def known(message):
    assert len(UnknownFieldSet(message)) == 0, message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if hasattr(value, "__len__") and not hasattr(value, "ListFields") else [value]:
                known(one)


known(trace)
tracks, stacks, flows, depth, order = {}, {}, {}, Counter(), []
for number, packet in enumerate(trace.packet):
    assert packet.trusted_packet_sequence_id == 1
    if packet.HasField("track_descriptor"):
        track = packet.track_descriptor
        former = tracks.get(track.uuid)
        if former is not None:
            # It was needed before its name was known.
            assert not former.process.process_name and not former.thread.thread_name, former
            assert (former.process.pid, former.thread.tid) == (track.process.pid, track.thread.tid)
        assert not track.parent_uuid or track.parent_uuid in tracks
        tracks[track.uuid] = track
    names = {string.iid: string.str for string in packet.interned_data.function_names}
    for frame in packet.interned_data.frames:
        assert frame.function_name_id in names
        stacks.setdefault("frames", {})[frame.iid] = names[frame.function_name_id]
    for stack in packet.interned_data.callstacks:
        stacks[stack.iid] = [stacks["frames"][iid] for iid in stack.frame_ids]
    if packet.HasField("track_event"):
        event = packet.track_event
        assert event.track_uuid in tracks
        assert not event.callstack_iid or event.callstack_iid in stacks
        order.append((packet.timestamp, number, event))
for timestamp, _, event in sorted(order, key=lambda it: it[:2]):
    if event.type == TrackEvent.TYPE_SLICE_END:
        depth[event.track_uuid] -= 1
        assert depth[event.track_uuid] >= 0, event
        continue
    depth[event.track_uuid] += event.type == TrackEvent.TYPE_SLICE_BEGIN
    for flow in event.flow_ids:
        flows[flow] = (timestamp, tracks[event.track_uuid].thread.tid)
    for flow in event.terminating_flow_ids:
        begun, creator = flows[flow]
        assert begun == timestamp
        flows[flow] = (creator, tracks[event.track_uuid].thread.tid)
births = [e for e in events if e["kind"] in ("clone", "fork", "vfork") and e["parent_tid"] is not None]
assert Counter(flows.values()) == Counter((e["parent_tid"], e["new_tid"]) for e in births)
assert all(track.name or track.process.process_name or track.thread.thread_name for track in tracks.values())
if sys.argv[1].endswith("/creations.perfetto"):
    assert [b"main", b"serve", b"spawn", b"libc.so.6+0x12"] in stacks.values(), stacks
