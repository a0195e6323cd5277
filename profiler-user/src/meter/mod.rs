//! What the target and the agent use: CPU time, context switches, cycles and instructions, memory.
//!
//! Owns: perf events and the kernel's own accounts of a process. Refuses: costing the target anything lasting.
//!
//! A perf event on a thread makes each of its context switches dearer, software events too (measured: a ping-pong round trip of
//! two threads went from 2.5 us to 4.4 us with two of them). So events watch the agent always, but the target only in short
//! [windows](TargetMeter); what the kernel accounts anyway (CPU time, context switches) is read from there, exactly and for nothing.

mod accounts;
mod events;
mod target;

pub use accounts::{context_switches, cpu_time_ns, max_rss_bytes, rss_bytes};
pub use events::{Events, Readings};
pub use target::{TargetMeter, TargetUse};
