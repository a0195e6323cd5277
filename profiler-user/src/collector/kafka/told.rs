//! What an operator is told of a topic, without a flood of it.

use std::time::{Duration, Instant};

use super::deliver::Message;

/// Messages that are told one by one, in each such time.
const MOST: (u32, Duration) = (20, Duration::from_secs(60));

/// How long one and the same trouble with the way is not told again.
const SAME: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Told {
    began: Option<Instant>,
    told: u32,
    untold: u64,
    way: Option<(String, Instant)>,
}

impl Told {
    /// A message was not understood, or not taken.
    pub(super) fn skipped(&mut self, source: &str, message: &Message, reason: &str) {
        let (most, time) = MOST;
        let now = Instant::now();
        if self.began.is_none_or(|began| now.duration_since(began) >= time) {
            if self.untold > 0 {
                log::warn!(
                    "action=skip source={source} messages={} reason=\"and so many more\"",
                    self.untold
                );
            }
            (self.began, self.told, self.untold) = (Some(now), 0, 0);
        }
        if self.told == most {
            self.untold += 1;
            return;
        }
        self.told += 1;
        let Message { partition, offset, bytes: _ } = message;
        log::warn!("action=skip source={source} partition={partition} offset={offset} reason=\"{reason}\"");
    }

    /// Something is wrong with the way, if anything.
    pub(super) fn way(&mut self, source: &str, said: Option<String>) {
        let Some(said) = said else { return };
        let now = Instant::now();
        let is_known = self
            .way
            .as_ref()
            .is_some_and(|(known, at)| alike(known, &said) && now.duration_since(*at) < SAME);
        if !is_known {
            log::warn!("action=consume source={source} error=\"{said}\"");
            self.way = Some((said, now));
        }
    }

    /// A message came.
    pub(super) fn works(&mut self, source: &str) {
        if self.way.take().is_some() {
            log::info!("action=consume source={source} reason=\"messages come again\"");
        }
    }
}

/// The same but for times and counts, which the library says in brackets at the end.
fn alike(one: &str, other: &str) -> bool {
    let words = |text: &str| text.split(" (after ").next().unwrap_or_default().to_owned();
    words(one) == words(other)
}

#[cfg(test)]
mod tests {
    use super::{Message, Told, alike};

    #[test]
    fn a_flood_is_counted_and_not_told() {
        let mut told = Told::default();
        for offset in 0..100 {
            told.skipped("kafka://h/t", &Message { partition: 0, offset, bytes: Vec::new() }, "no JSON");
        }
        assert_eq!((told.told, told.untold), (20, 80));
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        assert!(alike("refused (after 3ms)", "refused (after 250ms)"));
        assert!(!alike("refused", "no such topic"));
        let mut told = Told::default();
        told.way("kafka://h/t", Some("refused (after 3ms)".to_owned()));
        told.way("kafka://h/t", Some("refused (after 4ms)".to_owned()));
        told.way("kafka://h/t", None);
        assert_eq!(told.way.as_ref().map(|(said, _)| said.as_str()), Some("refused (after 3ms)"));
        told.works("kafka://h/t");
        assert!(told.way.is_none());
    }
}
