//! Trace ids, mixed as Apache SeaTunnel's stain trace mixes them, so that ids of both look and sort alike.

/// The id of the `sequence`-th record of `task_id`, sampled at `now_ms` (milliseconds since the Unix epoch): in `0..2^63`.
#[must_use]
#[inline(always)]
pub const fn trace_id(task_id: u64, sequence: u64, now_ms: u64) -> u64 {
    let mut x = task_id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= sequence.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    x ^= now_ms;
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    x & (u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    /// Conformance vectors of the stain-trace format.
    #[test]
    fn agrees_with_the_formats_vectors() {
        for (task, sequence, now_ms, id) in [
            (10, 2, 1_700_000_000_000, 7_969_916_174_494_417_963),
            (10, 1, 1_700_000_010_000, 2_343_395_949_410_086_636),
            (10, 3, 1_700_000_011_000, 4_863_129_952_935_861_240),
            (10_000, 1, 1_700_000_001_000, 3_078_081_308_926_798_968),
            (10_000, 2, 1_700_000_003_000, 8_854_391_375_355_591_093),
            (10_000, 1, 1_700_000_004_000, 1_700_235_430_604_220_892),
            (1, 1, 0, 6_521_256_557_457_109_404),
            (0, 0, 0, 0),
        ] {
            assert_eq!(trace_id(task, sequence, now_ms), id, "task {task}, sequence {sequence}, at {now_ms}");
        }
    }
}
