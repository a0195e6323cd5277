//! Parameters behind the question mark, strictly: what is not known, given twice, or not what it should be is told, and nothing is guessed. Pure.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::collector::http::ApiError;
use crate::collector::model::MAX_NAME;
use crate::trace::BranchPath;

/// Parameters of one request at most.
const MOST: usize = 32;

/// The largest number that JavaScript tells from its neighbours, and no time is beyond.
const MAX_MS: i64 = (1 << 53) - 1;

/// The parameters of a request, in their order.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(pairs) =
            Query::<Vec<(String, String)>>::from_request_parts(parts, state).await.map_err(|_| {
                ApiError::bad_request("the parameters cannot be read; write them as name=value, joined by &")
            })?;
        if pairs.len() > MOST {
            return Err(ApiError::bad_request(format!(
                "there are more than {MOST} parameters; leave some out"
            )));
        }
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(ApiError::bad_request("a parameter has a zero character, and nothing stored has"));
        }
        Ok(Self(pairs))
    }
}

impl Params {
    /// Refuses all but these.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => {
                Err(ApiError::bad_request(format!("`{}` is no parameter here: there are none", short(name))))
            }
            Some((name, _)) => Err(ApiError::bad_request(format!(
                "`{}` is no parameter here; there are {}",
                short(name),
                known.join(", ")
            ))),
        }
    }

    /// All values of one that may be repeated.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of one that may be given once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (value, None) => Ok(value),
            _ => Err(ApiError::bad_request(format!("{name} is given twice; keep one of them"))),
        }
    }

    /// A name of something: not empty, and not longer than any that is kept.
    pub(super) fn name(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        match value.len() {
            1..=MAX_NAME => Ok(Some(value.to_owned())),
            0 => Err(ApiError::bad_request(format!("{name} is empty; leave it out, or give it a value"))),
            _ => Err(ApiError::bad_request(format!(
                "{name} is longer than {MAX_NAME} bytes, and nothing stored is"
            ))),
        }
    }

    /// A whole number within bounds, both inclusive.
    pub(super) fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, ApiError>
    where
        T: Copy + FromStr + PartialOrd + Display,
    {
        let Some(value) = self.one(name)? else { return Ok(None) };
        match value.parse::<T>() {
            Ok(number) if least <= number && number <= most => Ok(Some(number)),
            _ => Err(ApiError::bad_request(format!(
                "{name} is `{}`; it has to be a whole number from {least} to {most}",
                short(value)
            ))),
        }
    }

    /// A time, ms since the Unix epoch.
    pub(super) fn time_ms(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.number(name, 0, MAX_MS)
    }

    /// A branch, written as `0` or `2.1`.
    pub(super) fn branch(&self, name: &str) -> Result<Option<BranchPath>, ApiError> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        branch(value).map(Some).ok_or_else(|| {
            ApiError::bad_request(format!("{name} is `{}`; write it as 0, or as in 2.1", short(value)))
        })
    }
}

/// The branch of a path of ordinals.
fn branch(text: &str) -> Option<BranchPath> {
    if text == "0" {
        return Some(BranchPath::ROOT);
    }
    let mut path = 0u64;
    for (depth, ordinal) in text.split('.').enumerate() {
        let ordinal: u8 = ordinal.parse().ok().filter(|ordinal| *ordinal > 0)?;
        path = path << 8 | u64::from(ordinal);
        if depth >= 8 {
            return None;
        }
    }
    Some(BranchPath(path)).filter(|found| found.to_string() == text)
}

/// What was sent, short enough to be repeated in a message.
pub(super) fn short(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(40).map(clean).collect();
    if shown.len() < text.len() && text.chars().nth(40).is_some() {
        shown.push_str("..");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Params, branch, short};
    use crate::trace::BranchPath;
    use proptest::prelude::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn mistakes_are_told_in_one_sentence() {
        let asked = params(&[
            ("limit", "0"),
            ("jobId", ""),
            ("toMs", "x"),
            ("a", "1"),
            ("a", "2"),
            ("branch", "1.0"),
        ]);
        for (found, told) in [
            (
                asked.number("limit", 1, 2000).map(|_| ()),
                "limit is `0`; it has to be a whole number from 1 to 2000",
            ),
            (asked.name("jobId").map(|_| ()), "jobId is empty; leave it out, or give it a value"),
            (
                asked.time_ms("toMs").map(|_| ()),
                "toMs is `x`; it has to be a whole number from 0 to 9007199254740991",
            ),
            (asked.one("a").map(|_| ()), "a is given twice; keep one of them"),
            (asked.branch("branch").map(|_| ()), "branch is `1.0`; write it as 0, or as in 2.1"),
            (asked.only(&["limit", "jobId"]), "`toMs` is no parameter here; there are limit, jobId"),
            (asked.only(&[]), "`limit` is no parameter here: there are none"),
        ] {
            assert_eq!(found.map_err(|error| error.message), Err(told.to_owned()));
        }
        let long = "x".repeat(257);
        assert!(params(&[("host", &long)]).name("host").is_err());
        assert_eq!(short(&long), format!("{}..", "x".repeat(40)));
        assert_eq!(short("a\nb"), "a b");
        assert_eq!(params(&[]).one("a").unwrap(), None);
    }

    proptest! {
        #[test]
        fn branches_are_read_as_they_are_shown(path in prop::collection::vec(1u64..256, 0..9)) {
            let path = BranchPath(path.into_iter().fold(0, |path, ordinal| path << 8 | ordinal));
            prop_assert_eq!(branch(&path.to_string()), Some(path));
        }

        #[test]
        fn no_text_is_taken_for_a_branch_that_it_is_not(text in "[0-9.+a]{0,12}") {
            prop_assert!(branch(&text).is_none_or(|found| found.to_string() == text));
        }
    }
}
