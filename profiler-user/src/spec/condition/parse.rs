//! Text to condition.
//!
//! ```text
//! or         = and { ("or" | "||") and }
//! and        = atom { ("and" | "&&") atom }
//! atom       = comparison | "(" or ")"
//! comparison = side relation sum
//! side       = sum [ "&" number ] | "(" sum "&" number ")"
//! relation   = "==" | "!=" | "<" | "<=" | ">" | ">="
//! ```
//!
//! with `sum` and `number` as in expressions. Parentheses are multiplied out as they are read; how many comparisons that may give
//! is checked before it is done, so that no input can make them explode.

use std::str::FromStr;

use profiler_common::limits::MAX_COMPARISONS;

use super::{Comparison, Condition, Relation};
use crate::spec::error::ParseError;
use crate::spec::expr::{MAX_EXPR_BYTES, Parsed, Parser, check_steps};

type Alternatives = Vec<Vec<Comparison>>;

/// The longer ones first: `<` is the beginning of `<=`.
const RELATIONS: [Relation; 6] = [
    Relation::Equal,
    Relation::NotEqual,
    Relation::LessOrEqual,
    Relation::GreaterOrEqual,
    Relation::Less,
    Relation::Greater,
];

impl FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Parsed<Self> {
        if text.len() > MAX_EXPR_BYTES {
            let length = text.len();
            return Err(ParseError::whole(format!(
                "the condition has {length} bytes, and at most {MAX_EXPR_BYTES} are allowed; write a shorter one"
            )));
        }
        let mut parser = Parser::new(text);
        let alternatives = any(&mut parser)?;
        if parser.peek().is_some() {
            return Err(parser.unexpected("`and`, `or` or the end"));
        }
        let condition = Self { alternatives };
        condition.values().try_for_each(check_steps)?;
        Ok(condition)
    }
}

fn any(parser: &mut Parser<'_>) -> Parsed<Alternatives> {
    let mut alternatives = all(parser)?;
    while parser.takes_word("or") || parser.takes("||") {
        let more = all(parser)?;
        bounded(count(&alternatives).saturating_add(count(&more)))?;
        alternatives.extend(more);
    }
    Ok(alternatives)
}

fn all(parser: &mut Parser<'_>) -> Parsed<Alternatives> {
    let mut left = atom(parser)?;
    while parser.takes_word("and") || parser.takes("&&") {
        let right = atom(parser)?;
        bounded(right.len() * count(&left) + left.len() * count(&right))?;
        let both = |one: &Vec<Comparison>| {
            let one = one.clone();
            right.iter().map(move |other| [one.as_slice(), other].concat())
        };
        left = left.iter().flat_map(both).collect();
    }
    Ok(left)
}

fn count(alternatives: &Alternatives) -> usize {
    alternatives.iter().map(Vec::len).sum()
}

fn bounded(comparisons: usize) -> Parsed<()> {
    if comparisons <= MAX_COMPARISONS {
        return Ok(());
    }
    Err(ParseError::whole(format!(
        "the condition takes {comparisons} comparisons once it is written as an `or` of `and`s, and at most {MAX_COMPARISONS} are \
         allowed; write a simpler one, or several stages"
    )))
}

/// What starts with a parenthesis is either a side of a comparison or a condition: both are tried, and the mistake of the one that
/// got further is told.
fn atom(parser: &mut Parser<'_>) -> Parsed<Alternatives> {
    let start = parser.position();
    let first = match comparison(parser) {
        Ok(comparison) => return Ok(vec![vec![comparison]]),
        Err(error) => error,
    };
    parser.rewind(start);
    if parser.peek() != Some('(') {
        return Err(first);
    }
    parser
        .within(|parser| {
            parser.expect('(', "`(`")?;
            let inner = any(parser)?;
            parser.expect(')', "`)`, `and` or `or`")?;
            Ok(inner)
        })
        .map_err(|second| if first.character > second.character { first } else { second })
}

fn comparison(parser: &mut Parser<'_>) -> Parsed<Comparison> {
    let (left, mask) = side(parser)?;
    let relation = RELATIONS.into_iter().find(|relation| parser.takes(relation.symbol()));
    let Some(relation) = relation else {
        return Err(parser.unexpected("a comparison: ==, !=, <, <=, > or >="));
    };
    Ok(Comparison { left, mask, relation, right: parser.sum()? })
}

fn side(parser: &mut Parser<'_>) -> Parsed<(crate::spec::expr::Expr, Option<u64>)> {
    let start = parser.position();
    if parser.takes("(")
        && let Ok(value) = parser.sum()
        && let Some(mask) = mask(parser)?
    {
        parser.expect(')', "`)` after the mask")?;
        return Ok((value, Some(mask)));
    }
    parser.rewind(start);
    let value = parser.sum()?;
    let mask = mask(parser)?;
    Ok((value, mask))
}

/// A mask, if one follows.
fn mask(parser: &mut Parser<'_>) -> Parsed<Option<u64>> {
    if parser.looks_at("&&") || !parser.takes("&") {
        return Ok(None);
    }
    match parser.peek() {
        Some(c) if c.is_ascii_digit() => parser.number().map(Some),
        _ => Err(parser.unexpected("a number: a mask is a number, as in (arg1 & 0x10) != 0")),
    }
}
