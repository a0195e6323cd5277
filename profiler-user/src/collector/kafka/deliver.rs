//! Messages into the store, however long it takes: what makes progress certain, and none of them lost.
//!
//! Owns: who is to blame for a failure. A store that cannot be used is waited for, without end. A message that the store refuses while it takes others holds
//! up nobody: it is kept as it came, and passed over. Refuses: knowing Kafka, or clocks.

use std::time::Duration;

/// How long is waited after a failure: at first and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// So often a message is tried alone, before it is to blame.
const TRIES: u32 = 4;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its partition.
    pub(super) partition: i32,
    /// Its place there.
    pub(super) offset: i64,
    /// What it holds; nothing when it has no value.
    pub(super) bytes: Vec<u8>,
}

/// Why messages are not in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no room for them just now.
    Busy,
    /// The store refuses them.
    Refused(String),
    /// The collector ends.
    Stopped,
}

/// The collector ends: what was not delivered is not committed, and comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// What delivering needs.
pub(super) trait World {
    /// Returns once the store has what is in the messages durably.
    fn write(&mut self, messages: &[Message]) -> Result<(), Failure>;
    /// Keeps a message in place of what is in it. Returns once the store has it durably.
    fn keep(&mut self, message: &Message, reason: &str) -> Result<(), Failure>;
    /// Tells of a message that was passed over.
    fn passed_over(&mut self, message: &Message, reason: &str);
    /// Whether the store answers.
    fn is_ready(&mut self) -> bool;
    /// Lets time go by.
    fn wait(&mut self, time: Duration) -> Result<(), Stopped>;
}

/// Returns once the store has all of them.
pub(super) fn deliver(world: &mut impl World, messages: &[Message]) -> Result<(), Stopped> {
    let mut groups = vec![messages];
    while let Some(group) = groups.pop().filter(|group| !group.is_empty()) {
        if let Some((first, second)) = deliver_group(world, group)? {
            groups.extend([second, first]);
        }
    }
    Ok(())
}

/// Two halves of a group.
type Halves<'a> = (&'a [Message], &'a [Message]);

/// Gives the group in halves when one of its messages may be to blame.
fn deliver_group<'a>(world: &mut impl World, group: &'a [Message]) -> Result<Option<Halves<'a>>, Stopped> {
    let (mut patience, most) = PATIENCE;
    let mut tries = 0;
    loop {
        match world.write(group) {
            Ok(()) => return Ok(None),
            Err(Failure::Stopped) => return Err(Stopped),
            Err(Failure::Busy) => {}
            Err(Failure::Refused(reason)) if world.is_ready() => {
                let [message] = group else { return Ok(Some(group.split_at(group.len() / 2))) };
                tries += 1;
                // That the store takes something else now is the proof that it is not to blame, unless it has just come back.
                if tries >= TRIES && world.keep(message, &reason).is_ok() {
                    if world.write(group).is_err() {
                        world.passed_over(message, &reason);
                    }
                    return Ok(None);
                }
            }
            Err(Failure::Refused(_)) => {}
        }
        world.wait(patience)?;
        patience = most.min(patience * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that is away for the first calls, and refuses messages that hold `!`.
    #[derive(Default)]
    struct Fake {
        away: u32,
        full: u32,
        stops_after: Option<u32>,
        waits: u32,
        stored: Vec<i64>,
        kept: Vec<i64>,
        passed_over: Vec<i64>,
        ready_while_away: bool,
    }

    impl World for Fake {
        fn write(&mut self, messages: &[Message]) -> Result<(), Failure> {
            if self.full > 0 {
                self.full -= 1;
                return Err(Failure::Busy);
            }
            if self.away > 0 {
                self.away -= 1;
                return Err(Failure::Refused("away".to_owned()));
            }
            if messages.iter().any(|message| message.bytes.contains(&b'!')) {
                return Err(Failure::Refused("a bad row".to_owned()));
            }
            self.stored.extend(messages.iter().map(|message| message.offset));
            Ok(())
        }

        fn keep(&mut self, message: &Message, reason: &str) -> Result<(), Failure> {
            if self.away > 0 {
                self.away -= 1;
                return Err(Failure::Refused("away".to_owned()));
            }
            assert!(!reason.is_empty());
            self.kept.push(message.offset);
            Ok(())
        }

        fn passed_over(&mut self, message: &Message, reason: &str) {
            assert_eq!(reason, "a bad row");
            self.passed_over.push(message.offset);
        }

        fn is_ready(&mut self) -> bool {
            self.away == 0 || self.ready_while_away
        }

        fn wait(&mut self, _: Duration) -> Result<(), Stopped> {
            self.waits += 1;
            if self.stops_after.is_some_and(|after| self.waits > after) { Err(Stopped) } else { Ok(()) }
        }
    }

    fn messages(bad: &[i64]) -> Vec<Message> {
        let of = |offset| Message {
            partition: 0,
            offset,
            bytes: if bad.contains(&offset) { b"!".to_vec() } else { b".".to_vec() },
        };
        (0..100).map(of).collect()
    }

    #[test]
    fn what_the_store_refuses_is_kept_and_holds_up_nobody() {
        for bad in [vec![], vec![0], vec![99], vec![3, 4, 50], (0..100).collect()] {
            let mut world = Fake::default();
            assert_eq!(deliver(&mut world, &messages(&bad)), Ok(()));
            let good: Vec<i64> = (0..100).filter(|offset| !bad.contains(offset)).collect();
            assert_eq!((world.stored, &world.kept, world.passed_over), (good, &bad, bad.clone()));
        }
    }

    #[test]
    fn a_store_that_is_away_is_waited_for_and_blames_nobody() {
        // Whether it says that it is there or not, as with a full disk; and whenever it comes back.
        for (away, ready_while_away) in (0..60).flat_map(|away| [(away, false), (away, true)]) {
            let mut world = Fake { away, full: 3, ready_while_away, ..Fake::default() };
            assert_eq!(deliver(&mut world, &messages(&[])), Ok(()));
            assert_eq!((world.stored, world.passed_over), ((0..100).collect(), vec![]));
        }
    }

    #[test]
    fn the_end_comes_between_tries_and_nothing_is_taken_for_done() {
        let mut world = Fake { away: u32::MAX, stops_after: Some(5), ..Fake::default() };
        assert_eq!(deliver(&mut world, &messages(&[])), Err(Stopped));
        assert!(world.stored.is_empty() && world.passed_over.is_empty());
        assert_eq!(deliver(&mut Fake::default(), &[]), Ok(()));
    }
}
