//! Perfetto's trace format: `protos/perfetto/trace/trace.proto` and what it names, by field numbers.
//!
//! Journeys of a process lie on tracks of one name below it, which the viewer packs; hops are slices in the journey's. Each stamp is an instant on the track
//! of the thread that took it, and a flow leads from one to the next.

use std::collections::BTreeSet;

use crate::feed::{Clock, SessionInfo};
use crate::sink::proto::Message;
use crate::trace::Trace;

/// `BuiltinClock`: realtime and monotonic.
const REALTIME: u64 = 1;
const MONOTONIC: u64 = 3;

/// The one writer of the file; any number but 0.
const SEQUENCE: u64 = 1;

/// `TrackEvent.Type`.
const BEGIN: u64 = 1;
const END: u64 = 2;
const INSTANT: u64 = 3;

/// Tracks that were described already.
#[derive(Debug, Default)]
pub(super) struct State {
    processes: BTreeSet<u32>,
    threads: BTreeSet<(u32, u32)>,
    journeys: u64,
}

/// `Trace.packet`.
fn packet(out: &mut Vec<u8>, write: impl FnOnce(&mut Message<'_>)) {
    Message(out).nested(1, |packet| {
        // trusted_packet_sequence_id
        packet.uint(10, SEQUENCE);
        write(packet);
    });
}

/// How the monotonic clock, on which everything is, stands to the wall's.
pub(super) fn clocks(began: Clock, out: &mut Vec<u8>) {
    packet(out, |packet| {
        // clock_snapshot
        packet.nested(6, |snapshot| {
            for (clock, ns) in [(MONOTONIC, began.mono_ns), (REALTIME, began.wall_ns)] {
                snapshot.nested(1, |pair| {
                    pair.uint(1, clock);
                    pair.uint(2, ns);
                });
            }
            // primary_trace_clock
            snapshot.uint(2, MONOTONIC);
        });
    });
}

/// Track ids: the kind in the highest bits, so that no two are the same; those of journeys have none.
const fn process_track(pid: u32) -> u64 {
    1 << 62 | pid as u64
}

const fn thread_track(pid: u32, tid: u32) -> u64 {
    2 << 62 | (pid as u64 & 0x3FFF_FFFF) << 32 | tid as u64
}

impl State {
    /// Appends a trace.
    pub(super) fn put(&mut self, trace: &Trace, info: &SessionInfo, target: &str, out: &mut Vec<u8>) {
        self.process(trace.pid, target, out);
        for stamp in &trace.stamps {
            self.process(stamp.pid, target, out);
            self.thread(stamp.pid, stamp.tid, out);
        }
        // From 1 on: the number of its track, and of the flow along its stamps.
        self.journeys += 1;
        let track = self.journeys;
        describe(track, Some(process_track(trace.pid)), out, |descriptor| descriptor.string(2, "records"));
        let Some((first, last)) = trace.stamps.first().zip(trace.stamps.last()) else { return };
        let name = format!("record, {}", trace.outcome.name(&info.outcomes));
        event(track, BEGIN, first.ts_ns, out, |event| {
            event.string(22, "record");
            event.string(23, &name);
            for (name, text) in super::facts(trace, info) {
                annotate(event, &name, &text);
            }
        });
        for hop in trace.hops() {
            event(track, BEGIN, hop.from.ts_ns, out, |event| {
                event.string(22, "hop");
                event.string(23, &super::hop(info, &hop));
                if hop.has_gap {
                    annotate(event, "gap", "stamps between the two are missing");
                }
            });
            event(track, END, hop.to.ts_ns, out, |_| {});
        }
        event(track, END, last.ts_ns, out, |_| {});
        // Those that it shares are the other journey's.
        for stamp in trace.stamps.iter().skip(trace.shared) {
            event(thread_track(stamp.pid, stamp.tid), INSTANT, stamp.ts_ns, out, |event| {
                event.string(22, "stamp");
                event.string(23, &super::stage(info, stamp.stage));
                annotate(event, "trace_id", &trace.id.to_string());
                annotate(event, "cpu", &stamp.cpu.to_string());
                // flow_ids
                event.fixed64(47, track);
            });
        }
    }

    fn process(&mut self, pid: u32, target: &str, out: &mut Vec<u8>) {
        if self.processes.insert(pid) {
            describe(process_track(pid), None, out, |descriptor| {
                descriptor.nested(3, |process| {
                    process.uint(1, u64::from(pid));
                    process.string(6, target);
                });
            });
        }
    }

    fn thread(&mut self, pid: u32, tid: u32, out: &mut Vec<u8>) {
        if self.threads.insert((pid, tid)) {
            describe(thread_track(pid, tid), Some(process_track(pid)), out, |descriptor| {
                descriptor.nested(4, |thread| {
                    thread.uint(1, u64::from(pid));
                    thread.uint(2, u64::from(tid));
                });
            });
        }
    }
}

/// `TracePacket.track_descriptor`.
fn describe(track: u64, parent: Option<u64>, out: &mut Vec<u8>, write: impl FnOnce(&mut Message<'_>)) {
    packet(out, |packet| {
        packet.nested(60, |descriptor| {
            descriptor.uint(1, track);
            if let Some(parent) = parent {
                descriptor.uint(5, parent);
            }
            write(descriptor);
        });
    });
}

/// `TracePacket.track_event`.
fn event(track: u64, kind: u64, ts_ns: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Message<'_>)) {
    packet(out, |packet| {
        packet.uint(8, ts_ns);
        packet.uint(58, MONOTONIC);
        packet.nested(11, |event| {
            event.uint(9, kind);
            event.uint(11, track);
            write(event);
        });
    });
}

/// `TrackEvent.debug_annotations`: a name and a text.
fn annotate(event: &mut Message<'_>, name: &str, text: &str) {
    event.nested(4, |annotation| {
        annotation.string(10, name);
        annotation.string(6, text);
    });
}
