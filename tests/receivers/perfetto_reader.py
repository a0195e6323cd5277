"""Reads a Perfetto trace by Perfetto's own definitions and prints a JSON line for each record: its facts, and its stamps."""

import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as definitions


def refuse_unknown(message):
    """A field that the definitions do not have is a mistake of the writer's."""
    if len(UnknownFieldSet(message)):
        raise SystemExit(f"unknown fields in {message}")
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if hasattr(value, "append") or hasattr(value, "add") else [value]:
                refuse_unknown(one)


trace = definitions.Trace()
trace.ParseFromString(open(sys.argv[1], "rb").read())
refuse_unknown(trace)
tracks, stacks, stamps = {}, {}, {}
event_type = definitions.TrackEvent
for packet in trace.packet:
    if packet.HasField("track_descriptor"):
        descriptor = packet.track_descriptor
        if descriptor.parent_uuid and descriptor.parent_uuid not in tracks:
            raise SystemExit(f"{descriptor} has a parent that is not there")
        tracks[descriptor.uuid] = descriptor
    if not packet.HasField("track_event"):
        continue
    event, at = packet.track_event, packet.timestamp
    if event.track_uuid not in tracks or packet.timestamp_clock_id != definitions.BUILTIN_CLOCK_MONOTONIC:
        raise SystemExit(f"{packet} is on no track, or on another clock")
    facts = {annotation.name: annotation.string_value for annotation in event.debug_annotations}
    if event.type == event_type.TYPE_SLICE_BEGIN:
        slices = stacks.setdefault(event.track_uuid, {"open": [], "hops": []})
        slices["open"].append((event.name, at, facts))
    elif event.type == event_type.TYPE_SLICE_END:
        slices = stacks[event.track_uuid]
        name, began, facts = slices["open"].pop()
        if slices["open"]:
            slices["hops"].append(at - began)
        else:
            print(json.dumps({"facts": facts, "name": name, "began": began, "ended": at, "hops": slices["hops"]}))
    elif event.type == event_type.TYPE_INSTANT:
        if not tracks[event.track_uuid].HasField("thread") or len(event.flow_ids) != 1:
            raise SystemExit(f"{packet} is on no thread, or in no flow")
if any(slices["open"] for slices in stacks.values()):
    raise SystemExit("slices without an end")
