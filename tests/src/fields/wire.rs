//! Which traces a message of OpenTelemetry holds: the least that is to be known of protocol buffers for it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use crate::faulty::Request;

/// The ids of the traces whose spans a server has, from bodies over HTTP or, behind their five bytes, from calls of gRPC.
pub fn trace_ids(seen: &[Request]) -> Result<BTreeSet<u64>> {
    let mut all = BTreeSet::new();
    for request in seen.iter().filter(|request| request.was_taken()) {
        let body = request.body.as_slice();
        let is_call = request.path.ends_with("/Export");
        let body = if is_call { body.get(5..).context("no message")? } else { body };
        for resource in parts(body, 1)? {
            for scope in parts(resource, 2)? {
                for span in parts(scope, 2)? {
                    let id = parts(span, 1)?.first().copied().context("no trace id")?;
                    let id = u128::from_be_bytes(id.try_into().context("not sixteen bytes")?);
                    all.insert(u64::try_from(id)?);
                }
            }
        }
    }
    Ok(all)
}

/// The fields of a number that are bytes: messages, or ids.
fn parts(mut message: &[u8], wanted: u64) -> Result<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => {
                split(&mut message, 8)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?)?;
                let part = split(&mut message, length)?;
                if tag >> 3 == wanted {
                    found.push(part);
                }
            }
            5 => {
                split(&mut message, 4)?;
            }
            other => bail!("a field of kind {other}"),
        }
    }
    Ok(found)
}

fn split<'a>(message: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (first, rest) = message.split_at_checked(length).context("a field that is cut off")?;
    *message = rest;
    Ok(first)
}

fn varint(message: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *split(message, 1)?.first().context("no byte")?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number of more than 64 bits")
}
