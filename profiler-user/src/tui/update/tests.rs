use crate::control::{Answer, Request};
use crate::feed::{Clock, FeedEvent};
use crate::sink::{Change, Setting};
use crate::spec::Level;
use crate::stats::Subject;
use crate::tui::lists;
use crate::tui::message::{Effect, Message, Zone};
use crate::tui::model::{Layer, Model, Order, Overlay, TaskSort, Time, TraceSort, View, age_ns};
use crate::tui::testing::{SECOND, empty, journey, many, model, notice, one, overflowing, press};
use profiler_common::Outcome;

use super::update;

const SIZE: (u16, u16) = (80, 24);

fn busy() -> Model {
    model(SIZE, &many())
}

#[test]
fn views_by_digit_by_tab_and_by_click() {
    let mut model = busy();
    let mut after = |keys: &str| {
        press(&mut model, keys);
        model.view
    };
    assert_eq!(after("4"), View::Tasks);
    assert_eq!(after("tab tab"), View::Probes);
    assert_eq!(after("tab"), View::Pipeline);
    assert_eq!(after("shift-tab"), View::Probes);
    update(&mut model, Message::Press(Zone::View(View::Latency)));
    assert_eq!(model.view, View::Latency);
}

/// Eight workers do the same, and the sixth takes ten times as long: it is marked, on top, and enter shows its hop.
#[test]
fn a_task_that_stands_out() {
    let mut model = busy();
    let Some(info) = model.data.info().cloned() else { panic!("no session") };
    let now = model.data.now_ns();
    for id in 0..200u64 {
        let worker = id % 8;
        let took = if worker == 5 { 40_000 } else { 4_000 } + id;
        let way = [(3, 1_000), (4, took)];
        let mut trace = journey(&info.stages, 1_000_000 + id, now, &way, Outcome::Filtered);
        for stamp in &mut trace.stamps {
            stamp.task_id = 900 + worker as i64;
        }
        update(&mut model, Message::Feed(FeedEvent::Trace(std::sync::Arc::new(trace))));
    }
    let slow: Vec<_> =
        lists::tasks(&model).into_iter().filter(|row| row.stands_out && row.id.1.task_id < 1000).collect();
    assert_eq!(slow.iter().map(|row| row.id.1.task_id).collect::<Vec<_>>(), [905]);
    assert!(slow[0].versus.is_some_and(|versus| (8.0..11.0).contains(&versus)), "{slow:?}");
    press(&mut model, "4 / 9 0 5 enter");
    let rows = lists::tasks(&model);
    let place = model.cursors.task.place(&lists::task_ids(&rows));
    assert_eq!(rows[place].id.1.task_id, 905);
    press(&mut model, "s s s");
    assert_eq!(model.tasks, (TaskSort::P95, false));
    press(&mut model, "r enter");
    assert_eq!((model.tasks, model.view), ((TaskSort::P95, true), View::Latency));
    assert_eq!(model.cursors.subject.get(&lists::subjects(&model)), Some(Subject::Hop(3, 4)));
}

#[test]
fn the_level_goes_round_and_is_shown_as_confirmed() {
    let mut model = busy();
    assert_eq!(press(&mut model, "6 l"), [Effect::None, Effect::Ask(Request::Level(Level::Debug))]);
    let change = Change { setting: Setting::Level, from: 0, to: 2, at_ns: 0, wall_ns: 0 };
    update(&mut model, Message::Feed(FeedEvent::Changed(change)));
    update(&mut model, Message::Answer(Answer { ok: true, changed: Some(change), ..Answer::default() }));
    assert_eq!(model.data.account.probing_at(0).unwrap().level, Some(Level::Trace));
    assert_eq!(press(&mut model, "l"), [Effect::Ask(Request::Level(Level::Info))]);
    // One that is refused is passed by.
    update(&mut model, Message::Answer(Answer { ok: false, error: Some("no".into()), ..Answer::default() }));
    assert_eq!(press(&mut model, "l"), [Effect::Ask(Request::Level(Level::Debug))]);
    update(&mut model, Message::Answer(Answer { ok: true, ..Answer::default() }));
    assert_eq!(press(&mut model, "l"), [Effect::Ask(Request::Level(Level::Info))]);
}

#[test]
fn a_stage_is_switched_where_the_cursor_is_and_shown_as_confirmed() {
    let mut model = busy();
    assert_eq!(
        press(&mut model, "6 j t"),
        [Effect::None, Effect::None, Effect::Ask(Request::Stage(1, false))]
    );
    let change = Change { setting: Setting::Stage, from: 3, to: 2, at_ns: 0, wall_ns: 0 };
    update(&mut model, Message::Feed(FeedEvent::Changed(change)));
    update(&mut model, Message::Answer(Answer { ok: true, changed: Some(change), ..Answer::default() }));
    let probing = model.data.account.probing_at(0).unwrap();
    assert!(probing.is_off(1) && !probing.is_off(0));
    assert_eq!(press(&mut model, "t"), [Effect::Ask(Request::Stage(1, true))]);
}

#[test]
fn leaving_works_from_everywhere_but_a_line_that_is_typed() {
    for keys in ["1", "?", "!", "3 enter", "space", "2 left"] {
        let mut model = busy();
        press(&mut model, keys);
        assert_eq!(press(&mut model, "q"), [Effect::Quit], "{keys}");
        assert_eq!(press(&mut model, "ctrl-c"), [Effect::Quit], "{keys}");
    }
    let mut model = busy();
    assert_eq!(press(&mut model, "/ q"), [Effect::None, Effect::None]);
    assert!(matches!(&model.overlay, Overlay::Prompt(prompt) if prompt.text == "q"));
    assert_eq!(press(&mut model, "ctrl-c"), [Effect::Quit]);
}

#[test]
fn escape_closes_what_is_on_top_first() {
    let mut model = busy();
    press(&mut model, "space / x enter 3 enter ?");
    let mut layer = |keys: &str| {
        press(&mut model, keys);
        (model.overlay.layer(), model.search.as_str() == "x", model.time == Time::Live)
    };
    assert_eq!(layer("1 ?"), (Layer::Help, true, false));
    assert_eq!(layer("esc"), (Layer::None, true, false));
    assert_eq!(layer("esc"), (Layer::None, false, false));
    assert_eq!(layer("esc"), (Layer::None, false, true));
}

#[test]
fn time_stands_still_goes_back_and_comes_again() {
    let mut model = busy();
    let now = model.data.now_ns();
    press(&mut model, "space");
    assert_eq!(model.time, Time::Still { at_ns: now });
    // More comes in; the screen stands, and nothing is lost.
    let before = model.span_ns();
    let later = crate::feed::FeedEvent::Tick(std::sync::Arc::new(crate::feed::Tick {
        mono_ns: now + 5 * SECOND,
        ..crate::feed::Tick::default()
    }));
    update(&mut model, Message::Feed(later));
    assert_eq!((model.span_ns(), model.data.now_ns()), (before, now + 5 * SECOND));
    press(&mut model, "[ [");
    assert_eq!(model.until_ns(), now - 30 * SECOND);
    press(&mut model, "]");
    assert_eq!(model.until_ns(), now - 15 * SECOND);
    press(&mut model, "] ]");
    assert_eq!(model.time, Time::Live);
    press(&mut model, "[ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [");
    assert_eq!(model.until_ns(), model.data.began().mono_ns);
    press(&mut model, "f");
    assert_eq!(model.until_ns(), now + 5 * SECOND);
}

#[test]
fn windows_grow_and_shrink_to_their_ends() {
    let mut model = busy();
    assert_eq!(model.window_ns(), 60 * SECOND);
    press(&mut model, "-");
    assert_eq!(model.window_ns(), 300 * SECOND);
    press(&mut model, "- - - - - -");
    assert_eq!(model.window_ns(), model.data.now_ns() - model.data.attached_ns());
    press(&mut model, "+ + + + + + + + +");
    assert_eq!(model.window_ns(), 10 * SECOND);
}

#[test]
fn the_same_hop_is_chosen_in_pipeline_and_latency() {
    let mut model = busy();
    let subjects = lists::subjects(&model);
    let chosen = |model: &Model| model.cursors.subject.get(&subjects);
    assert_eq!(chosen(&model), Some(Subject::EndToEnd));
    press(&mut model, "down down");
    assert_eq!(chosen(&model), Some(Subject::Hop(1, 2)));
    press(&mut model, "enter >");
    assert_eq!((model.view, chosen(&model)), (View::Latency, Some(Subject::Hop(2, 3))));
    press(&mut model, "< < e");
    assert_eq!(chosen(&model), Some(Subject::EndToEnd));
    press(&mut model, "1 G");
    assert_eq!(chosen(&model), Some(Subject::SinkWrite));
    press(&mut model, "g");
    assert_eq!(chosen(&model), Some(Subject::EndToEnd));
}

#[test]
fn a_cell_of_the_map_lists_its_traces() {
    let mut model = busy();
    press(&mut model, "2");
    let grid = crate::tui::grid::Grid::new(&model);
    press(&mut model, "left left");
    let (column, row) = grid.cursor(&model).unwrap();
    assert_eq!(column, grid.columns.len() - 2);
    let count = grid.count(column, row);
    press(&mut model, "enter");
    let traces = lists::traces(&model);
    assert_eq!((model.view, traces.len() as u64), (View::Traces, count));
    let (low, high) = grid.durations(row);
    assert!(traces.iter().all(|trace| (low..=high).contains(&age_ns(trace))));
    press(&mut model, "esc");
    assert!(lists::traces(&model).len() as u64 > count);
}

#[test]
fn a_click_on_the_map_puts_the_cursor_there() {
    let mut model = busy();
    press(&mut model, "2");
    update(&mut model, Message::Press(Zone::Cell { column: 3, row: 2 }));
    assert_eq!(crate::tui::grid::Grid::new(&model).cursor(&model), Some((3, 2)));
    press(&mut model, "esc");
    assert_eq!(model.cursors.cell, None);
}

#[test]
fn traces_are_sorted_filtered_and_turned_round() {
    let mut model = busy();
    press(&mut model, "3");
    let took = |model: &Model| lists::traces(model).iter().map(|trace| age_ns(trace)).collect::<Vec<_>>();
    assert!(took(&model).is_sorted_by(|a, b| a >= b));
    press(&mut model, "r");
    assert!(took(&model).is_sorted());
    press(&mut model, "t");
    assert_eq!(
        (model.traces.order, model.traces.sort, model.traces.reverse),
        (Order::Latest, TraceSort::Ended, false)
    );
    assert!(lists::traces(&model).is_sorted_by(|a, b| a.end_ns >= b.end_ns));
    press(&mut model, "s s");
    assert_eq!(model.traces.sort, TraceSort::Stamps);
    press(&mut model, "o o");
    assert_eq!(model.traces.outcome, Some(Outcome::Filtered));
    assert!(lists::traces(&model).iter().all(|trace| trace.outcome == Outcome::Filtered));
    press(&mut model, "o");
    assert_eq!(model.traces.outcome, None);
}

#[test]
fn a_chosen_trace_stays_chosen_while_others_come() {
    let events = many();
    let (first, rest) = events.split_at(events.len() - 45);
    let mut model = model(SIZE, first);
    press(&mut model, "3 t down down");
    let chosen = super::lists::trace(&model).unwrap().id;
    rest.iter().for_each(|event| drop(update(&mut model, Message::Feed(event.clone()))));
    assert_eq!(super::lists::trace(&model).unwrap().id, chosen);
    press(&mut model, "g");
    assert_eq!(super::lists::trace(&model).unwrap().id, 12_039);
}

#[test]
fn a_click_chooses_and_another_opens() {
    let mut model = busy();
    press(&mut model, "3");
    update(&mut model, Message::Press(Zone::Row(4)));
    assert_eq!(model.overlay.layer(), Layer::None);
    update(&mut model, Message::Press(Zone::Row(4)));
    assert_eq!(model.overlay.layer(), Layer::Trace);
    update(&mut model, Message::Wheel(1));
    assert!(matches!(&model.overlay, Overlay::Trace(opened) if opened.stamp == 3));
    update(&mut model, Message::Press(Zone::Action(crate::tui::keys::Action::Close)));
    assert_eq!(model.overlay.layer(), Layer::None);
}

#[test]
fn a_trace_is_given_out_as_json() {
    let mut model = model(SIZE, &one());
    let effects = press(&mut model, "3 enter y w");
    let [.., Effect::Copy { text, what }, Effect::Save { name, text: saved }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((what.as_str(), name.as_str(), text), ("trace 7", "trace-7.json", saved));
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!((json["trace_id"].as_str(), json["entries"].as_array().map(Vec::len)), (Some("7"), Some(8)));
    update(&mut model, Message::Done(Err("cannot write trace-7.json: no room".to_owned())));
    assert_eq!(model.data.log.unseen(), 1);
    let mut none = self::model(SIZE, &empty());
    assert_eq!(press(&mut none, "3 y"), [Effect::None, Effect::None]);
}

#[test]
fn settings_are_asked_for_one_at_a_time_and_shown_as_answered() {
    let mut model = busy();
    assert_eq!(press(&mut model, "6 r 5 0 0 enter").last(), Some(&Effect::Ask(Request::Rate(500))));
    assert_eq!((model.asked, model.overlay.layer()), (Some(Request::Rate(500)), Layer::None));
    assert_eq!(press(&mut model, "p"), [Effect::None]);
    update(&mut model, Message::Answer(Answer::refused("the kernel program did not take it")));
    assert_eq!((model.asked, model.data.log.unseen()), (None, 1));
    assert_eq!(press(&mut model, "p"), [Effect::Ask(Request::Pause)]);
    let same = Change { setting: Setting::Paused, from: 1, to: 1, at_ns: 0, wall_ns: 0 };
    update(&mut model, Message::Answer(Answer { ok: true, changed: Some(same), ..Answer::default() }));
    assert_eq!(model.data.log.latest_first().next().map(|m| m.text.as_str()), Some("was paused already"));
    assert_eq!(press(&mut model, "b 0 enter").last(), Some(&Effect::Ask(Request::Budget(0))));
}

#[test]
fn a_mistaken_line_stays_and_says_why() {
    let mut model = busy();
    press(&mut model, "6 b 9 9 9 9 9 9 9 9 9 enter");
    let Overlay::Prompt(prompt) = &model.overlay else { panic!() };
    assert!(prompt.error.as_ref().unwrap().contains("16777215"));
    press(&mut model, "backspace");
    assert!(matches!(&model.overlay, Overlay::Prompt(prompt) if prompt.error.is_none()));
    press(&mut model, "esc");
    assert_eq!((model.overlay.layer(), model.asked), (Layer::None, None));
}

#[test]
fn nothing_is_asked_of_a_session_that_is_over() {
    let mut model = model(SIZE, &overflowing());
    assert_eq!(press(&mut model, "6 p"), [Effect::None, Effect::None]);
    assert!(model.data.log.latest_first().any(|message| message.text.contains("the session is over")));
}

#[test]
fn searching_goes_round() {
    let mut model = busy();
    press(&mut model, "1 / q - enter");
    let subjects = lists::subjects(&model);
    let chosen = |model: &Model| model.cursors.subject.get(&subjects);
    assert_eq!(chosen(&model), Some(Subject::Hop(1, 2)));
    press(&mut model, "n");
    assert_eq!(chosen(&model), Some(Subject::Hop(1, 5)));
    press(&mut model, "n");
    assert_eq!(chosen(&model), Some(Subject::Hop(1, 2)));
    press(&mut model, "N");
    assert_eq!(chosen(&model), Some(Subject::Hop(1, 5)));
    press(&mut model, "/ ctrl-u n o w h e r e enter");
    assert!(model.data.log.latest_first().next().unwrap().text.contains("nowhere is not found"));
}

#[test]
fn messages_are_read_when_they_are_shown() {
    let mut model = model(SIZE, &[notice(Clock::default(), "slots are full")]);
    assert_eq!(model.data.log.unseen(), 1);
    press(&mut model, "!");
    assert_eq!(model.data.log.unseen(), 0);
}

#[test]
fn the_rest_is_done_outside() {
    let mut model = busy();
    assert_eq!(press(&mut model, "ctrl-l ctrl-z"), [Effect::Redraw, Effect::Suspend]);
    update(&mut model, Message::Resize(100, 50));
    assert_eq!(model.size, (100, 50));
}
