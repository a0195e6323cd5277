use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::feed::FeedEvent;
use crate::tui::keys::TABLE;
use crate::tui::model::{Model, View};
use crate::tui::paint::Zones;
use crate::tui::testing::{empty, many, model, one, overflowing, press};
use crate::tui::theme::{Depth, Look, Theme};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];
const PLAIN: Look = Look { depth: Depth::Plain, ascii: false };

/// Draws it as a terminal would show it.
fn shown(model: &Model, look: Look) -> (Terminal<TestBackend>, Zones) {
    let mut terminal = Terminal::new(TestBackend::new(model.size.0, model.size.1)).unwrap();
    let mut zones = Zones::new();
    terminal.draw(|frame| zones = super::draw(model, Theme::new(look), frame.buffer_mut())).unwrap();
    (terminal, zones)
}

/// What stands on the screen, without blanks at the ends of its lines.
fn text(model: &Model, look: Look) -> String {
    let (terminal, _) = shown(model, look);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            x += crate::tui::paint::columns(symbol).max(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Compares with `golden/<name>.txt`; `STAIN_UPDATE_GOLDEN=1` writes it.
fn check(name: &str, text: &str) {
    let path = format!("{}/src/tui/view/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("STAIN_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{path} differs from:\n{text}");
}

#[test]
fn of_agents_elsewhere_nothing_is_said_that_only_they_know() {
    let mut here = model((160, 50), &many());
    let mut remote = model((160, 50), &many());
    remote.is_remote = true;
    let all = |model: &mut Model| {
        let mut views = ["1", "2", "3", "4", "5", "6", "?"].map(|key| {
            press(model, key);
            text(model, PLAIN)
        });
        views.sort_unstable();
        views.concat()
    };
    let (here, remote) = (all(&mut here), all(&mut remote));
    for word in [
        "sampled, none lost",
        "hits, sampled or not",
        ", busy ",
        "take all probes off",
        "1 in ",
        "p pause",
        "r rate",
        "begin no new trace",
    ] {
        assert!(!remote.contains(word), "{word:?} in {remote}");
    }
    for word in ["hits, sampled or not", "take all probes off", "p pause", "r rate", "begin no new trace"] {
        assert!(here.contains(word), "{word:?} in {here}");
    }
    for word in [
        "is not known here",
        "`stain attach` beside the target",
        "as its agents sample",
        "agents elsewhere took",
        "leave; the agents go on",
        "end to end",
    ] {
        assert!(
            remote.contains(word) && (word == "end to end" || !here.contains(word)),
            "{word:?} in {remote}"
        );
    }
}

/// The screen at every size, after these keys.
fn check_sizes(name: &str, events: &[FeedEvent], keys: &str) {
    let mut all = String::new();
    for size in SIZES {
        let mut model = model(size, events);
        press(&mut model, keys);
        all += &format!("{} x {}\n{}", size.0, size.1, text(&model, PLAIN));
    }
    check(name, &all);
}

#[test]
fn every_view_with_nothing_one_many_and_too_much() {
    for (data, events) in
        [("empty", empty()), ("one", one()), ("many", many()), ("overflowing", overflowing())]
    {
        for (digit, view) in (1..).zip(View::ALL) {
            check_sizes(&format!("{}-{data}", view.title().to_lowercase()), &events, &digit.to_string());
        }
    }
}

#[test]
fn what_lies_over_the_views() {
    check_sizes("trace-one", &one(), "3 enter down down down");
    check_sizes("trace-corrected", &one(), "3 enter c down down");
    check_sizes("trace-overflowing", &overflowing(), "3 enter end");
    check_sizes("help", &many(), "?");
    check_sizes("messages-overflowing", &overflowing(), "!");
    check_sizes("search", &many(), "3 / 4 3 0");
    check_sizes("rate-mistaken", &many(), "6 r enter");
    check_sizes("still", &many(), "space [ [ -");
    check_sizes("cursor", &many(), "2 > > left left up");
    check_sizes("cell", &many(), "2 left enter");
}

#[test]
fn ascii_has_the_same_shape() {
    let ascii = Look { depth: Depth::Plain, ascii: true };
    for digit in ["1", "2", "3", "5", "6", "?"] {
        let mut model = model((100, 30), &many());
        press(&mut model, digit);
        let (text, plain) = (text(&model, ascii), text(&model, PLAIN));
        assert!(text.is_ascii(), "{text}");
        let shape = |text: &str| -> Vec<usize> { text.lines().map(|line| line.chars().count()).collect() };
        let differ = shape(&text).iter().zip(&shape(&plain)).filter(|(a, b)| a.abs_diff(**b) > 8).count();
        assert!(differ < 8, "{text}\n{plain}");
    }
    let mut model = model((80, 24), &many());
    press(&mut model, "1");
    check("pipeline-ascii", &text(&model, ascii));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for digit in ["1", "3", "4", "5", "6", "?"] {
        let mut model = model((120, 40), &many());
        press(&mut model, digit);
        let plain = text(&model, PLAIN);
        for depth in [Depth::Ansi, Depth::Indexed, Depth::True] {
            assert_eq!(text(&model, Look { depth, ascii: false }), plain);
        }
    }
}

#[test]
fn the_chosen_row_stands_out_as_a_whole() {
    let mut model = model((80, 24), &many());
    press(&mut model, "3 down down");
    let (terminal, _) = shown(&model, Look { depth: Depth::Ansi, ascii: false });
    let buffer = terminal.backend().buffer();
    let chosen = (0..24).filter(|y| (0..80).all(|x| buffer[(x, *y)].bg == Color::Cyan));
    assert_eq!(chosen.collect::<Vec<_>>(), [6]);
}

#[test]
fn head_and_foot_are_covered_by_nothing() {
    let events = overflowing();
    for keys in ["1", "?", "!", "3 enter", "/", "6 r", "2"] {
        let mut model = model((80, 24), &events);
        press(&mut model, keys);
        let text = text(&model, PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(" stain") && lines[0].contains("over: target exited"), "{text}");
        assert!(lines[22].contains("warning number") || keys == "!", "{text}");
        assert!(lines[22].contains('✗'), "{text}");
    }
}

fn any_keys() -> impl Strategy<Value = Vec<String>> {
    let bound = TABLE.iter().flat_map(|row| row.keys).filter(|key| !["q", "ctrl-c"].contains(key));
    let keys: Vec<String> =
        bound.map(|key| (*key).to_owned()).chain(["1", "7", "x", "backspace"].map(str::to_owned)).collect();
    proptest::collection::vec(proptest::sample::select(keys), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is pressed, at whatever size: it can be drawn, and what can be clicked on lies on the screen.
    #[test]
    fn any_keys_at_any_size(keys in any_keys(), width in 1u16..220, height in 1u16..70, data in 0usize..4) {
        let events = [empty, one, short, overflowing][data]();
        let mut model = model((width, height), &events);
        for key in keys {
            press(&mut model, &key);
            let (terminal, zones) = shown(&model, PLAIN);
            let area = terminal.backend().buffer().area;
            prop_assert!(zones.iter().all(|(zone, _)| zone.intersection(area) == *zone));
            if let Some((_, zone)) = zones.get(usize::from(width) % zones.len().max(1)) {
                crate::tui::update::update(&mut model, crate::tui::message::Message::Press(*zone));
            }
        }
    }
}

/// The beginning of [`many`].
fn short() -> Vec<FeedEvent> {
    many().into_iter().take(300).collect()
}
