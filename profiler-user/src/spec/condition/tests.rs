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
        ("ret < 0", "make it a signed one, as in (i32)ret < 0"),
        ("*(u32*)(arg0) >= 0", "as in (i32)(*(u32*)(arg0)) < 0"),
        ("*(u8*)(arg0) == 256", "its left side is 0xff at most"),
        ("(u32)ret == -1", "its left side is 0xffffffff at most"),
        ("(arg0 & 0xf) == 0x10", "its left side is 0xf at most"),
        ("arg0 == 1 or thread == -1", "`thread == 0xffffffffffffffff` is the same"),
    ] {
        let found = text.parse::<Condition>().unwrap().nonsense().unwrap_or_default();
        assert!(found.contains(part), "{text}: {found}");
    }
    for text in ["ret == -1", "(i32)ret < 0", "*(i8*)(arg0) == -1", "*(u64*)0x1000 == 1", "arg0 == arg1"] {
        assert_eq!(text.parse::<Condition>().unwrap().nonsense(), None, "{text}");
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let relation = (0..Relation::ALL.len()).prop_map(|index| Relation::ALL[index]);
    (value(), prop::option::of(any::<u64>()), relation, value())
        .prop_map(|(left, mask, relation, right)| Comparison { left, mask, relation, right })
}

fn alternatives() -> impl Strategy<Value = Vec<Vec<Comparison>>> {
    prop::collection::vec(prop::collection::vec(comparison(), 1..=2), 1..=4)
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
