//! `stain export`: a recording for viewers of others.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::args::{ViewerArgs, ViewerForm};
use super::{output, report};
use crate::feed::Account;
use crate::recording::Reader;
use crate::sink::units;
use crate::sink::viewer::{Form, Viewer};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 18;

/// Reads the recording once, and writes while it reads.
pub(super) fn run(args: &ViewerArgs) -> anyhow::Result<ExitCode> {
    let form = match args.format {
        ViewerForm::Perfetto => Form::Perfetto,
        ViewerForm::Chrome => Form::Chrome,
        ViewerForm::OtlpJson => Form::OtlpJson,
        ViewerForm::Sttr => Form::Sttr,
        ViewerForm::Csv => Form::Csv,
    };
    let is_binary = matches!(form, Form::Perfetto | Form::Sttr);
    let reader = report::open(&args.file)?;
    let (mut out, name): (Box<dyn Write>, _) = match &args.output {
        Some(path) => {
            report::refuse_same(&args.file, path)?;
            let name = path.display().to_string();
            (Box::new(File::create(path).with_context(|| format!("cannot write to {name}"))?), name)
        }
        None if is_binary && io::IsTerminal::is_terminal(&io::stdout()) => {
            anyhow::bail!("this format is not for a terminal; name a file by --output, or a pipe");
        }
        None => (Box::new(io::stdout()), "standard output".to_owned()),
    };
    let viewer = Viewer::new(form, args.job.map(|job| job.to_string()));
    let written = write(reader, &args.file, viewer, &mut *out);
    match written {
        Ok(count) => {
            if let Some(path) = &args.output {
                output::note(&format!("{} traces written to {}", units::count(count), path.display()));
            }
        }
        // A reader that has seen enough is no error.
        Err(Failed::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(Failed::Out(error)) => return Err(error).with_context(|| format!("cannot write to {name}")),
        Err(Failed::In(error)) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

enum Failed {
    In(anyhow::Error),
    Out(io::Error),
}

fn write(
    mut reader: Reader<File>,
    path: &Path,
    mut viewer: Viewer,
    out: &mut dyn Write,
) -> Result<u64, Failed> {
    let (mut account, mut buffer) = (Account::default(), Vec::new());
    viewer.begin(&mut buffer);
    loop {
        let event =
            reader.next_event().map_err(|error| Failed::In(anyhow::anyhow!("{} {error}", path.display())))?;
        let Some(event) = event else { break };
        account.add(&event);
        viewer.add(&event, &mut buffer).map_err(|error| Failed::In(error.into()))?;
        if buffer.len() >= BUFFER {
            out.write_all(&buffer).map_err(Failed::Out)?;
            buffer.clear();
        }
    }
    viewer.end(&mut buffer);
    out.write_all(&buffer).and_then(|()| out.flush()).map_err(Failed::Out)?;
    report::check(&account, path, reader.damage()).map_err(Failed::In)?;
    Ok(viewer.written())
}
