//! `stain ctl`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::args::{CtlArgs, TextOrJson};
use super::output;
use crate::control::{Answer, Request, ask, place};

/// Asks the agent that is meant, and prints what it answers. A refusal is a failure.
pub(super) fn run(args: &CtlArgs) -> anyhow::Result<ExitCode> {
    let request = args.request.request();
    let found: Vec<(u32, PathBuf)> =
        place::folders().iter().flat_map(|folder| place::sockets(folder)).collect();
    let answers = match args.agent {
        Some(agent) => vec![named(&found, agent, request)?],
        None => unnamed(&found, request)?,
    };
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
