//! Repeated measurements, taken in turns.
//!
//! Owns: the order (A B C A B C ..., so that a slow minute of the machine hits all alike) and the figures taken from many rounds.

use anyhow::Result;

/// What was measured in each round. Lower is not always better: the user knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Of these rounds.
    #[cfg(test)]
    pub(crate) fn of(rounds: &[f64]) -> Self {
        Self(rounds.to_vec())
    }

    /// The least: what the work itself takes, without what else the machine did. For costs.
    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median: for rates of whole programs, which others always disturb a little.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        (at(lower) + at(upper)) / 2.0
    }

    /// How far the median lies from the least, as a share of the least: above some 0.1 the machine was not quiet.
    pub(crate) fn unrest(&self) -> f64 {
        self.median() / self.least() - 1.0
    }
}

/// One of the things compared.
pub(crate) struct Arm<'a> {
    /// What it is called in the table.
    pub(crate) label: String,
    /// One round.
    pub(crate) round: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Arm<'a> {
    /// See the fields.
    pub(crate) fn new(label: impl Into<String>, round: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { label: label.into(), round: Box::new(round) }
    }
}

/// Runs all arms in turns: one round each that does not count, then `rounds` that do.
pub(crate) fn in_turns(rounds: usize, arms: &mut [Arm<'_>]) -> Result<Vec<Series>> {
    let mut series = vec![Series::default(); arms.len()];
    for round in 0..=rounds {
        for (arm, series) in arms.iter_mut().zip(&mut series) {
            let value = (arm.round)()?;
            if round > 0 {
                series.0.push(value);
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn takes_turns_and_forgets_the_first_round() {
        let order = RefCell::new(String::new());
        let arm = |name: char| {
            let (order, mut round) = (&order, 0.0);
            Arm::new(name, move || {
                order.borrow_mut().push(name);
                round += 1.0;
                Ok(round)
            })
        };
        let series = in_turns(2, &mut [arm('a'), arm('b')]).unwrap();
        assert_eq!(order.borrow().as_str(), "ababab");
        assert_eq!(series, [Series::of(&[2.0, 3.0]), Series::of(&[2.0, 3.0])]);
    }

    #[test]
    fn figures() {
        for (rounds, least, median) in
            [(&[3.0, 1.0, 2.0][..], 1.0, 2.0), (&[4.0, 1.0, 2.0, 3.0], 1.0, 2.5), (&[5.0], 5.0, 5.0)]
        {
            let series = Series::of(rounds);
            assert_eq!((series.least(), series.median()), (least, median));
        }
        assert_eq!(Series::of(&[2.0, 3.0, 4.0]).unrest(), 0.5);
        assert!(Series::default().median().is_nan());
    }
}
