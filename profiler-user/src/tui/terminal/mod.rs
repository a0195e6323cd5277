//! The running screen: keys in, frames out, on a thread of its own, so that a slow terminal never holds up the session.
//!
//! Owns: the order of a turn (what came in, keys, a frame) and its pace. Refuses: deciding anything; that is `update`.

mod clipboard;
pub mod guard;
mod outside;
mod source;
mod wait;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseButton, MouseEventKind};

use super::keys::chord;
use super::message::{Effect, Message, Zone};
use super::model::Model;
use super::paint::Zones;
use super::theme::Theme;
use super::update::update;
use super::view;
use crate::feed::{FeedEvent, Receiver};
use guard::Guard;
use outside::Outside;
pub use source::{Play, Player, Source, now_ns};
use wait::{Waited, wait};

/// Time from one frame to the next, while things change by themselves.
const FRAME: Duration = Duration::from_millis(100);

/// Time from one frame to the next, while keys come: fast, but a key that repeats is not followed by frames without end.
const QUICK: Duration = Duration::from_millis(15);

/// Keys that are taken between two frames.
const MAX_KEYS: usize = 256;

/// What a screen is for.
pub struct Screen {
    /// Where events come from.
    pub source: Source,
    /// How it looks.
    pub theme: Theme,
    /// What the user's clock is ahead of UTC, s.
    pub utc_offset_s: i32,
}

/// Shows the screen until the user leaves it, or the session is over and gives no end to look at.
/// What the user was told meanwhile, warnings and worse, is given back, to be told again where it stays.
///
/// # Errors
/// When the terminal fails. It is given back all the same.
pub fn run<W: Write>(mut out: W, screen: Screen) -> io::Result<Vec<String>> {
    let guard = Guard::take(&mut out)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::BufWriter::with_capacity(1 << 16, out)))?;
    let size = terminal.size()?;
    let mut model = Model::new((size.width, size.height));
    model.utc_offset_s = screen.utc_offset_s;
    let (input, requests) = match screen.source {
        Source::Session { feed, requests, ends_with_it, is_remote } => {
            model.is_remote = is_remote;
            (Input::Session { feed, ends_with_it }, Some(requests))
        }
        Source::Recording(player) => {
            // Nobody else listens to the signals that end the program.
            guard::session_is_over();
            (Input::Recording(player), None)
        }
    };
    let mut running = Running {
        model,
        zones: Zones::new(),
        outside: Outside::new(requests),
        theme: screen.theme,
        input,
        events: VecDeque::new(),
    };
    let result = running.turns(&mut terminal, &guard);
    // A terminal that has gone needs nothing back.
    let given_back = guard.lend(terminal.backend_mut());
    result?;
    drop(given_back);
    Ok(running.told())
}

type Out<W> = Terminal<CrosstermBackend<io::BufWriter<W>>>;

/// Where events come from, as long as any do.
enum Input {
    Session { feed: Receiver, ends_with_it: bool },
    Recording(Box<dyn Play + Send>),
    Over,
}

struct Running {
    model: Model,
    zones: Zones,
    outside: Outside,
    theme: Theme,
    input: Input,
    events: VecDeque<FeedEvent>,
}

impl Running {
    fn turns<W: Write>(&mut self, terminal: &mut Out<W>, guard: &Guard) -> io::Result<()> {
        let mut next_frame = Instant::now();
        // After a panic elsewhere the terminal is no longer ours to draw on.
        while guard::is_taken() {
            if !self.take_events() {
                return Ok(());
            }
            if let Some(answer) = self.outside.answer() {
                update(&mut self.model, Message::Answer(answer));
            }
            let now = Instant::now();
            if now >= next_frame {
                self.draw(terminal)?;
                next_frame = now + FRAME;
            }
            match wait(next_frame.saturating_duration_since(Instant::now()))? {
                Waited::Event if self.take_keys(terminal, guard)? => return Ok(()),
                Waited::Event => next_frame = next_frame.min(now + QUICK),
                Waited::Nothing => {}
                Waited::Gone => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes in what has come. False when there is nothing more to look at.
    fn take_events(&mut self) -> bool {
        match &mut self.input {
            Input::Session { feed, ends_with_it } => {
                let (open, ends_with_it) = (feed.take(&mut self.events), *ends_with_it);
                self.add_events();
                open || self.session_is_over(ends_with_it)
            }
            Input::Recording(player) => {
                let due = player.due(&mut self.events);
                let playback = player.playback();
                self.add_events();
                update(&mut self.model, Message::Playback(playback));
                if let Err(error) = due {
                    update(&mut self.model, source::failure(&error));
                    self.input = Input::Over;
                }
                true
            }
            Input::Over => true,
        }
    }

    fn add_events(&mut self) {
        for event in self.events.drain(..) {
            update(&mut self.model, Message::Feed(event));
        }
    }

    /// Whether there is an end to look at.
    fn session_is_over(&mut self, ends_with_it: bool) -> bool {
        self.input = Input::Over;
        let stays = |why: &str| !ends_with_it && why != "interrupted";
        self.model.data.account.ended().is_some_and(|ended| stays(&ended.why))
    }

    /// Does what the update step asks for.
    fn act<W: Write>(&mut self, effect: Effect, terminal: &mut Out<W>, guard: &Guard) -> io::Result<()> {
        if let Input::Recording(player) = &mut self.input {
            match player.act(&effect, &mut self.events) {
                Ok(false) => {}
                Ok(true) => drop(update(&mut self.model, Message::Rewound)),
                Err(error) => drop(update(&mut self.model, source::failure(&error))),
            }
            self.add_events();
        }
        if let Some(done) = self.outside.act(effect, terminal, guard)? {
            update(&mut self.model, done);
        }
        Ok(())
    }

    /// Takes in what the user did. True when the screen is to go.
    fn take_keys<W: Write>(&mut self, terminal: &mut Out<W>, guard: &Guard) -> io::Result<bool> {
        for _ in 0..MAX_KEYS {
            if let Some(message) = self.message(&event::read()?) {
                let effect = update(&mut self.model, message);
                if effect == Effect::Quit {
                    return Ok(true);
                }
                self.act(effect, terminal, guard)?;
            }
            if wait(Duration::ZERO)? != Waited::Event {
                break;
            }
        }
        Ok(false)
    }

    fn message(&self, event: &Event) -> Option<Message> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => chord(key).map(Message::Key),
            Event::Resize(width, height) => Some(Message::Resize(*width, *height)),
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => Some(Message::Wheel(-1)),
                MouseEventKind::ScrollDown => Some(Message::Wheel(1)),
                MouseEventKind::Down(MouseButton::Left) => {
                    self.zone(mouse.column, mouse.row).map(Message::Press)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn zone(&self, x: u16, y: u16) -> Option<Zone> {
        let hit = self.zones.iter().rev().find(|(area, _)| area.contains((x, y).into()));
        hit.map(|(_, zone)| *zone)
    }

    fn draw<W: Write>(&mut self, terminal: &mut Out<W>) -> io::Result<()> {
        let Self { model, theme, zones, .. } = self;
        // A frame appears as a whole on terminals that know how; the others skip these sequences.
        terminal.backend_mut().write_all(b"\x1b[?2026h")?;
        let drawn = terminal.draw(|frame| {
            let area = frame.area();
            model.size = (area.width, area.height);
            *zones = view::draw(model, *theme, frame.buffer_mut());
        });
        drawn?;
        terminal.backend_mut().write_all(b"\x1b[?2026l")?;
        Write::flush(terminal.backend_mut())
    }

    /// Warnings and errors, in the order of time.
    fn told(&self) -> Vec<String> {
        let grave = |message: &&super::model::Message| message.weight > super::model::Weight::Info;
        let mut told: Vec<_> =
            self.model.data.log.latest_first().filter(grave).map(|message| message.text.clone()).collect();
        told.reverse();
        told
    }
}
