//! `stain decode` and `stain encode`: payloads for people.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};

use super::output;
use crate::sink::sttr::{self, json};

/// What is read at once at most, bytes: some hundred thousand payloads.
const MAX_INPUT_BYTES: u64 = 64 << 20;

#[derive(Args, Debug)]
pub(super) struct DecodeArgs {
    /// A payload in hexadecimal digits or base64; or a file of payloads: raw ones behind each other, or text with one a line; `-` reads standard input.
    #[arg(value_name = "HEX|BASE64|FILE")]
    payload: String,
}

#[derive(Args, Debug)]
pub(super) struct EncodeArgs {
    /// JSON as `stain decode` prints it; `-` reads standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
    /// How to print the payload.
    #[arg(short, long, value_enum, default_value = "hex")]
    format: PayloadFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PayloadFormat {
    /// Hexadecimal digits.
    Hex,
    /// Standard base64, as in the payload of an event.
    Base64,
    /// The bytes themselves.
    Raw,
}

/// Prints payloads as JSON.
pub(super) fn decode(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let from_file = args.payload == "-" || Path::new(&args.payload).is_file();
    let bytes = if from_file { read(&args.payload)? } else { args.payload.clone().into_bytes() };
    if bytes.starts_with(&sttr::MAGIC.to_be_bytes()) {
        show_all(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        bail!("{}: neither payloads nor text: a payload begins with STTR", args.payload);
    };
    if !from_file {
        ensure_no_path(text)?;
        show_all(&sttr::from_text(text)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines {
        let at = || format!("{}:{number}", args.payload);
        show_all(&sttr::from_text(line).with_context(at)?).with_context(at)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A path that leads nowhere is no misspelled base64.
fn ensure_no_path(text: &str) -> anyhow::Result<()> {
    ensure!(
        sttr::from_text(text).is_ok() || !text.contains(['.', '~']),
        "there is no file {text}, and it is neither hexadecimal nor base64"
    );
    Ok(())
}

fn show_all(bytes: &[u8]) -> anyhow::Result<()> {
    let mut rest = bytes;
    let mut number = 0u64;
    while number == 0 || !rest.is_empty() {
        number += 1;
        let (payload, behind) = sttr::decode_first(rest).with_context(|| match number {
            1 => "not a payload".to_owned(),
            _ => format!("byte {}: payload {number} is none", bytes.len() - rest.len()),
        })?;
        output::print(&json::from_payload(&payload)?)?;
        rest = behind;
    }
    Ok(())
}

/// Prints the payload of a JSON text.
pub(super) fn encode(args: &EncodeArgs) -> anyhow::Result<ExitCode> {
    let text = String::from_utf8(read(&args.file)?).with_context(|| format!("{}: not UTF-8", args.file))?;
    let payload = json::to_payload(&text).with_context(|| format!("cannot encode {}", args.file))?;
    match args.format {
        PayloadFormat::Hex => {
            let mut hex = String::with_capacity(payload.len() * 2 + 1);
            sttr::to_hex(&payload, &mut hex);
            output::print(&(hex + "\n"))?;
        }
        PayloadFormat::Base64 => output::print(&(STANDARD.encode(&payload) + "\n"))?,
        PayloadFormat::Raw => {
            let mut out = io::stdout().lock();
            out.write_all(&payload).and_then(|()| out.flush()).context("cannot write to standard output")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES + 1;
    let read = if file == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {file}"))?;
    ensure!(bytes.len() as u64 <= MAX_INPUT_BYTES, "{file} is larger than {MAX_INPUT_BYTES} bytes: split it");
    Ok(bytes)
}
