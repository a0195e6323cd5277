use proptest::prelude::*;

use super::{Comparison, Condition, Relation};
use crate::spec::expr::Expr;
use crate::spec::expr::tests::value;

#[test]
fn what_users_write() {
    for (text, shown) in [
        ("arg2 == 3", "arg2 == 3"),
        ("arg2==3", "arg2 == 3"),
        (" ( arg2 ) != 0x10 ", "arg2 != 16"),
        ("ret != 0 and arg1 < 8", "ret != 0 and arg1 < 8"),
        ("ret <= 0 || arg1 >= 8 && arg0 > 1", "ret <= 0 or arg1 >= 8 and arg0 > 1"),
        ("(arg1 & 0x10) != 0", "(arg1 & 0x10) != 0"),
        ("arg1 & 16 != 0", "(arg1 & 0x10) != 0"),
        ("((arg1+8) & 16) != arg2", "(arg1+8 & 0x10) != arg2"),
        ("arg1&&arg2 == 1", ""),
        ("(arg0 == 1 or arg1 == 2) and arg2 == 3", "arg0 == 1 and arg2 == 3 or arg1 == 2 and arg2 == 3"),
        ("arg2 == 3 and (arg0 == 1 or arg1 == 2)", "arg2 == 3 and arg0 == 1 or arg2 == 3 and arg1 == 2"),
        ("(((arg0 == 1)))", "arg0 == 1"),
        ("((arg0 & 1) == 1 and (arg1) == 2)", "(arg0 & 0x1) == 1 and arg1 == 2"),
        ("*(u32*)(arg0+8) == *(u32*)(arg1+8)", "*(u32*)(arg0+8) == *(u32*)(arg1+8)"),
        ("(i32)ret < 0", "(i32)(ret) < 0"),
        ("(i32)(ret+1) < -1", "(i32)(ret+1) < 0xffffffffffffffff"),
    ] {
        let read = text.parse::<Condition>();
        assert_eq!(read.map(|read| read.to_string()).unwrap_or_default(), shown, "{text}");
    }
}

#[test]
fn mistakes_say_where_and_what() {
    for (text, character, part) in [
        ("", Some(1), "expected a value such as arg0"),
        ("arg0", Some(5), "expected a comparison: ==, !=, <, <=, > or >=, found the end"),
        ("arg0 = 1", Some(6), "expected a comparison: ==, !=, <, <=, > or >=, found `=`"),
        ("arg0 == ", Some(9), "expected a value such as arg0"),
        ("arg0 == 1 xor arg1 == 2", Some(11), "expected `and`, `or` or the end, found `x`"),
        ("arg0 == 1 and", Some(14), "expected a value"),
        ("(arg0 == 1", Some(11), "expected `)`, `and` or `or`, found the end"),
        ("(arg0 == 1 or) and arg1 == 1", Some(14), "expected a value"),
        ("(arg0 & arg1) != 0", Some(9), "a mask is a number"),
        ("bytes(arg0, 8) == 1", Some(1), "bytes(..) is a hash"),
        ("arg7 == 1", Some(1), "arguments are arg0 to arg5"),
        ("(arg0 == 1 and arg7 == 1)", Some(16), "arguments are arg0 to arg5"),
        ("arg0 == 1 orarg1 == 2", Some(11), "expected `and`, `or` or the end"),
    ] {
        let error = text.parse::<Condition>().unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.character, character, "{text}: {error}");
    }
}

#[test]
fn size_and_growth_are_bounded() {
    let many = |n: usize, word: &str| vec!["arg0 == 1"; n].join(word);
    assert!(many(8, " or ").parse::<Condition>().is_ok());
    assert!(many(8, " and ").parse::<Condition>().is_ok());
    let pair = "(arg0 == 1 or arg1 == 2)";
    assert!(format!("{pair} and {pair}").parse::<Condition>().is_ok());
    for (text, part) in [
        (many(9, " or "), "takes 9 comparisons"),
        (many(9, " and "), "takes 9 comparisons"),
        (format!("{pair} and {pair} and {pair}"), "takes 24 comparisons"),
        (vec![pair; 15].join(" and "), "takes 24 comparisons"),
        (" ".repeat(600), "at most 512 are allowed"),
        ("(".repeat(500), "nests deeper than 64"),
        (format!("{}arg0{} == 1", "*(u64*)(".repeat(9), ")".repeat(9)), "takes 9 steps"),
    ] {
        let error = text.parse::<Condition>().unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_side_read_as_signed_makes_it_signed() {
    for (text, signed) in [
        ("ret < 8", false),
        ("(i32)ret < 8", true),
        ("(i64)ret < 8", true),
        ("(u32)ret < 8", false),
        ("*(i8*)arg0+1 < 8", true),
        ("*(u8*)(arg0) < *(i8*)(arg0)", true),
        ("(*(i8*)arg0 & 0x80) != 0", false),
        ("*(u64*)(*(i32*)arg0) < 8", false),
    ] {
        let condition: Condition = text.parse().unwrap();
        assert_eq!(condition.comparisons().all(Comparison::is_signed), signed, "{text}");
    }
}

#[test]
fn what_is_the_same_for_every_hit_is_a_mistake() {
    for (text, part) in [
        ("1 == 1", "`1 == 1` compares numbers only"),
        ("(5 & 4) == 4", "compares numbers only"),
        ("arg1+8 == arg1+8", "compares a value with itself"),
        (
            "ret < 0",
            "`ret < 0` never holds, because its left side is 0 to 0xffffffffffffffff; make it a signed one, as in (i32)ret < 0",
        ),
        (
            "ret > -1",
            "never holds, because its left side is 0 to 0xffffffffffffffff; make it a signed one, as in (i32)ret > -1",
        ),
        ("ret <= -1", "always holds"),
        (
            "0 <= arg1",
            "always holds, because its right side is 0 to 0xffffffffffffffff; make it a signed one, as in 0 <= (i32)arg1",
        ),
        (
            "*(u32*)(arg0) >= 0",
            "always holds, because its left side is 0 to 0xffffffff; make it a signed one, as in (i32)(*(u32*)(arg0)) >= 0",
        ),
        (
            "*(u8*)(arg0) == 256",
            "never holds, because its left side is 0 to 0xff; choose another width, mask or sign",
        ),
        ("*(u8*)(arg0) <= 255", "always holds"),
        ("*(u8*)(arg0) < 256", "always holds"),
        ("*(u8*)(arg0) > 255", "never holds"),
        ("*(u8*)(arg0) >= 256", "never holds"),
        ("*(u8*)(arg0) != 256", "always holds"),
        ("300 > *(u8*)(arg0)+20", "always holds, because its right side is 0x14 to 0x113"),
        ("*(i8*)(arg0) == 200", "never holds, because its left side is -128 to 127"),
        ("(i32)ret == 0xffffffff", "never holds, because its left side is -2147483648 to 2147483647"),
        ("(i32)ret >= 0x80000000", "never holds"),
        ("(i64)*(i16*)(arg0) > 40000", "never holds, because its left side is -32768 to 32767"),
        ("(u32)ret == -1", "never holds, because its left side is 0 to 0xffffffff"),
        ("(arg1 & 0x10) == 1", "never holds, because its left side has no bits but those of 0x10"),
        ("(arg1 & 0x10) != 1", "always holds"),
        ("(arg0 & 0xf) == 0x10", "never holds"),
        ("(arg0 & 0xf0) <= 0xf0", "always holds"),
        ("(arg0 & 0xf0) >= 0", "always holds"),
        ("(*(u8*)(arg0) & 0x100) == 0", "always holds, because its left side is 0"),
        (
            "*(u8*)(arg0) < *(u16*)(arg0)+256",
            "always holds, because its left side is 0 to 0xff and its right side is 0x100 to 0x100ff",
        ),
        ("arg0 == 1 or thread == -1", "`thread == 0xffffffffffffffff` never holds"),
    ] {
        let found = text.parse::<Condition>().unwrap().nonsense().unwrap_or_default();
        assert!(found.contains(part), "{text}: {found}");
    }
    for text in [
        "ret == -1",
        "ret <= 0",
        "ret >= -1",
        "0 < arg1",
        "(i32)ret < 0",
        "(i32)ret == -1",
        "(i32)ret > -1",
        "*(i8*)(arg0) == -1",
        "*(i8*)(arg0) >= 127",
        "*(u8*)(arg0) < 255",
        "(i8)*(u8*)(arg0) == -1",
        "(arg1 & 0x30) == 0x10",
        "(*(i8*)arg0 & 0x80) != 0",
        "(*(i8*)arg0 & 0x8000) != 0",
        "*(u64*)0x1000 == 1",
        "*(i32*)(arg0) < *(u32*)(arg0)",
        "arg0 == arg1",
    ] {
        assert_eq!(text.parse::<Condition>().unwrap().nonsense(), None, "{text}");
    }
}

/// A value of one byte, which is all that it depends on: as it is read, or with more done to it.
fn narrow(more: bool) -> impl Strategy<Value = Expr> {
    let width = prop_oneof![Just(1_u8), Just(2), Just(8)];
    let steps = prop::collection::vec((-300..300_i64, width, any::<bool>()), 0..=if more { 2 } else { 0 });
    (any::<bool>(), steps, prop_oneof![Just(0), -300..300_i64]).prop_map(|(signed, steps, last)| {
        let read = Expr::Deref { width: 1, signed, address: Box::new(Expr::Arg(0)) };
        let plus = |value, offset| if offset == 0 { value } else { Expr::Add(Box::new(value), offset) };
        let cast = |value, (offset, width, signed)| Expr::Cast {
            width,
            signed,
            value: Box::new(plus(value, offset)),
        };
        plus(steps.into_iter().fold(read, cast), last)
    })
}

/// The value where this byte is read, as the kernel program computes it.
fn computed(value: &Expr, byte: u8) -> u64 {
    let extended = |number: u64, width: u8, signed: bool| {
        let unused = 64 - 8 * u32::from(width);
        if signed {
            (number << unused).cast_signed().wrapping_shr(unused).cast_unsigned()
        } else {
            number << unused >> unused
        }
    };
    match value {
        Expr::Constant(number) => *number,
        Expr::Add(inner, offset) => computed(inner, byte).wrapping_add_signed(*offset),
        Expr::Deref { width, signed, .. } => extended(byte.into(), *width, *signed),
        Expr::Cast { width, signed, value } => extended(computed(value, byte), *width, *signed),
        _ => unreachable!("not in these values"),
    }
}

/// What a comparison comes to at every byte, if that is the same: by trying.
fn tried(comparison: &Comparison, bytes: impl Iterator<Item = (u8, u8)>) -> Option<bool> {
    let Comparison { left, mask, relation, right } = comparison;
    let flags = if comparison.is_signed() { profiler_common::predicate::Comparison::SIGNED } else { 0 };
    let in_kernel = profiler_common::predicate::Comparison {
        relation: *relation as u8,
        flags,
        mask: mask.unwrap_or(u64::MAX),
        ..Default::default()
    };
    let mut outcomes = bytes.map(|(one, two)| in_kernel.holds(computed(left, one), computed(right, two)));
    let first = outcomes.next()?;
    outcomes.all(|outcome| outcome == first).then_some(first)
}

fn number() -> impl Strategy<Value = Expr> {
    let edges =
        [0_i64, 1, -1, 127, 128, -128, -129, 255, 256, 32_767, 32_768, 65_535, 65_536, i64::MIN, i64::MAX];
    let number = prop_oneof![(0..edges.len()).prop_map(move |index| edges[index]), -700..700_i64];
    number.prop_map(|number| Expr::Constant(number.cast_unsigned()))
}

fn relation() -> impl Strategy<Value = Relation> {
    (0..Relation::ALL.len()).prop_map(|index| Relation::ALL[index])
}

fn judged(comparison: &Comparison) -> Option<bool> {
    let said = Condition { alternatives: vec![vec![comparison.clone()]] }.nonsense()?;
    Some(said.contains(" always holds, "))
}

fn comparison() -> impl Strategy<Value = Comparison> {
    (value(), prop::option::of(any::<u64>()), relation(), value())
        .prop_map(|(left, mask, relation, right)| Comparison { left, mask, relation, right })
}

fn alternatives() -> impl Strategy<Value = Vec<Vec<Comparison>>> {
    prop::collection::vec(prop::collection::vec(comparison(), 1..=2), 1..=4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A value against a number, on either side: it is refused where trying all bytes gives the same, and only there.
    #[test]
    fn what_is_refused_is_what_never_differs(
        value in narrow(false), number in number(), relation in relation(), mask in prop::option::of(1_u64..256), turned: bool,
    ) {
        let is_plain = matches!(value, Expr::Deref { .. });
        let (left, right) = if turned { (number, value) } else { (value, number) };
        let comparison = Comparison { left, mask: mask.filter(|_| is_plain && !turned), relation, right };
        let all = (0..=u8::MAX).map(|byte| (byte, byte));
        prop_assert_eq!(judged(&comparison), tried(&comparison, all), "{}", comparison);
    }

    /// What more is done to it may hide that it never differs, but nothing that differs is refused.
    #[test]
    fn nothing_that_differs_is_refused(
        left in narrow(true), mask in prop::option::of(any::<u16>()), relation in relation(), right in prop_oneof![number(), narrow(true)],
    ) {
        let comparison = Comparison { left, mask: mask.map(u64::from), relation, right };
        let pairs = (0..=u8::MAX).flat_map(|one| [0, 1, 127, 128, 255].map(|two| (one, two)));
        if comparison.left != comparison.right && let Some(said) = judged(&comparison) {
            prop_assert_eq!(Some(said), tried(&comparison, pairs), "{}", comparison);
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(alternatives in alternatives()) {
        let condition = Condition { alternatives };
        let text = condition.to_string();
        prop_assume!(text.len() <= 512);
        prop_assert_eq!(text.parse(), Ok(condition));
    }

    #[test]
    fn no_text_panics(text in ".{0,80}|[()&|=!<> 0-9a-fornd]{0,40}") {
        if let Ok(condition) = text.parse::<Condition>() {
            let _ = condition.nonsense();
            prop_assert_eq!(condition.to_string().parse(), Ok(condition));
        }
    }

    /// Multiplying out changes the form, not the truth.
    #[test]
    fn parentheses_keep_their_meaning(bits in 0u8..16, shape in 0usize..4) {
        let (a, b, c, d) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0);
        let (text, expected) = [
            ("(arg0 == 1 or arg1 == 1) and (arg2 == 1 or arg3 == 1)", (a || b) && (c || d)),
            ("arg0 == 1 and (arg1 == 1 or arg2 == 1 and arg3 == 1)", a && (b || c && d)),
            ("(arg0 == 1 and arg1 == 1 or arg2 == 1) and arg3 == 1", (a && b || c) && d),
            ("arg0 == 1 or (arg1 == 1 and (arg2 == 1 or arg3 == 1))", a || b && (c || d)),
        ][shape];
        let condition: Condition = text.parse().unwrap();
        let holds = |comparison: &Comparison| matches!(comparison.left, Expr::Arg(n) if bits >> n & 1 == 1);
        prop_assert_eq!(condition.alternatives.iter().any(|all| all.iter().all(holds)), expected);
    }
}
