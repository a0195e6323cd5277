//! What was changed while a session ran, in the words of its reports. Pure.

use super::{Session, Setting, stage_label, units};

/// Changes that a report lists at most, the last ones.
const LISTED: usize = 10;

/// The changes of a session, as a report lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many there were before those.
    pub earlier: usize,
    /// The last ones: how long after the session's begin, ns, and what from what to what.
    pub last: Vec<(u64, String)>,
}

impl Session<'_> {
    /// How many records were sampled, as it was set: at last, where that was changed.
    #[must_use]
    pub fn rate_words(&self) -> String {
        let is_new_rate =
            |change: &&super::Change| change.setting == Setting::Rate && change.from != change.to;
        let rate = match self.rate {
            0 => "no record".to_owned(),
            1 => "every record".to_owned(),
            rate => format!("1 record in {}", units::count(rate)),
        };
        match self.changes.iter().filter(is_new_rate).count() {
            0 => format!("{rate} sampled"),
            1 => format!("at last {rate} sampled (the rate was changed once)"),
            times => {
                let times = units::count(times as u64);
                format!("at last {rate} sampled (the rate was changed {times} times)")
            }
        }
    }

    /// What a report lists of the changes.
    #[must_use]
    pub fn told_changes(&self) -> Changes {
        let earlier = self.changes.len().saturating_sub(LISTED);
        let label = |stage: usize| self.stages.get(stage).map(|row| stage_label(row.code, &row.name));
        let last = self.changes.iter().skip(earlier);
        let last = last.map(|change| (change.at_ns.saturating_sub(self.began_ns), change.told(label)));
        Changes { earlier, last: last.collect() }
    }
}

#[cfg(test)]
mod tests {
    use crate::sink::testing::busy;
    use crate::sink::{Change, Session, Setting};

    fn change(setting: Setting, from: u64, to: u64, at_ns: u64) -> Change {
        Change { setting, from, to, at_ns, wall_ns: 0 }
    }

    #[test]
    fn a_rate_that_was_changed_is_the_last_one() {
        let parts = busy();
        let words = |rate, changes: &[Change]| Session { rate, changes, ..parts.session() }.rate_words();
        assert_eq!(words(1000, &[]), "1 record in 1,000 sampled");
        // What stays as it was, and what is no rate, changes nothing.
        let others = [change(Setting::Rate, 20, 20, 1), change(Setting::Budget, 0, 5, 2)];
        assert_eq!(words(20, &others), "1 record in 20 sampled");
        let once = [change(Setting::Rate, 1, 20, 1)];
        assert_eq!(words(20, &once), "at last 1 record in 20 sampled (the rate was changed once)");
        let twice = [once[0], change(Setting::Rate, 20, 0, 2)];
        assert_eq!(words(0, &twice), "at last no record sampled (the rate was changed 2 times)");
    }

    #[test]
    fn the_last_changes_are_told_with_their_time() {
        let parts = busy();
        let mut changes: Vec<_> = (0..12).map(|n| change(Setting::Budget, n, n + 1, 5 + n)).collect();
        changes.push(change(Setting::Stage, 3, 2, 105));
        let told = Session { changes: &changes, began_ns: 5, ..parts.session() }.told_changes();
        assert_eq!((told.earlier, told.last.len()), (3, 10));
        assert_eq!(
            told.last[0],
            (3, "budget: 4 traces a second from now on (was 3 traces a second)".to_owned())
        );
        assert_eq!(told.last[9], (100, "stage 1 (Q+ push): off from now on".to_owned()));
    }
}
