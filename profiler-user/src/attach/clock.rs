//! The kernel program's clock (monotonic) and the wall clock beside it.

/// `CLOCK_MONOTONIC` now, ns: the clock of every stamp.
#[must_use]
pub fn monotonic_ns() -> u64 {
    read(rustix::time::ClockId::Monotonic)
}

/// What to add to the monotonic clock to get nanoseconds since the Unix epoch. Of some tries the one that took the
/// least time between its two readings counts.
#[must_use]
pub fn wall_offset_ns() -> u64 {
    (0..16)
        .map(|_| {
            let before = monotonic_ns();
            let wall = read(rustix::time::ClockId::Realtime);
            let after = monotonic_ns();
            (after - before, wall.wrapping_sub(before + (after - before) / 2))
        })
        .min()
        .map_or(0, |(_, offset)| offset)
}

fn read(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
