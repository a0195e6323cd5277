//! What the user was told: by the agent, and by what the keys came to.

use std::collections::VecDeque;

use crate::feed::{Clock, NoticeKind};

/// Messages that are kept, the last ones.
const KEPT: usize = 500;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Info,
    /// To be looked at.
    Warning,
    /// What was asked for did not come true.
    Error,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: Clock,
    /// How much it matters.
    pub weight: Weight,
    /// A sentence.
    pub text: String,
    /// How often it was told without another one between.
    pub times: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Log {
    messages: VecDeque<Message>,
    /// Warnings and errors since the user looked.
    unseen: usize,
    last: Last,
}

/// What the last message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    /// News: it stays.
    #[default]
    News,
    /// The answer to the last key.
    Answer,
    /// The answer to a key, and another key was pressed since.
    Passed,
}

impl Weight {
    /// Of what the agent tells.
    #[must_use]
    pub const fn of(kind: NoticeKind) -> Self {
        match kind {
            NoticeKind::Warning => Self::Warning,
            _ => Self::Info,
        }
    }
}

impl Log {
    /// Adds one.
    pub fn push(&mut self, at: Clock, weight: Weight, text: impl Into<String>) {
        let text = text.into();
        self.last = Last::News;
        if weight > Weight::Info {
            self.unseen += 1;
        }
        if let Some(last) = self.messages.back_mut().filter(|last| last.text == text && last.weight == weight)
        {
            (last.at, last.times) = (at, last.times.saturating_add(1));
            return;
        }
        if self.messages.len() == KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { at, weight, text, times: 1 });
    }

    /// Adds one that is the answer to a key, and shown until the next one.
    pub fn answer(&mut self, at: Clock, text: impl Into<String>) {
        self.push(at, Weight::Info, text);
        self.last = Last::Answer;
    }

    /// A key was pressed.
    pub fn pass(&mut self) {
        if self.last == Last::Answer {
            self.last = Last::Passed;
        }
    }

    /// The messages, the latest first.
    pub fn latest_first(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().rev()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The one to show on the status line: the answer to the last key, the latest warning or error that the user has not looked at, or else the latest.
    #[must_use]
    pub fn status(&self) -> Option<&Message> {
        let grave =
            || self.latest_first().find(|message| message.weight > Weight::Info).filter(|_| self.unseen > 0);
        match self.last {
            Last::Answer => self.messages.back(),
            Last::Passed => grave(),
            Last::News => grave().or_else(|| self.messages.back()),
        }
    }

    /// Warnings and errors that the user has not looked at.
    #[must_use]
    pub const fn unseen(&self) -> usize {
        self.unseen
    }

    /// The user looks at them.
    pub fn look(&mut self) {
        self.unseen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, KEPT, Log, Weight};

    #[test]
    fn warnings_stay_until_they_were_looked_at() {
        let mut log = Log::default();
        let mut tell = |weight, text: &str| log.push(Clock::default(), weight, text);
        tell(Weight::Warning, "slots are full");
        tell(Weight::Warning, "slots are full");
        tell(Weight::Info, "joined: process 7");
        assert_eq!(
            log.status().map(|message| (message.text.as_str(), message.times)),
            Some(("slots are full", 2))
        );
        assert_eq!((log.unseen(), log.len()), (2, 2));
        log.look();
        assert_eq!(log.status().map(|message| message.text.as_str()), Some("joined: process 7"));
    }

    #[test]
    fn bounded() {
        let mut log = Log::default();
        (0..KEPT + 7).for_each(|number| log.push(Clock::default(), Weight::Info, number.to_string()));
        assert_eq!(
            (log.len(), log.latest_first().last().map(|message| message.text.clone())),
            (KEPT, Some("7".to_owned()))
        );
    }
}
