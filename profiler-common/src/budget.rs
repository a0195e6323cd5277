//! The strict budget: at most so many new traces in each fixed window of one second.
//!
//! The window and its count are one word, swapped as one: there is no moment in which a new window is open
//! while the old count still stands, or the other way round.

/// Bits of the budget word that count; the window's number lies above them.
const COUNT_BITS: u32 = 24;

/// What the budget says to one more trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Admitted, if the word can be swapped for this one.
    Admit(u64),
    /// The window is full, or already over.
    Refuse,
}

/// Asks for one more trace in `window` (a whole second of the budget's clock), when the word reads `word` and
/// `limit` traces a window are allowed. A limit of 0 means no bound and must not get here.
///
/// A hit that took its time in an older window than the word's is refused: that window is closed, and to
/// count the trace in another one would show more than `limit` in its own.
#[must_use]
#[inline(always)]
pub const fn ask(word: u64, window: u64, limit: u32) -> Verdict {
    let current = word >> COUNT_BITS;
    let count = word & ((1 << COUNT_BITS) - 1);
    if window > current {
        return Verdict::Admit(window << COUNT_BITS | 1);
    }
    if window < current || count >= limit as u64 {
        return Verdict::Refuse;
    }
    Verdict::Admit(word + 1)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, ask};

    fn admitted(hits: &[u64], limit: u32) -> [u32; 4] {
        let mut word = 0;
        let mut counts = [0; 4];
        for &window in hits {
            if let Verdict::Admit(next) = ask(word, window, limit) {
                word = next;
                counts[window as usize - 1] += 1;
            }
        }
        counts
    }

    #[test]
    fn no_window_takes_more_than_its_limit() {
        let hits: [u64; 40] = core::array::from_fn(|i| i as u64 / 10 + 1);
        assert_eq!(admitted(&hits, 3), [3, 3, 3, 3]);
        assert_eq!(admitted(&hits, 30), [10, 10, 10, 10]);
    }

    #[test]
    fn a_late_hit_cannot_reopen_a_window() {
        assert_eq!(admitted(&[1, 2, 1, 1, 2, 2], 2), [1, 2, 0, 0]);
    }

    #[test]
    fn a_limit_of_one_is_one() {
        assert_eq!(admitted(&[1, 1, 3, 3, 4], 1), [1, 0, 1, 1]);
    }
}
