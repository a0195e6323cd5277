//! From a condition to the predicate that the kernel program evaluates, and back to what a reader can check.

use profiler_common::{Comparison, Predicate, Relation};

use super::recipe::{self, Abi, Moment, RecipeError, Uses, describe};
use crate::spec::{self, Condition};
use crate::symbol::Arch;

/// What a condition uses.
#[must_use]
pub fn uses(condition: &Condition) -> Uses {
    condition.values().fold(Uses::default(), |uses, value| uses.with(Uses::of(value)))
}

/// The predicate of a condition.
///
/// # Errors
/// When one of its values has no recipe, or it has too many comparisons.
pub fn predicate(condition: &Condition, abi: Abi, moment: Moment) -> Result<Predicate, RecipeError> {
    let mut predicate = Predicate::default();
    for alternative in &condition.alternatives {
        for (index, one) in alternative.iter().enumerate() {
            let last = index + 1 == alternative.len();
            let lowered = comparison(one, last, abi, moment)?;
            predicate = predicate.then(lowered).ok_or(RecipeError::TooManyComparisons)?;
        }
    }
    Ok(predicate)
}

fn comparison(
    one: &spec::Comparison,
    last: bool,
    abi: Abi,
    moment: Moment,
) -> Result<Comparison, RecipeError> {
    let signed = if one.is_signed() { Comparison::SIGNED } else { 0 };
    Ok(Comparison {
        relation: one.relation as u8,
        flags: signed | if last { Comparison::LAST } else { 0 },
        reserved: [0; 6],
        mask: one.mask.unwrap_or(u64::MAX),
        left: recipe::value(&one.left, abi, moment)?,
        right: recipe::value(&one.right, abi, moment)?,
    })
}

/// Whether evaluating it may read memory.
#[must_use]
pub fn reads(predicate: &Predicate) -> bool {
    predicate.comparisons().iter().any(|one| recipe::reads(&one.left) || recipe::reads(&one.right))
}

/// The predicate as a reader of the spec would write it, with registers named.
#[must_use]
pub fn describe_predicate(predicate: &Predicate, arch: Arch) -> String {
    let mut text = String::new();
    let comparisons = predicate.comparisons();
    for (index, one) in comparisons.iter().enumerate() {
        text.push_str(&describe_comparison(one, arch));
        if index + 1 < comparisons.len() {
            text.push_str(if one.flags & Comparison::LAST != 0 { " or " } else { " and " });
        }
    }
    text
}

fn describe_comparison(one: &Comparison, arch: Arch) -> String {
    let left = describe(&one.left, arch);
    let left = if one.mask == u64::MAX { left } else { format!("({left} & {:#x})", one.mask) };
    let relation = Relation::from_code(one.relation).map_or("?", Relation::symbol);
    format!("{left} {relation} {}", describe(&one.right, arch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{describe_predicate, predicate, reads};
    use crate::plan::recipe::{Abi, Moment, RecipeError};
    use crate::symbol::Arch;
    use profiler_common::Base;

    #[test]
    fn conditions_become_predicates() {
        for (text, moment, shown, reading) in [
            ("arg2 == 3", Moment::Entry, "rdx == 0x3", false),
            ("(arg1 & 0x10) != 0", Moment::Entry, "(rsi & 0x10) != 0x0", false),
            ("(i32)ret < 0 or arg0 == 1", Moment::Return, "(i32)(rax) < 0x0 or entry arg0 == 0x1", false),
            (
                "arg0 != 0 and *(u32*)(arg0+8) == 7 or thread == 5",
                Moment::Entry,
                "rdi != 0x0 and *(u32*)(rdi+8) == 0x7 or thread == 0x5",
                true,
            ),
        ] {
            let predicate = predicate(&text.parse().unwrap(), Abi::SystemV, moment).unwrap();
            assert_eq!(describe_predicate(&predicate, Arch::X86_64), shown);
            assert_eq!(reads(&predicate), reading, "{text}");
        }
        let early = predicate(&"ret == 1".parse().unwrap(), Abi::SystemV, Moment::Entry);
        assert_eq!(early, Err(RecipeError::NotAtReturn));
    }

    proptest! {
        /// The kernel's evaluation of the lowered form agrees with what the text says.
        #[test]
        fn the_kernel_says_what_the_text_says(a in 0u64..4, b in 0u64..4, c in 0u64..4, shape in 0usize..5) {
            let (text, expected) = [
                ("arg0 == 1 or arg1 == 2 and arg2 == 3", a == 1 || b == 2 && c == 3),
                ("(arg0 == 1 or arg1 == 2) and arg2 == 3", (a == 1 || b == 2) && c == 3),
                ("arg0 < arg1 and arg1 <= arg2", a < b && b <= c),
                ("(arg0 & 2) != 0 and (arg1 > 1 or arg2 >= arg0)", a & 2 != 0 && (b > 1 || c >= a)),
                ("arg0 != 0 and arg1 != 0 or arg2 != 0 and arg0 == 3", a != 0 && b != 0 || c != 0 && a == 3),
            ][shape];
            let predicate = predicate(&text.parse().unwrap(), Abi::SystemV, Moment::Return).unwrap();
            let found = predicate.holds(|value| match Base::from_code(value.base) {
                Some(Base::SavedArg(index)) => [a, b, c].get(usize::from(index)).copied().ok_or(()),
                _ => Ok(value.constant),
            });
            prop_assert_eq!(found, Ok(expected), "{}", text);
        }
    }
}
