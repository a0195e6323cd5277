use profiler_common::{Counter, Outcome};

use super::{Style, render};
use crate::ledger::AgentCounts;
use crate::sink::testing::{Parts, busy, empty, ledger, rich};
use crate::trace::testing::trace;
use crate::trace::{Attribute, AttributeValue, Trace};

const PLAIN: Style = Style { width: 80, color: false, ascii: false };

/// Compares with `golden/<name>.txt`; `STAIN_UPDATE_GOLDEN=1` writes it.
fn check(name: &str, text: &str) {
    let path = format!("{}/src/sink/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("STAIN_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{path} differs from:\n{text}");
}

#[test]
fn busy_session() {
    let parts = busy();
    check("busy-80", &render(&parts.session(), PLAIN));
    check("busy-120", &render(&parts.session(), Style { width: 120, ..PLAIN }));
    check("busy-ascii-80", &render(&parts.session(), Style { ascii: true, ..PLAIN }));
    check("busy-color-80", &render(&parts.session(), Style { color: true, ..PLAIN }));
}

#[test]
fn empty_session() {
    check("empty-80", &render(&empty().session(), PLAIN));
}

#[test]
fn journeys_that_branch() {
    let mut parts = empty();
    let mut one = rich();
    one.outcome = Outcome::Written;
    parts.stats.add(&one);
    parts.ledger.journeys = crate::ledger::JourneyBounds {
        branches_full: 1,
        branches_refused: 2,
        keys_full: 3,
        keys_refused: 4,
        scopes_full: 5,
        scopes_left: 6,
        batches_full: 7,
        members_full: 8,
        attributes_full: 9,
        attributes_unreadable: 10,
    };
    check("branch-80", &render(&parts.session(), PLAIN));
}

#[test]
fn no_line_is_too_long_at_any_width() {
    let mut parts = busy();
    parts.stages[1].name = "a_very_long_name_of_a_queue_that_somebody_gave_it_with_great_care".into();
    parts.stages[2].name = "\u{1b}[2J".into();
    let long =
        "S0@0".to_owned() + &(1..90).map(|i| format!(" T+@{i}000")).collect::<String>() + " W!@99999999";
    let mut whole = rich();
    whole.attributes.push(Attribute {
        stamp: 2,
        index: 0,
        value: AttributeValue::Text("\u{1b}x".repeat(60).into()),
    });
    whole.record_times[0].latency_ns = i64::MIN;
    let long = trace(&long, Outcome::Written);
    parts.stats.add(&Trace {
        stamps: long.stamps,
        start_ns: 0,
        end_ns: long.end_ns,
        outcome: Outcome::Written,
        ..whole
    });
    parts.cost.probes[0].hits.site = "x".repeat(300);
    for width in [0, 71, 72, 73, 79, 80, 99, 100, 120, 160, 9999] {
        let text = render(&parts.session(), Style { width, ..PLAIN });
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width.clamp(72, 160), "width {width}: a line of {longest}\n{text}");
        assert!(!text.contains('\u{1b}') && text.contains(" more stamps"));
    }
    let ascii = render(&parts.session(), Style { ascii: true, ..PLAIN });
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let parts = busy();
    let colored = render(&parts.session(), Style { color: true, ..PLAIN });
    let mut plain = String::new();
    let mut pieces = colored.split('\u{1b}');
    plain += pieces.next().unwrap();
    pieces.for_each(|piece| plain += piece.split_once('m').unwrap().1);
    assert_eq!(plain, render(&parts.session(), PLAIN));
}

/// The text under a title, on one line.
fn below(text: &str, title: &str) -> Option<String> {
    let lines = text.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn with(change: impl FnOnce(&mut Parts)) -> String {
    let mut parts = empty();
    change(&mut parts);
    render(&parts.session(), PLAIN)
}

#[test]
fn no_trace_says_why() {
    use Counter::{
        Admitted, EntryUnseen, Records, RefusedBudget, RefusedBusy, RefusedFull, RefusedPaused, Sampled,
        TasksFull,
    };
    type Case<'a> = (&'a str, u64, u64, u64, &'a [(Counter, u64)]);
    let cases: [Case<'_>; 13] = [
        ("No record came to the source: S0 (emit) was hit 0 times in 10.0 s.", 9, 0, 0, &[]),
        ("S0 (emit) was hit 3 times, but its key could not be read 2 times: check", 9, 3, 2, &[]),
        ("5 records came from more source tasks than can be counted", 9, 5, 0, &[(TasksFull, 5)]),
        ("S0 (emit) was hit 1 time, only at the end of calls", 9, 1, 0, &[(EntryUnseen, 1)]),
        ("S0 (emit) was hit 7 times, but no record was counted", 9, 7, 0, &[]),
        (
            "37 records seen, rate is 1 in 100,000: the first sample comes at record 100,000.",
            100_000,
            37,
            0,
            &[(Records, 37)],
        ),
        ("1 record seen, rate is 1 in 2: the first sample comes at record 2.", 2, 1, 0, &[(Records, 1)]),
        (
            "37 records seen, rate is 1 in 20: no single source task has come to 20 yet.",
            20,
            37,
            0,
            &[(Records, 37)],
        ),
        ("37 records seen, rate is 0: no record is ever sampled.", 0, 37, 0, &[(Records, 37)]),
        (
            "4 records were sampled, all refused by the budget: raise",
            9,
            4,
            0,
            &[(Records, 40), (Sampled, 4), (RefusedBudget, 4)],
        ),
        (
            "4 records were sampled, all refused, 3 of them because all trace slots were taken: raise max_open_traces",
            9,
            4,
            0,
            &[(Sampled, 4), (RefusedBusy, 1), (RefusedFull, 3)],
        ),
        (
            "1 record was sampled, all refused because sampling was paused",
            9,
            4,
            0,
            &[(Sampled, 1), (RefusedPaused, 1)],
        ),
        ("4 records were admitted, none has ended yet: 4 in flight", 9, 4, 0, &[(Sampled, 4), (Admitted, 4)]),
    ];
    for (reason, rate, hits, unreadable, counters) in cases {
        let text = with(|parts| {
            parts.rate = rate;
            (parts.stages[0].hits, parts.stages[0].unreadable) = (hits, unreadable);
            let open =
                counters.iter().find(|(counter, _)| *counter == Admitted).map_or(0, |(_, count)| *count);
            parts.ledger = ledger(counters, &AgentCounts { open, ..AgentCounts::default() });
        });
        let said = below(&text, "No trace").unwrap();
        assert!(said.starts_with(reason), "{said}\nis not\n{reason}");
    }
}

#[test]
fn no_written_trace_says_why() {
    let cases: [(&str, u64, u64); 3] = [
        ("2 traces ended, none written: W! (write) was hit 0 times.", 0, 0),
        ("2 traces ended, none written: W! (write) could not read its key 3 times of 9.", 9, 3),
        ("2 traces ended, none written: W! (write) was hit 9 times, but never with the key", 9, 0),
    ];
    for (reason, hits, unreadable) in cases {
        let text = with(|parts| {
            (parts.stages[5].hits, parts.stages[5].unreadable) = (hits, unreadable);
            parts.stats.add(&trace("S0@0 Q+@5", Outcome::Expired));
            parts.stats.add(&trace("S0@0 Q+@5", Outcome::Superseded));
        });
        let said = below(&text, "No written record").unwrap();
        assert!(said.starts_with(reason), "{said}\nis not\n{reason}");
        assert!(below(&text, "Latest trace").is_some());
    }
    let no_sink = with(|parts| {
        parts.stages.truncate(5);
        parts.stats.add(&trace("S0@0 drop@5", Outcome::Filtered));
    });
    let said = below(&no_sink, "No written record").unwrap();
    assert_eq!(said, "1 trace ended, none written: the spec has no W! stage.");
}

#[test]
fn a_broken_law_is_said_out_loud() {
    let mut parts = busy();
    parts.ledger.written -= 1;
    let said = below(&render(&parts.session(), PLAIN), "Ledger").unwrap();
    assert!(said.contains("1,006 admitted + 3 branched ≠ 897 written"), "{said}");
    assert!(
        said.contains(
            "NOT BALANCED: 1009 traces were admitted or branched off, but 1008 have an end or are in flight."
        ),
        "{said}"
    );
}
