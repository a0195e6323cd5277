//! The verdict as one JSON object.

use serde::Serialize;

use crate::sink::Session;
use crate::verdict::words::{Speech, headline};
use crate::verdict::{CourseKind, Hop, Verdict};

/// Where records lose their time, and why.
#[derive(Serialize)]
pub(super) struct Judged<'a> {
    from: String,
    to: String,
    from_name: &'a str,
    to_name: &'a str,
    share: f64,
    cause: &'static str,
    class: &'static str,
    work_from: String,
    work_to: String,
    busy: Option<f64>,
    course: Option<&'static str>,
    since_ns: u64,
    period_ns: Option<u64>,
    slow_tasks: Vec<i64>,
    text: String,
}

impl<'a> Judged<'a> {
    /// `None` while nothing takes any time.
    pub(super) fn new(session: &'a Session<'a>) -> Option<Self> {
        let verdict = crate::verdict::of_session(session)?;
        let code =
            |stage: usize| session.stages.get(stage).map_or_else(String::new, |row| row.code.to_string());
        let label = |(from, to): Hop| session.hop_label((from, to), "->");
        let text = headline(&verdict, &Speech { hop: &label, ascii: true });
        let (work_from, work_to) = verdict.work();
        let Verdict { hop: (from, to), cause, share, class, busy, course, outliers, .. } = verdict;
        Some(Self {
            from: code(from),
            to: code(to),
            from_name: session.stage_name(from),
            to_name: session.stage_name(to),
            share,
            cause: cause.name(),
            class: class.name(),
            work_from: code(work_from),
            work_to: code(work_to),
            busy,
            course: (course.kind != CourseKind::Early).then(|| course.kind.name()),
            since_ns: course.since_ns,
            period_ns: course.period_ns,
            slow_tasks: outliers.iter().map(|outlier| outlier.task.task.task_id).collect(),
            text,
        })
    }
}
