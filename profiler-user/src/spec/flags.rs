//! The command line's flags as a layer of settings, and the one-line form of a stage.

use std::path::PathBuf;

use super::MAX_STAGES;
use super::error::{ParseError, quote};
use super::level::Level;
use super::locus::{At, Locus, Mistakes};
use super::raw::{Raw, RawSampling, RawStage, RawTarget};

/// What the flags say. Each that is given overrides the file; `None` and empty lists say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--pid`, once or more. Any of `--pid`, `--process` and `--exe` replaces the file's whole target.
    pub pids: Vec<u32>,
    /// `--process`.
    pub process: Option<String>,
    /// `--exe`. An absolute path: the caller resolves what the user gave against the working directory.
    pub exe: Option<PathBuf>,
    /// `--container`. Alone, it keeps the process name or executable of the file.
    pub container: Option<String>,
    /// `--rate`.
    pub rate: Option<u64>,
    /// `--sequence`: `task` or `process`.
    pub sequence: Option<String>,
    /// `--budget`: overrides `max_traces_per_second`.
    pub budget: Option<u64>,
    /// `--max-entries`: overrides `max_entries_per_trace`.
    pub max_entries: Option<u64>,
    /// `--ttl`: overrides `trace_ttl`; a duration such as `30s`.
    pub ttl: Option<String>,
    /// `--max-open-traces`.
    pub max_open_traces: Option<u64>,
    /// `--level`; info when `None`.
    pub level: Option<Level>,
    /// `--stage`, once or more: `CODE[:NAME]=POINT(KEY)[@TASK]`, for example `W!:written=libfoo.so.1:write_done(*(u64*)(arg1+8))`.
    /// The key is the last parenthesised group. Given at all, these replace the stages of the file.
    pub stages: Vec<String>,
}

/// Reads the flags. What is wrong with them goes to `mistakes`; what is right is returned all the same.
pub(super) fn read(overrides: &Overrides, mistakes: &mut Mistakes) -> Raw {
    let Overrides {
        pids,
        process,
        exe,
        container,
        rate,
        sequence,
        budget,
        max_entries,
        ttl,
        max_open_traces,
        level: _,
        stages,
    } = overrides;
    let stages = read_stages(stages, mistakes);
    let number = |flag, value: &Option<u64>| at(flag, value.map(i128::from));
    Raw {
        exports: Vec::new(),
        root: None,
        target: read_target(pids, process.as_ref(), exe.as_ref(), container.as_ref()),
        sampling: RawSampling {
            rate: number("--rate", rate),
            sequence: at("--sequence", sequence.clone()),
            max_traces_per_second: number("--budget", budget),
            max_entries_per_trace: number("--max-entries", max_entries),
            trace_ttl: at("--ttl", ttl.clone()),
            max_open_traces: number("--max-open-traces", max_open_traces),
            ..RawSampling::default()
        },
        spaces: Vec::new(),
        stages_unreadable: stages.is_none(),
        stages: stages.unwrap_or_default(),
    }
}

fn at<T>(flag: &str, value: Option<T>) -> Option<At<T>> {
    value.map(|value| At { value, locus: Locus::named(flag) })
}

fn read_target(
    pids: &[u32],
    process: Option<&String>,
    exe: Option<&PathBuf>,
    container: Option<&String>,
) -> RawTarget {
    let pids = (!pids.is_empty()).then(|| pids.iter().copied().map(i128::from).collect());
    let pids = at("--pid", pids);
    let process = at("--process", process.cloned());
    let exe = at("--exe", exe.cloned());
    let container = at("--container", container.cloned());
    let named = [
        pids.as_ref().map(|at| &at.locus),
        process.as_ref().map(|at| &at.locus),
        exe.as_ref().map(|at| &at.locus),
    ];
    let mut named: Vec<Locus> = named.into_iter().flatten().cloned().collect();
    if named.is_empty() {
        named.extend(container.as_ref().map(|at| at.locus.clone()));
    }
    RawTarget { table: None, named, pids, process, exe, container }
}

fn read_stages(stages: &[String], mistakes: &mut Mistakes) -> Option<Vec<RawStage>> {
    if stages.len() > MAX_STAGES {
        let message = format!(
            "there are {} stages, and a spec has at most {MAX_STAGES}; use globs in points",
            stages.len()
        );
        mistakes.wrong(&Locus::named("--stage"), message);
        return None;
    }
    Some(stages.iter().map(|text| read_stage(text, mistakes)).collect())
}

fn read_stage(text: &str, mistakes: &mut Mistakes) -> RawStage {
    let locus = Locus::named(format!("--stage {}", quote(text)));
    let field = |name: &str, value: Option<&str>| {
        let locus = Locus::named(format!("{}, {name}", locus.field));
        value.map(|value| At { value: value.to_owned(), locus })
    };
    let parts = split(text).map_err(|error| mistakes.wrong(&locus, error.to_string())).ok();
    RawStage {
        code: field("code", parts.as_ref().map(|parts| parts.code)),
        name: field("name", parts.as_ref().and_then(|parts| parts.name)),
        point: field("point", parts.as_ref().map(|parts| parts.point)),
        key: field("key", parts.as_ref().map(|parts| parts.key)),
        task: field("task", parts.as_ref().and_then(|parts| parts.task)),
        locus,
        ..RawStage::default()
    }
}

/// The parts of a `--stage` flag, as the user wrote them.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    code: &'a str,
    name: Option<&'a str>,
    point: &'a str,
    key: &'a str,
    task: Option<&'a str>,
}

fn split(text: &str) -> Result<Parts<'_>, ParseError> {
    const FORM: &str = "a stage is written CODE=POINT(KEY), as in 'S0=request_start(arg0)'";
    let Some((head, rest)) = text.split_once('=') else {
        return Err(ParseError::whole(format!("there is no `=`; {FORM}")));
    };
    let (code, name) = match head.split_once(':') {
        Some((code, name)) => (code.trim(), Some(name.trim())),
        None => (head.trim(), None),
    };
    let (rest, task) = split_task(rest.trim());
    let Some((point, key)) = split_key(rest) else {
        return Err(ParseError::whole(format!("there is no (KEY) at the end; {FORM}")));
    };
    Ok(Parts { code, name, point: point.trim(), key: key.trim(), task: task.map(str::trim) })
}

/// The task behind the last `@` that follows a key. The `@` of a versioned symbol, `write@GLIBC_2.2(arg0)`, follows none.
fn split_task(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((stage, task)) if stage.trim_end().ends_with(')') => (stage.trim_end(), Some(task)),
        _ => (text, None),
    }
}

/// Splits off the last parenthesised group: a point may have groups of its own, `ns::f(int)`, and so may a key.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix(')')?;
    let mut depth = 0_usize;
    for (at, byte) in inner.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' if depth == 0 => return Some((inner.get(..at)?, inner.get(at + 1..)?)),
            b'(' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Parts, split};

    fn parts<'a>(
        code: &'a str,
        name: Option<&'a str>,
        point: &'a str,
        key: &'a str,
        task: Option<&'a str>,
    ) -> Parts<'a> {
        Parts { code, name, point, key, task }
    }

    #[test]
    fn the_key_is_the_last_group() {
        for (text, expected) in [
            ("S0=f(arg0)", parts("S0", None, "f", "arg0", None)),
            (" Q+ : queued = f ( arg0 ) ", parts("Q+", Some("queued"), "f", "arg0", None)),
            (
                "W!=libavformat.so.59:av_interleaved_write_frame(*(u64*)(arg1+8))",
                parts("W!", None, "libavformat.so.59:av_interleaved_write_frame", "*(u64*)(arg1+8)", None),
            ),
            ("T-=f%return(ret)", parts("T-", None, "f%return", "ret", None)),
            ("T+=ns::f(int, char*)(arg0)", parts("T+", None, "ns::f(int, char*)", "arg0", None)),
            (
                "T+=ns::F::operator()(bytes(arg0, 8))",
                parts("T+", None, "ns::F::operator()", "bytes(arg0, 8)", None),
            ),
            ("T+=ns::V::operator==(arg0)", parts("T+", None, "ns::V::operator==", "arg0", None)),
            ("S0=f(arg0)@arg1", parts("S0", None, "f", "arg0", Some("arg1"))),
            ("S0=f(arg0) @ *(u64*)(arg1+8)", parts("S0", None, "f", "arg0", Some("*(u64*)(arg1+8)"))),
            ("S0=write@GLIBC_2.2.5(arg0)", parts("S0", None, "write@GLIBC_2.2.5", "arg0", None)),
            ("S0=f()", parts("S0", None, "f", "", None)),
        ] {
            assert_eq!(split(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn without_its_form_it_is_a_mistake() {
        for (text, part) in [
            ("", "there is no `=`"),
            ("S0", "there is no `=`"),
            ("S0=f", "there is no (KEY)"),
            ("S0=f)", "there is no (KEY)"),
        ] {
            assert!(split(text).unwrap_err().to_string().contains(part), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}|[S0=f()@:é]{0,20}") {
            let _ = split(&text);
        }
    }
}
