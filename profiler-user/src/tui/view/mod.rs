//! The screen: head and foot, the view between them, and what lies over it. Reads the model and changes nothing.
//!
//! Owns: where things stand. Refuses: to hide the state of the session or an error: head and foot are covered by nothing.

mod foot;
mod head;
mod health;
mod help;
mod latency;
mod messages;
mod pipeline;
mod probes;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod traces;
mod waterfall;

use profiler_common::Outcome;
use ratatui::buffer::Buffer;

use super::model::{Model, Overlay, View, WHOLE};
use super::paint::{Pen, Zones};
use super::theme::{Ink, Theme};

/// Rows above the view.
const HEAD: u16 = 2;

/// Rows below it.
const FOOT: u16 = 2;

/// What a screen needs at least.
const SMALLEST: (u16, u16) = (48, 10);

/// Rows that a view has on a screen of this height.
#[must_use]
pub const fn body_rows(height: u16) -> u16 {
    height.saturating_sub(HEAD + FOOT)
}

/// Draws everything. Gives the places that can be clicked on.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer) -> Zones {
    let mut zones = Zones::new();
    let mut pen = Pen::new(buffer, &mut zones, theme);
    let (width, height) = (pen.width(), pen.height());
    if width < SMALLEST.0 || height < SMALLEST.1 {
        let (w, h) = SMALLEST;
        pen.wrapped(
            0,
            0,
            &format!("stain needs {w} columns and {h} rows; here are {width} and {height}. q ends"),
            Ink::Warn,
        );
        return zones;
    }
    head::draw(model, &mut pen.part(0, 0, width, HEAD));
    foot::draw(model, &mut pen.part(0, height - FOOT, width, FOOT));
    let mut body = pen.part(0, HEAD, width, body_rows(height));
    match &model.overlay {
        Overlay::Help(scroll) => help::draw(model, *scroll, &mut body),
        Overlay::Messages(scroll) => messages::draw(model, *scroll, &mut body),
        Overlay::Trace(opened) => waterfall::draw(model, opened, &mut body),
        Overlay::None | Overlay::Prompt(_) => view(model, &mut body),
    }
    zones
}

fn view(model: &Model, pen: &mut Pen<'_>) {
    match model.view {
        View::Health | View::Probes if model.is_remote => {
            let words = "These are traces that agents elsewhere took. What each of them sampled and spent, and how it samples, it tells by itself: \
                         `stain ctl` on its machine. What they lost is told below as it becomes known, and listed on the collector's page.";
            pen.wrapped(1, 1, words, Ink::Dim);
        }
        View::Pipeline => pipeline::draw(model, pen),
        View::Latency => latency::draw(model, pen),
        View::Tasks => tasks::draw(model, pen),
        View::Traces => traces::draw(model, pen),
        View::Health => health::draw(model, pen),
        View::Probes => probes::draw(model, pen),
    }
}

/// A time of day in the user's time zone: `14:03:22`.
fn time_of_day(model: &Model, wall_ns: u64) -> String {
    let seconds = i64::try_from(wall_ns / 1_000_000_000).unwrap_or(0) + i64::from(model.utc_offset_s);
    let of_day = seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// A stretch of time as clocks show it: `0:07`, `12:34`, `1:02:03`.
fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A count with its noun: `1 record`, `1,234 records`.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", crate::sink::units::count(count), if count == 1 { one } else { many })
}

/// The time window in words: `last 5 min`.
fn window(model: &Model) -> String {
    match model.window_s() {
        WHOLE => "whole session".to_owned(),
        seconds => format!("last {}", span(seconds)),
    }
}

/// A span of whole seconds in words: `10 s`, `5 min`, `1 h`.
fn span(seconds: u64) -> String {
    match seconds {
        s if s >= 3600 && s.is_multiple_of(3600) => format!("{} h", s / 3600),
        s if s >= 60 && s.is_multiple_of(60) => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// Loss is red; ends that the pipeline means are not.
const fn outcome_ink(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Written | Outcome::Filtered | Outcome::Split | Outcome::Named(_) => Ink::Text,
        Outcome::Superseded | Outcome::Expired => Ink::Warn,
        Outcome::TargetExit | Outcome::ThreadExit | Outcome::SourceUnseen => Ink::Bad,
    }
}

/// Columns and rows that the latency map has on a screen of this size.
#[must_use]
pub const fn latency_room(size: (u16, u16)) -> (u16, u16) {
    latency::room(size)
}

/// How far what is on top can be scrolled: rows that it has and the screen has not.
#[must_use]
pub fn scroll_rows(model: &Model) -> u16 {
    let room = body_rows(model.size.1);
    match &model.overlay {
        Overlay::Help(_) => help::rows(model).saturating_sub(room.saturating_sub(2)),
        Overlay::Messages(_) => u16::try_from(model.data.log.len()).unwrap_or(u16::MAX).saturating_sub(1),
        _ if model.view == View::Health => health::rows(model).saturating_sub(room),
        _ => 0,
    }
}
