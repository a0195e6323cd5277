//! What can happen to the screen, and what it asks the outside for.

use crate::control::{Answer, Request};
use crate::feed::FeedEvent;
use crate::recording::Pace;

use super::keys::Action;
use super::model::{Playback, View};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// A key, by its [name](super::keys::chord).
    Key(String),
    /// A place on the screen was clicked on.
    Press(Zone),
    /// The wheel was turned by so many notches; up if negative.
    Wheel(isize),
    /// The screen has so many columns and rows.
    Resize(u16, u16),
    /// The session came to something.
    Feed(FeedEvent),
    /// The session answered what it was asked for.
    Answer(Answer),
    /// How the recording that is played stands.
    Playback(Playback),
    /// Its events come from the first on again.
    Rewound,
    /// What became of an [`Effect`].
    Done(Result<String, String>),
}

/// A place on the screen that can be clicked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The name of a view.
    View(View),
    /// A row of the view's list, by its place in the list.
    Row(usize),
    /// A cell of the view's map.
    Cell {
        /// From the left.
        column: usize,
        /// From the top.
        row: usize,
    },
    /// A word that stands for a key.
    Action(Action),
}

/// What is to be done outside. The update step does nothing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// End.
    Quit,
    /// Ask the session.
    Ask(Request),
    /// Put a text into the clipboard.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the user.
        what: String,
    },
    /// Write a text to a new file in the working directory.
    Save {
        /// What the file is to be called.
        name: String,
        /// The text.
        text: String,
    },
    /// Play the recording at this pace.
    Play(Pace),
    /// Play it by one trace, then pause.
    Step,
    /// Play it from this moment on, ns of its clock.
    Seek(u64),
    /// Draw everything anew.
    Redraw,
    /// Stop the program until the shell lets it go on.
    Suspend,
}
