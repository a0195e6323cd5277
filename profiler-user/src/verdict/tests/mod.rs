//! Verdicts on pipelines whose fault is known, each with the sentence that says it.

mod sim;

use super::words::{Speech, caution, elsewhere, explanation, headline};
use super::{Course, CourseKind, Evidence, Hop, Reason, Verdict, judge};
use crate::stats::Stats;
use crate::trace::Cause;
use crate::trace::testing::trace;
use profiler_common::Outcome;
use sim::{EASY, IN, MICRO, MILLI, OUT, PUT, PUT2, Pipeline, S0, SECOND, TAKEN, TAKEN2, WRITTEN, jitter};

const STAGES: [&str; 8] = ["S0", "Q+", "Q-", "T+", "T-", "Q2+", "Q2-", "W!"];

fn label((from, to): Hop) -> String {
    format!("{} -> {}", STAGES[from], STAGES[to])
}

fn line(verdict: &Verdict) -> String {
    headline(verdict, &Speech { hop: &label, ascii: true })
}

fn sentences(verdict: &Verdict) -> Vec<String> {
    explanation(verdict, &Speech { hop: &label, ascii: true })
}

/// What is to blame, and where.
fn told(verdict: &Verdict) -> (Cause, Hop, Hop) {
    (verdict.class, verdict.hop, verdict.work())
}

const SLOW_SOURCE: Pipeline = Pipeline { emit: |_, _, r| 2 * MILLI + jitter(r, MILLI), ..EASY };

#[test]
fn a_slow_source() {
    for verdict in [SLOW_SOURCE.verdict(), SLOW_SOURCE.verdict_by_traces_alone()] {
        assert_eq!(told(&verdict), (Cause::Source, (S0, PUT), (S0, PUT)));
        assert_eq!((verdict.reason, verdict.course.kind), (Reason::Work, CourseKind::Chronic));
        assert_eq!(line(&verdict), "89% of the time records are in the source, S0 -> Q+, chronic for 60 s");
    }
}

/// Two workers with 2.2 ms a record, and a record every millisecond.
const SLOW_TRANSFORM: Pipeline = Pipeline { transform: |_, _, r| 2 * MILLI + jitter(r, 400 * MICRO), ..EASY };

#[test]
fn a_slow_transform() {
    let verdict = SLOW_TRANSFORM.verdict();
    assert_eq!(told(&verdict), (Cause::Transform, (PUT, TAKEN), (IN, OUT)));
    assert_eq!((verdict.reason, verdict.course.kind), (Reason::Behind((IN, OUT)), CourseKind::Chronic));
    assert!(verdict.busy > Some(0.95), "{:?}", verdict.busy);
    let line = line(&verdict);
    assert!(
        line.starts_with("100% of the time records wait in Q+ -> Q-: the transform behind it is the limit, busy 100% of the time, chronic for "),
        "{line}"
    );
    assert!(
        sentences(&verdict)[0].ends_with("busy 100% of the time (T+ -> T-, 2.21 ms at P50)."),
        "{:?}",
        sentences(&verdict)
    );
    let by_traces = SLOW_TRANSFORM.verdict_by_traces_alone();
    assert_eq!(told(&by_traces), (Cause::Queue, (PUT, TAKEN), (IN, OUT)));
}

/// The transform takes long, but there are workers enough: nobody waits.
#[test]
fn a_transform_that_takes_long_without_holding_anybody_up() {
    let pipeline = Pipeline { workers: 8, ..SLOW_TRANSFORM };
    let verdict = pipeline.verdict();
    assert_eq!(told(&verdict), (Cause::Transform, (IN, OUT), (IN, OUT)));
    assert_eq!(line(&verdict), "95% of the time records are in a transform, T+ -> T-, chronic for 60 s");
}

/// A little more than the one sink can do: of much more it could not be known how many of them there are.
const SLOW_SINK: Pipeline = Pipeline { write: |_, _, r| MILLI + jitter(r, 150 * MICRO), ..EASY };

#[test]
fn a_slow_sink() {
    let verdict = SLOW_SINK.verdict();
    assert_eq!(told(&verdict), (Cause::SinkWrite, (PUT2, TAKEN2), (TAKEN2, WRITTEN)));
    assert_eq!(verdict.course.kind, CourseKind::Chronic);
    let words = line(&verdict);
    assert!(words.contains("wait in Q2+ -> Q2-: the sink behind it is the limit, busy "), "{words}");
}

/// Eight sources, a queue with two places, one worker: they stand before the queue, not in it.
const BACK_PRESSURE: Pipeline = Pipeline {
    sources: 8,
    room: 2,
    workers: 1,
    transform: |_, _, r| 900 * MICRO + jitter(r, 200 * MICRO),
    pause: |_, _, _| 10 * MICRO,
    ..EASY
};

#[test]
fn back_pressure_of_a_queue() {
    let known = "72% of the time records are held back in S0 -> Q+: the queue behind it is full, and the transform behind that is the limit, chronic for 60 s";
    let guessed = "72% of the time records seem to be held back in S0 -> Q+: the queue behind it looks full, and how busy the transform behind that is is not known here, chronic for 60 s";
    for (verdict, words) in
        [(BACK_PRESSURE.verdict(), known), (BACK_PRESSURE.verdict_by_traces_alone(), guessed)]
    {
        assert_eq!(told(&verdict), (Cause::Queue, (S0, PUT), (IN, OUT)));
        assert_eq!(verdict.reason, Reason::HeldBack(Some((IN, OUT))));
        assert_eq!(line(&verdict), words);
    }
}

/// Bursts of fifty records, and workers that are idle most of the time.
#[test]
fn a_queue_that_fills_though_nobody_is_busy() {
    let pipeline = Pipeline { pause: |_, _, r| if r % 50 == 49 { 50 * MILLI } else { 10 * MICRO }, ..EASY };
    let verdict = pipeline.verdict();
    assert_eq!(told(&verdict), (Cause::Queue, (PUT, TAKEN), (IN, OUT)));
    assert_eq!(verdict.reason, Reason::Idle((IN, OUT)));
    let words = line(&verdict);
    assert!(words.contains("the transform behind it is busy only 10% of the time: "), "{words}");
    assert_eq!(elsewhere(&verdict), None);
    // Without counts of all records they look as busy ones do: neither is to blame.
    let by_traces = pipeline.verdict_by_traces_alone();
    assert_eq!(by_traces.reason, Reason::Unmeasured((IN, OUT)));
    assert_eq!(told(&by_traces), told(&verdict));
    let words = line(&by_traces);
    assert!(
        words.contains("wait in Q+ -> Q-: the transform behind it is either busy or takes them late, which is not known here"),
        "{words}"
    );
    assert!(elsewhere(&by_traces).is_some());
    let busy = SLOW_SINK.verdict_by_traces_alone();
    assert_eq!(told(&busy), (Cause::Queue, (PUT2, TAKEN2), (TAKEN2, WRITTEN)));
    assert!(!line(&busy).contains("is the limit"), "{}", line(&busy));
}

/// Of eight workers the sixth takes ten times as long.
#[test]
fn one_slow_worker_of_eight() {
    let slow = |worker: usize, _: u64, r: u64| (if worker == 5 { 40 } else { 4 }) * MILLI + jitter(r, MILLI);
    let verdict = Pipeline { workers: 8, transform: slow, ..EASY }.verdict();
    assert_eq!(told(&verdict), (Cause::Transform, (IN, OUT), (IN, OUT)));
    let outliers: Vec<_> =
        verdict.outliers.iter().map(|outlier| (outlier.task.task.task_id, outlier.peers)).collect();
    assert_eq!(outliers, [(205, 7)]);
    assert!((8.0..11.0).contains(&verdict.outliers[0].times()), "{:?}", verdict.outliers);
    let words = sentences(&verdict).join(" ");
    assert!(words.contains("Task 205 of process 4242 is slow: 40."), "{words}");
    assert!(words.contains(" at P50, its 7 peers 4."), "{words}");
}

/// The sink stands still for 400 ms every six seconds.
#[test]
fn a_periodic_stall() {
    let stall =
        |_: usize, at: u64, _: u64| if at % (6 * SECOND) < 2 * MILLI { 400 * MILLI } else { 100 * MICRO };
    let verdict = Pipeline { write: stall, ..EASY }.verdict();
    assert_eq!(told(&verdict), (Cause::SinkWrite, (PUT2, TAKEN2), (TAKEN2, WRITTEN)));
    assert_eq!(verdict.course.kind, CourseKind::Transient);
    let period = verdict.course.period_ns.unwrap();
    assert!(period.abs_diff(6 * SECOND) < SECOND / 4, "{period}");
    assert!(line(&verdict).ends_with("transient, about every 6.00 s"), "{}", line(&verdict));
    let by_traces = Pipeline { write: stall, ..EASY }.verdict_by_traces_alone();
    assert_eq!(told(&by_traces), (Cause::Queue, (PUT2, TAKEN2), (TAKEN2, WRITTEN)));
}

/// One write in ten takes a hundred times as long; there are sinks enough.
#[test]
fn a_bimodal_sink() {
    let write = |_: usize, _: u64, r: u64| if jitter(r, 10) == 0 { 10 * MILLI } else { 100 * MICRO } + jitter(r + 7, 10 * MICRO);
    let verdict = Pipeline { write, sinks: 8, ..EASY }.verdict();
    assert_eq!(told(&verdict), (Cause::SinkWrite, (TAKEN2, WRITTEN), (TAKEN2, WRITTEN)));
    assert_eq!(verdict.course.kind, CourseKind::Chronic);
    let modes = verdict.modes.unwrap();
    assert!((0.08..0.12).contains(&modes.slow_share), "{modes:?}");
    assert!(
        (9 * MILLI..11 * MILLI).contains(&modes.slow_ns)
            && (90 * MICRO..110 * MICRO).contains(&modes.fast_ns),
        "{modes:?}"
    );
    assert!(
        sentences(&verdict)
            .iter()
            .any(|s| s.starts_with("At Q2- -> W!, ") && s.contains(" of the records take some ")),
        "{:?}",
        sentences(&verdict)
    );
    assert!(verdict.outliers.is_empty(), "{:?}", verdict.outliers);
}

/// A backlog of ten thousand records that is worked off little by little.
#[test]
fn a_backlog_that_is_worked_off_is_improving() {
    let pause = |_: usize, _: u64, record: u64| if record < 10_000 { 10 * MICRO } else { 425 * MICRO };
    let pipeline = Pipeline {
        pause,
        room: usize::MAX,
        workers: 1,
        transform: |_, _, r| 390 * MICRO + jitter(r, 20 * MICRO),
        ..EASY
    };
    let verdict = pipeline.verdict();
    assert_eq!((verdict.hop, verdict.course.kind), ((PUT, TAKEN), CourseKind::Improving));
    assert!(line(&verdict).contains("improving for "), "{}", line(&verdict));
}

/// A fault that begins after forty of sixty seconds.
#[test]
fn a_fault_that_began_is_judged_by_the_time_that_is_looked_at() {
    let transform = |_: usize, at: u64, _: u64| if at > 40 * SECOND { 3 * MILLI } else { 200 * MICRO };
    let (stats, records) = Pipeline { transform, ..EASY }.run();
    let hits = [records; 8];
    let judged = |span_ns| {
        judge(&Evidence {
            stats: &stats,
            span_ns,
            hits: &hits,
            fills: &[],
            hits_ns: 60 * SECOND,
            past_from_ns: None,
        })
        .unwrap()
    };
    let whole = judged(None);
    assert_eq!((whole.class, whole.course.kind), (Cause::Transform, CourseKind::Transient));
    let ago = (whole.course.now_ns - whole.course.since_ns) / SECOND;
    assert!(whole.course.is_now && (18..=52).contains(&ago), "{ago}");
    let late = judged(Some((55 * SECOND, 65 * SECOND)));
    assert_eq!((late.hop, late.course.kind), ((PUT, TAKEN), CourseKind::Chronic));
    let early = judged(Some((10 * SECOND, 40 * SECOND)));
    assert_eq!((early.hop, early.class, early.reason), ((IN, OUT), Cause::Transform, Reason::Work));
}

/// Whoever flushes the batches is idle most of the time: records wait for others to come.
#[test]
fn a_batch_that_is_filled() {
    let pipeline = Pipeline { pause: |_, _, r| if r % 50 == 49 { 50 * MILLI } else { 10 * MICRO }, ..EASY };
    let fills = [(PUT, TAKEN)];
    for counted in [true, false] {
        let verdict = pipeline.judge(counted, &fills);
        assert_eq!(told(&verdict), (Cause::Queue, (PUT, TAKEN), (PUT, TAKEN)));
        assert_eq!(verdict.reason, Reason::Filling);
        let words = line(&verdict);
        assert!(
            words.contains("wait in Q+ -> Q-: they wait for their batch to be filled or flushed"),
            "{words}"
        );
    }
    // Who is busy all the time is late with batches, too.
    let verdict = SLOW_TRANSFORM.judge(true, &fills);
    assert_eq!(verdict.reason, Reason::Behind((IN, OUT)));
}

#[test]
fn probes_that_take_much_are_told_of() {
    assert_eq!((caution(None), caution(Some(0.19))), (None, None));
    assert!(caution(Some(0.2)).is_some());
    let text = caution(Some(0.94)).unwrap();
    let told = "The probes take 94% of the target's CPU time and distort what is measured: ";
    assert!(text.starts_with(told) && text.contains("`stain plan`"), "{text}");
}

#[test]
fn little_is_said_of_little() {
    assert_eq!(
        judge(&Evidence {
            stats: &Stats::default(),
            span_ns: None,
            hits: &[],
            fills: &[],
            hits_ns: 0,
            past_from_ns: None
        }),
        None
    );
    let mut stats = Stats::default();
    stats.add(&trace("S0@0 Q+@5 Q-@90 W!@91", Outcome::Written));
    let verdict = judge(&Evidence {
        stats: &stats,
        span_ns: None,
        hits: &[9, 9, 9, 9],
        fills: &[],
        hits_ns: 100,
        past_from_ns: None,
    })
    .unwrap();
    assert_eq!((verdict.hop, verdict.class, verdict.course.kind), ((1, 2), Cause::Queue, CourseKind::Early));
    assert_eq!(
        line(&verdict),
        "93% of the time records wait in Q+ -> Q-: the sink behind it is either busy or takes them late, which is not known here"
    );
    let Course { is_now, period_ns, .. } = verdict.course;
    assert_eq!((is_now, period_ns), (true, None));
}

/// A screen judges the last seconds, and knows how it was before.
#[test]
fn the_course_goes_back_beyond_the_time_that_is_judged() {
    let transform = |_: usize, at: u64, _: u64| if at > 40 * SECOND { 3 * MILLI } else { 200 * MICRO };
    let (stats, records) = Pipeline { transform, ..EASY }.run();
    let hits = [records / 6; 8];
    let judged = |from: u64, past_from_ns| {
        let span_ns = Some((from * SECOND, (from + 10) * SECOND));
        judge(&Evidence {
            stats: &stats,
            span_ns,
            hits: &hits,
            fills: &[],
            hits_ns: 10 * SECOND,
            past_from_ns,
        })
        .unwrap()
    };
    let lasts = |verdict: &Verdict| (verdict.course.now_ns - verdict.course.since_ns) / SECOND;
    // Of ten seconds alone it cannot be told that it was otherwise.
    let alone = judged(58, None);
    assert_eq!((alone.course.kind, lasts(&alone)), (CourseKind::Chronic, 10));
    let with_past = judged(58, Some(10 * SECOND));
    assert_eq!((with_past.hop, with_past.course.kind), (alone.hop, CourseKind::Transient));
    assert!(with_past.course.is_now && (16..=20).contains(&lasts(&with_past)), "{}", lasts(&with_past));
    assert_eq!((with_past.share, with_past.figures), (alone.share, alone.figures));
    // What the hop takes now it took all the time, as far as anybody has seen.
    let before = judged(38, Some(10 * SECOND));
    assert_eq!(before.course.kind, CourseKind::Chronic);
    assert!((36..=38).contains(&lasts(&before)), "{}", lasts(&before));
}
