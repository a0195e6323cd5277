//! `stain ctl`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::args::{CtlArgs, CtlRequest, OnOff, TextOrJson};
use super::output;
use crate::control::{Answer, Request, StageStatus, ask, place};

/// Asks the agent that is meant, and prints what it answers. A refusal is a failure.
pub(super) fn run(args: &CtlArgs) -> anyhow::Result<ExitCode> {
    let found: Vec<(u32, PathBuf)> =
        place::folders().iter().flat_map(|folder| place::sockets(folder)).collect();
    let request = request(args, &found)?;
    let answers = answers(args, &found, request)?;
    for answer in &answers {
        match (args.format, answer.ok) {
            (TextOrJson::Json, _) => output::print(&answer.line())?,
            (TextOrJson::Text, true) => output::print(&answer.text())?,
            (TextOrJson::Text, false) => output::note(&format!("error: {}", answer.text().trim_end())),
        }
    }
    let refused = answers.iter().any(|answer| !answer.ok);
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Of the agent that is meant; of all, where none is named and it is no more than a question.
fn answers(args: &CtlArgs, found: &[(u32, PathBuf)], request: Request) -> anyhow::Result<Vec<Answer>> {
    match args.agent {
        Some(agent) => Ok(vec![named(found, agent, request)?]),
        None => unnamed(found, request),
    }
}

fn request(args: &CtlArgs, found: &[(u32, PathBuf)]) -> anyhow::Result<Request> {
    Ok(match &args.request {
        CtlRequest::Status => Request::Status,
        CtlRequest::Rate { n } => Request::Rate(*n),
        CtlRequest::Budget { n } => Request::Budget(*n),
        CtlRequest::Level { level } => Request::Level(*level),
        CtlRequest::Stage { stage, state } => {
            let answers = answers(args, found, Request::Status)?;
            let number = match &answers[..] {
                [answer] => number(stage, answer.status.as_ref().map_or(&[][..], |status| &status.stages))?,
                // Which of several agents is meant is asked below.
                _ => stage.parse().unwrap_or(0),
            };
            Request::Stage(number, *state == OnOff::On)
        }
        CtlRequest::Pause => Request::Pause,
        CtlRequest::Resume => Request::Resume,
        CtlRequest::Detach => Request::Detach,
    })
}

/// The number of the stage that is meant: by its number, its code and name, or either.
fn number(meant: &str, stages: &[StageStatus]) -> anyhow::Result<usize> {
    if let Some(number) = meant.parse().ok().filter(|number| *number < stages.len()) {
        return Ok(number);
    }
    let is_meant = |stage: &StageStatus| {
        let (code, name) = stage.label.split_once(' ').unwrap_or((&stage.label, ""));
        [stage.label.as_str(), name, code].contains(&meant)
    };
    let found: Vec<usize> =
        (0..).zip(stages).filter(|(_, stage)| is_meant(stage)).map(|(number, _)| number).collect();
    let list: String = (0..)
        .zip(stages)
        .map(|(number, stage): (usize, _)| format!("\n  {number}: {}", stage.label))
        .collect();
    match *found {
        [number] => Ok(number),
        [] => bail!("there is no stage `{meant}`; there are, by number:{list}"),
        _ => bail!("`{meant}` is {} stages; give its number:{list}", found.len()),
    }
}

fn named(found: &[(u32, PathBuf)], agent: u32, request: Request) -> anyhow::Result<Answer> {
    let Some((_, socket)) = found.iter().find(|(pid, _)| *pid == agent) else {
        bail!(
            "no agent of this user with process id {agent} takes commands; `stain ctl status` lists those that do"
        );
    };
    Ok(ask(socket, request)?)
}

/// The only agent; all of them when it is no more than a question.
fn unnamed(found: &[(u32, PathBuf)], request: Request) -> anyhow::Result<Vec<Answer>> {
    // Who does not answer has just ended, or was killed and left its socket behind.
    let running: Vec<(u32, &PathBuf, Answer)> = found
        .iter()
        .filter_map(|(agent, socket)| Some((*agent, socket, ask(socket, Request::Status).ok()?)))
        .collect();
    match (&*running, request) {
        ([], _) => bail!(
            "no `stain attach` of this user is running, or it was started with --no-control (sockets are looked for in {})",
            place::folders().iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
        (all, Request::Status) => Ok(all.iter().map(|(_, _, answer)| answer.clone()).collect()),
        ([(_, socket, _)], request) => Ok(vec![ask(socket, request)?]),
        (several, request) => bail!(
            "{} agents are running; say which is meant, for example `stain ctl --agent {} {request}`:{}",
            several.len(),
            several.first().map_or(0, |(agent, _, _)| *agent),
            several
                .iter()
                .map(|(agent, _, answer)| format!("\n  {}", title(*agent, answer)))
                .collect::<String>()
        ),
    }
}

fn title(agent: u32, answer: &Answer) -> String {
    match &answer.status {
        Some(status) => status.title(),
        None => format!("agent {agent}: {}", answer.error.as_deref().unwrap_or("no status")),
    }
}

#[cfg(test)]
mod tests {
    use super::{StageStatus, number};

    #[test]
    fn a_stage_is_known_by_number_name_or_code() {
        let stage = |label: &str| StageStatus { label: label.to_owned(), probed: true };
        let stages = ["S0 read", "Q+ put", "Q- take", "Q+ put again", "W!"].map(stage);
        for (meant, expected) in [("0", 0), ("S0", 0), ("put", 1), ("Q+ put", 1), ("put again", 3), ("W!", 4)]
        {
            assert_eq!(number(meant, &stages).unwrap(), expected, "{meant}");
        }
        let error = |meant: &str| number(meant, &stages).unwrap_err().to_string();
        assert!(
            error("Q+").starts_with("`Q+` is 2 stages; give its number:\n  0: S0 read\n"),
            "{}",
            error("Q+")
        );
        assert!(error("5").starts_with("there is no stage `5`; there are, by number:"), "{}", error("5"));
    }
}
