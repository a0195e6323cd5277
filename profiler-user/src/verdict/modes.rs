//! Whether durations are of two kinds: a fast way and a slow one, with little between.

use super::{Evidence, Hop, span};
use crate::stats::Subject;
use crate::stats::scale::{lowest_ns, step_of};

/// The lesser kind has this share at least.
const LEAST: f64 = 0.03;

/// The slow kind takes so many times as long, at least.
const APART: u64 = 4;

/// Two kinds of durations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modes {
    /// The median of the fast ones, ns.
    pub fast_ns: u64,
    /// The median of the slow ones, ns.
    pub slow_ns: u64,
    /// The share of slow ones, 0..=1.
    pub slow_share: f64,
}

/// Of a hop, in the time that is judged.
pub(super) fn of(evidence: &Evidence<'_>, hop: Hop) -> Option<Modes> {
    let (from_ns, to_ns) = span(evidence)?;
    let sum = evidence.stats.windows.sum(Subject::Hop(hop.0, hop.1), from_ns, to_ns);
    if sum.count() < 40 {
        return None;
    }
    of_steps(sum.steps())
}

fn of_steps(steps: &[u32]) -> Option<Modes> {
    let cut = best_cut(steps)?;
    let (fast, slow) = steps.split_at_checked(cut)?;
    let (fasts, slows) = (count(fast), count(slow));
    let slow_share = slows as f64 / (fasts + slows) as f64;
    if !(LEAST..=1.0 - LEAST).contains(&slow_share) {
        return None;
    }
    let (fast_ns, slow_ns) = (lowest_ns(median(fast)), lowest_ns(cut + median(slow)));
    if slow_ns / APART < fast_ns.max(1) {
        return None;
    }
    // Between the two lies little: otherwise it is one wide kind.
    let between =
        steps.get(step_of(fast_ns * 2)..step_of(slow_ns / 2).max(step_of(fast_ns * 2))).unwrap_or_default();
    let is_empty = count(between) as f64 <= 0.2 * fasts.min(slows) as f64;
    is_empty.then_some(Modes { fast_ns, slow_ns, slow_share })
}

/// The step that divides them best: where the variance between both sides is largest (Otsu's method), on the logarithmic scale.
fn best_cut(steps: &[u32]) -> Option<usize> {
    let whole = count(steps) as f64;
    let moment: f64 = steps.iter().enumerate().map(|(step, n)| step as f64 * f64::from(*n)).sum();
    let (mut below, mut moment_below, mut best) = (0.0, 0.0, (0.0, None));
    for (step, n) in steps.iter().enumerate() {
        let above = whole - below;
        if below > 0.0 && above > 0.0 {
            let apart = moment_below / below - (moment - moment_below) / above;
            let variance = below * above * apart * apart;
            if variance > best.0 {
                best = (variance, Some(step));
            }
        }
        below += f64::from(*n);
        moment_below += step as f64 * f64::from(*n);
    }
    best.1
}

fn count(steps: &[u32]) -> u64 {
    steps.iter().map(|n| u64::from(*n)).sum()
}

fn median(steps: &[u32]) -> usize {
    let half = count(steps).div_ceil(2);
    let mut seen = 0;
    let place = steps.iter().position(|n| {
        seen += u64::from(*n);
        seen >= half
    });
    place.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::of_steps;
    use crate::stats::window::Sum;

    fn modes(values: impl Iterator<Item = u64>) -> Option<(u64, u64, u64)> {
        let mut sum = Sum::default();
        values.for_each(|ns| sum.add(ns));
        of_steps(sum.steps())
            .map(|modes| (modes.fast_ns, modes.slow_ns, (modes.slow_share * 100.0).round() as u64))
    }

    #[test]
    fn two_kinds_are_told_from_one_wide_one() {
        let near = |ns: u64, index: u64| ns + ns * (index * 7 % 10) / 40;
        let two = (0..200u64).map(|index| near(if index % 10 == 0 { 10_000_000 } else { 100_000 }, index));
        assert_eq!(modes(two), Some((110_592, 9_961_472, 10)));
        // Over three octaves, evenly.
        assert_eq!(modes((0..200).map(|index| 100_000 + index * 4_000)), None);
        assert_eq!(modes((0..200).map(|index| near(100_000, index))), None);
        // One in a hundred is a tail, not a kind.
        assert_eq!(modes((0..200u64).map(|index| if index % 100 == 0 { 10_000_000 } else { 100_000 })), None);
        assert_eq!(modes(std::iter::empty()), None);
    }
}
