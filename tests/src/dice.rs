//! Numbers that look like chance and come again from the same seed.

use std::time::Duration;

/// A sequence of numbers; the seed is all there is to it.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// From 0, and below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % bound.max(1)
    }

    /// A time between two, in ms.
    pub fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(least_ms + self.below(most_ms.saturating_sub(least_ms)))
    }
}
