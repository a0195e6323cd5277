//! The bytes by which databases know a rollup.
//!
//! Owns: ids that hold all that tells rollups apart: the bucket in front, so that a range of ids is a range of buckets, and the member last, so that the members
//! of one hop are a range too.

use super::super::super::model::{Dimension, HopKey, StageName};
use super::super::Width;
use super::super::body::{put_text, take_byte, take_text};
use super::super::rollups::RollupKey;

/// Where the ids of a bucket begin.
pub(super) fn first_id(bucket_ms: i64) -> Vec<u8> {
    // Negative ones before the others.
    (bucket_ms ^ i64::MIN).to_be_bytes().to_vec()
}

/// The bytes of a key.
pub(super) fn id(key: &RollupKey) -> Vec<u8> {
    let mut out = group(key);
    put_text(&mut out, &key.member);
    out
}

/// The bytes with which the ids of all members of a key's dimension begin.
pub(super) fn group(key: &RollupKey) -> Vec<u8> {
    let mut out = first_id(key.bucket_ms);
    put_text(&mut out, key.dimension.name());
    put_text(&mut out, &key.job);
    match &key.hop {
        HopKey::EndToEnd => out.push(0),
        HopKey::Hop { from, to } => {
            out.push(1);
            for stage in [from, to] {
                out.push(stage.code);
                put_text(&mut out, &stage.name);
            }
        }
    }
    out
}

/// Reads [`id`]; `None` where it is damaged. It does not tell the width: each has a table of its own.
pub(super) fn key(id: &[u8]) -> Option<RollupKey> {
    let (bucket, mut rest) = id.split_first_chunk::<8>()?;
    let rest = &mut rest;
    let bucket_ms = i64::from_be_bytes(*bucket) ^ i64::MIN;
    let dimension = Dimension::from_name(&take_text(rest)?)?;
    let job = take_text(rest)?;
    let hop = match take_byte(rest)? {
        0 => HopKey::EndToEnd,
        _ => HopKey::Hop { from: take_stage(rest)?, to: take_stage(rest)? },
    };
    let member = take_text(rest)?;
    let width = Width::Seconds;
    rest.is_empty().then_some(RollupKey { width, job, bucket_ms, dimension, hop, member })
}

fn take_stage(rest: &mut &[u8]) -> Option<StageName> {
    Some(StageName { code: take_byte(rest)?, name: take_text(rest)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_come_back_and_follow_the_buckets(
            buckets in (any::<i64>(), any::<i64>()), job in ".{0,4}", member in ".{0,4}", name in proptest::option::of(".{0,4}")
        ) {
            let stage = |code| StageName { code, name: name.clone().unwrap_or_default() };
            let hop = match name {
                None => HopKey::EndToEnd,
                Some(_) => HopKey::Hop { from: stage(1), to: stage(255) },
            };
            let of = |bucket_ms| {
                let (job, member, hop) = (job.clone(), member.clone(), hop.clone());
                RollupKey { width: Width::Seconds, bucket_ms, dimension: Dimension::Host, job, member, hop }
            };
            let (left, right) = (of(buckets.0), of(buckets.1));
            prop_assert_eq!(key(&id(&left)), Some(left.clone()));
            prop_assert_eq!(id(&left).cmp(&id(&right)), buckets.0.cmp(&buckets.1));
            prop_assert!(first_id(buckets.0) <= id(&left) && id(&left).starts_with(&group(&left)));
            prop_assert_eq!(key(&id(&left)[..11]), None);
        }
    }
}
