//! A logarithmic scale of durations: sixteen steps an octave, so that a step is at most a sixteenth (6.3 %) wide. Below 32 ns every step is one ns.
//!
//! Owns: the one scale on which durations over time are kept, so that any of them can be added up and drawn beside each other.

/// Steps of one octave, as a power of two.
const STEP_BITS: u32 = 4;

/// Octaves above the first ones, up to 2^42 ns, some 73 min; what is longer is in the last step.
const TOP_BIT: u32 = 41;

/// How many steps there are.
pub const STEPS: usize = ((TOP_BIT - STEP_BITS + 2) as usize) << STEP_BITS;

/// The step of a duration, below [`STEPS`].
#[must_use]
pub const fn step_of(ns: u64) -> usize {
    if ns < 1 << STEP_BITS {
        return ns as usize;
    }
    let top = ns.ilog2();
    if top > TOP_BIT {
        return STEPS - 1;
    }
    let octave = (top - STEP_BITS + 1) as usize;
    (octave << STEP_BITS) + ((ns >> (top - STEP_BITS)) as usize & ((1 << STEP_BITS) - 1))
}

/// The shortest duration of a step, ns.
#[must_use]
pub const fn lowest_ns(step: usize) -> u64 {
    let octave = (step >> STEP_BITS) as u32;
    if octave == 0 {
        return step as u64;
    }
    let part = (step & ((1 << STEP_BITS) - 1)) as u64 | 1 << STEP_BITS;
    part << (octave - 1)
}

/// The longest duration of a step, ns. The last step's is that of its width; longer ones are in it all the same.
#[must_use]
pub const fn highest_ns(step: usize) -> u64 {
    lowest_ns(step + 1) - 1
}

#[cfg(test)]
mod tests {
    use super::{STEPS, highest_ns, lowest_ns, step_of};
    use proptest::prelude::*;

    #[test]
    fn steps_follow_each_other_without_a_gap() {
        assert_eq!((STEPS, step_of(0), step_of(31), step_of(32), step_of(33)), (624, 0, 31, 32, 32));
        for step in 0..STEPS {
            let (low, high) = (lowest_ns(step), highest_ns(step));
            assert_eq!((step_of(low), step_of(high)), (step, step));
            assert!(high - low <= low / 16, "{step}: {low}..={high}");
            assert_eq!(step_of(high + 1), (step + 1).min(STEPS - 1));
        }
        assert_eq!(step_of(u64::MAX), STEPS - 1);
    }

    proptest! {
        #[test]
        fn every_duration_lies_in_its_step(ns in 0u64..1 << 42) {
            let step = step_of(ns);
            prop_assert!((lowest_ns(step)..=highest_ns(step)).contains(&ns));
        }
    }
}
