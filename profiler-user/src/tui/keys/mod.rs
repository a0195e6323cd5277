//! The keys: one table, from which keys are obeyed, help and hints are made, and docs/tui.md is checked.
//!
//! Owns: which key does what, where. Refuses: doing it.

mod chord;
mod table;

pub use chord::chord;
pub use table::TABLE;

use super::model::{Layer, View};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// End: take the probes off, leave the screen.
    Quit,
    /// Show the keys.
    Help,
    /// Show what was told so far.
    Messages,
    /// Close what is open.
    Close,
    /// Show this view.
    Show(View),
    /// Show the view after this one.
    NextView,
    /// Show the view before this one.
    PreviousView,
    /// Let time stand still, or go on.
    Freeze,
    /// Go back in time.
    Older,
    /// Go forward in time.
    Newer,
    /// A longer time window.
    Longer,
    /// A shorter time window.
    Shorter,
    /// One up.
    Up,
    /// One down.
    Down,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// Open what is chosen.
    Open,
    /// Search for a text.
    Search,
    /// To the next place where it is found.
    NextFound,
    /// To the one before.
    PreviousFound,
    /// Sort by the next column.
    Sort,
    /// The other way round.
    Reverse,
    /// Show other outcomes.
    Filter,
    /// The slowest, or the latest.
    Order,
    /// The next hop.
    NextHop,
    /// The hop before.
    PreviousHop,
    /// End to end.
    EndToEnd,
    /// Raw times, or less what the probes took.
    Corrected,
    /// Copy to the clipboard.
    Copy,
    /// Save to a file.
    Save,
    /// Begin no trace, or begin them again.
    Pause,
    /// Ask for another rate.
    Rate,
    /// Ask for another budget.
    Budget,
    /// Probe the stage no longer, or again.
    Switch,
    /// Probe more stages, or fewer.
    Level,
    /// Draw everything anew.
    Redraw,
    /// Stop the program, as a shell's Ctrl-Z does.
    Suspend,
    /// Replay faster.
    Faster,
    /// Replay slower.
    Slower,
    /// Replay one event.
    Step,
    /// Replay from an earlier time on.
    SeekBack,
    /// Replay from a later time on.
    SeekForward,
}

impl Action {
    /// Whether it asks the agent for another setting: of no use where there is none to ask.
    #[must_use]
    pub const fn is_setting(self) -> bool {
        matches!(self, Self::Pause | Self::Rate | Self::Budget | Self::Switch | Self::Level)
    }
}

/// Where a key is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everywhere.
    Everywhere,
    /// In every view that has a list or a map.
    Lists,
    /// In this view.
    In(View),
    /// Where a trace is shown or listed.
    Traces,
    /// While a recording is replayed.
    Replay,
}

impl Place {
    /// All, with what they are called.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Everywhere, "Everywhere"),
        (Self::Lists, "In lists and maps"),
        (Self::In(View::Pipeline), "Pipeline"),
        (Self::In(View::Latency), "Latency"),
        (Self::In(View::Traces), "Traces"),
        (Self::Traces, "Traces, and a trace that is open"),
        (Self::In(View::Tasks), "Tasks"),
        (Self::In(View::Probes), "Probes"),
        (Self::Replay, "Replay"),
    ];
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where.
    pub place: Place,
    /// The keys, each of which does it. The first is shown in hints.
    pub keys: &'static [&'static str],
    /// What.
    pub action: Action,
    /// What it does, for the help.
    pub does: &'static str,
    /// A word for the line of hints; empty: not shown there.
    pub hint: &'static str,
}

/// Where the user is, as far as keys are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The view.
    pub view: View,
    /// What lies over it.
    pub layer: Layer,
    /// A recording is replayed.
    pub replay: bool,
}

impl Binding {
    /// Whether it is obeyed there.
    #[must_use]
    pub fn applies(&self, at: Situation) -> bool {
        match self.place {
            Place::Everywhere | Place::Lists => true,
            Place::In(view) => at.view == view && at.layer == Layer::None,
            Place::Traces => matches!((at.view, at.layer), (View::Traces, Layer::None) | (_, Layer::Trace)),
            Place::Replay => at.replay,
        }
    }
}

/// What a key does there; the rows of a view go before those of everywhere.
#[must_use]
pub fn action(key: &str, at: Situation) -> Option<Action> {
    let bound = || TABLE.iter().filter(|row| row.keys.contains(&key) && row.applies(at));
    let special = bound().find(|row| !matches!(row.place, Place::Everywhere | Place::Lists));
    special.or_else(|| bound().next()).map(|row| row.action)
}

/// The rows that have a word in the line of hints: how to leave and where help is, then those of the view, then the rest.
pub fn hints(at: Situation) -> impl Iterator<Item = &'static Binding> {
    let open = !matches!(at.layer, Layer::None | Layer::Prompt);
    let rank = move |row: &&Binding| match (row.action, row.place) {
        (Action::Quit | Action::Help | Action::Close, _) => 0,
        (_, Place::Everywhere | Place::Lists) => 2,
        _ => 1,
    };
    let mut rows: Vec<_> = TABLE
        .iter()
        .filter(|row| !row.hint.is_empty() && row.applies(at) && (open || row.action != Action::Close))
        .collect();
    rows.sort_by_key(rank);
    rows.into_iter()
}

#[cfg(test)]
mod tests {
    use super::{Action, Layer, Place, Situation, TABLE, View, action};

    #[test]
    fn no_key_means_two_things_at_one_place() {
        for (index, row) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                let both = row.keys.iter().find(|key| other.keys.contains(*key));
                assert!(row.place != other.place || both.is_none(), "{both:?}: {row:?} and {other:?}");
            }
        }
    }

    #[test]
    fn what_a_view_binds_goes_before_what_is_bound_everywhere() {
        let at = |view, layer| Situation { view, layer, replay: false };
        assert_eq!(action("q", at(View::Pipeline, Layer::Help)), Some(Action::Quit));
        assert_eq!(action("enter", at(View::Traces, Layer::None)), Some(Action::Open));
        assert_eq!(action("s", at(View::Traces, Layer::None)), Some(Action::Sort));
        assert_eq!(action("s", at(View::Health, Layer::None)), None);
        assert_eq!(action("y", at(View::Latency, Layer::Trace)), Some(Action::Copy));
        assert_eq!(action("y", at(View::Latency, Layer::None)), None);
        assert_eq!(action("f13", at(View::Traces, Layer::None)), None);
    }

    #[test]
    fn every_view_has_its_digit() {
        for (index, view) in View::ALL.into_iter().enumerate() {
            let at = Situation { view: View::Pipeline, layer: Layer::None, replay: false };
            assert_eq!(action(&(index + 1).to_string(), at), Some(Action::Show(view)));
        }
        assert!(TABLE.iter().all(|row| !row.keys.is_empty() && !row.does.ends_with('.')));
        assert!(TABLE.iter().any(|row| row.place == Place::Replay));
    }

    /// The tables of keys as docs/tui.md has them.
    fn tables() -> String {
        let mut text = String::new();
        for (place, title) in Place::ALL {
            text += &format!("### {title}\n\n| keys | what they do |\n|---|---|\n");
            for row in TABLE.iter().filter(|row| row.place == place) {
                let keys: Vec<String> = row.keys.iter().map(|key| format!("`{key}`")).collect();
                text += &format!("| {} | {} |\n", keys.join(" "), row.does);
            }
            text.push('\n');
        }
        text
    }

    #[test]
    fn the_document_lists_the_keys() {
        const BEGIN: &str = "<!-- keys: begin -->\n";
        const END: &str = "<!-- keys: end -->";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tui.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (before, rest) = document.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let wanted = format!("{before}{BEGIN}\n{}{END}{after}", tables());
        if std::env::var_os("STAIN_UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == wanted, "docs/tui.md does not list:\n{}", tables());
    }
}
