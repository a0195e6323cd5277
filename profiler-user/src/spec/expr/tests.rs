use proptest::prelude::*;

use super::Expr;

fn deref(width: u8, signed: bool, address: Expr) -> Expr {
    Expr::Deref { width, signed, address: Box::new(address) }
}

fn cast(width: u8, signed: bool, value: Expr) -> Expr {
    Expr::Cast { width, signed, value: Box::new(value) }
}

fn add(value: Expr, offset: i64) -> Expr {
    Expr::Add(Box::new(value), offset)
}

#[test]
fn what_users_write() {
    let nested = (0..4).fold(Expr::Arg(0), |inner, _| deref(8, false, add(inner, 8)));
    for (text, expected) in [
        ("arg0", Expr::Arg(0)),
        (" arg5 ", Expr::Arg(5)),
        ("ret", Expr::Ret),
        ("thread", Expr::Thread),
        ("42", Expr::Constant(42)),
        ("0x10", Expr::Constant(16)),
        ("-1", Expr::Constant(u64::MAX)),
        ("- 0x10", Expr::Constant(u64::MAX - 15)),
        ("18446744073709551615", Expr::Constant(u64::MAX)),
        ("-9223372036854775808", Expr::Constant(1 << 63)),
        ("arg0+0", Expr::Arg(0)),
        ("arg0 + 8 - 8", Expr::Arg(0)),
        ("(arg0 + 8) + 0x8", add(Expr::Arg(0), 16)),
        ("arg0 - 8", add(Expr::Arg(0), -8)),
        ("arg0 - -8", add(Expr::Arg(0), 8)),
        ("arg0 + -8", add(Expr::Arg(0), -8)),
        ("arg0+2147483647", add(Expr::Arg(0), 2_147_483_647)),
        ("arg0-2147483648", add(Expr::Arg(0), -2_147_483_648)),
        ("*(u64*)(arg1+136)", deref(8, false, add(Expr::Arg(1), 136))),
        ("*(u64*)arg1", deref(8, false, Expr::Arg(1))),
        ("*(u64*)arg1+8", add(deref(8, false, Expr::Arg(1)), 8)),
        ("* ( i32 * ) ( arg1 )", deref(4, true, Expr::Arg(1))),
        ("*(u8*)*(u64*)ret", deref(1, false, deref(8, false, Expr::Ret))),
        ("*(u64*)(*(u64*)(*(u64*)(*(u64*)(arg0+8)+8)+8)+8)", nested),
        ("((((arg2))))", Expr::Arg(2)),
        ("(u32)arg1", cast(4, false, Expr::Arg(1))),
        ("( i8 ) ( arg1 + 8 ) + 1", add(cast(1, true, add(Expr::Arg(1), 8)), 1)),
        ("*(u64*)(u32)ret", deref(8, false, cast(4, false, Expr::Ret))),
        (
            "bytes(*(u64*)(arg0+8), *(u32*)(arg0+16))",
            Expr::Bytes {
                pointer: Box::new(deref(8, false, add(Expr::Arg(0), 8))),
                len: Box::new(deref(4, false, add(Expr::Arg(0), 16))),
            },
        ),
        (
            " bytes ( arg0 , 16 ) ",
            Expr::Bytes { pointer: Box::new(Expr::Arg(0)), len: Box::new(Expr::Constant(16)) },
        ),
    ] {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_say_where_and_what() {
    for (text, character, part) in [
        ("", 1, "expected a value such as arg0"),
        ("arg6", 1, "arguments are arg0 to arg5"),
        ("arg00", 1, "arguments are arg0 to arg5"),
        ("arg4294967296", 1, "arguments are arg0 to arg5"),
        ("agr0", 1, "did you mean arg0?"),
        ("return", 1, "there is no value `return`"),
        ("rdi", 1, "a value is arg0 to arg5"),
        ("arg0 arg1", 6, "expected the end, found `a`"),
        ("arg0+arg1", 6, "only numbers can be added"),
        ("8+arg0", 3, "only numbers can be added"),
        ("arg0+", 6, "only numbers can be added, as in arg0+8, found the end"),
        ("arg0*8", 5, "expected the end, found `*`"),
        ("arg0+8x", 6, "`8x` is no 64-bit number"),
        ("18446744073709551616", 1, "is no 64-bit number"),
        ("-9223372036854775809", 1, "too small"),
        ("0x", 1, "`0x` is no 64-bit number"),
        ("arg0+2147483648", 5, "does not fit into 32 bits"),
        ("(arg0+2147483647)+1", 18, "does not fit into 32 bits"),
        ("arg0+18446744073709551615", 6, "too large for an offset"),
        ("arg0--9223372036854775808", 6, "too large for an offset"),
        ("*arg1", 2, "expected what to read, as in *(u64*)(arg0+8), found `a`"),
        ("*(arg1+8)", 3, "`arg1` is no type to read"),
        ("*(u64)(arg1)", 6, "expected `*` after the type"),
        ("*(u64*(arg1)", 7, "expected `)` after the type"),
        ("*(uint64_t*)(arg1)", 3, "it is one of u8, u16"),
        ("*(u64*)", 8, "expected a value such as arg0, ret, thread or *(u64*)(arg0+8), found the end"),
        ("(arg0", 6, "expected `)`, found the end"),
        ("(u32 arg0)", 6, "expected `)` after the type, as in (u32)arg1, found `a`"),
        ("(u32)", 6, "expected a value"),
        ("arg0)", 5, "expected the end, found `)`"),
        ("bytes", 6, "expected `(`, as in bytes(arg0, 16)"),
        ("bytes(arg0)", 11, "the number of bytes"),
        ("bytes(arg0, 8", 14, "expected `)`"),
        ("bytes(arg0, 8)+1", 15, "expected the end"),
        ("(bytes(arg0, 8))", 2, "can only be the whole key"),
        ("*(u64*)(bytes(arg0, 8))", 9, "can only be the whole key"),
        ("bytes(bytes(arg0, 8), 8)", 7, "can only be the whole key"),
        ("arg0 + é", 8, "found `é`"),
        ("é", 1, "found `é`"),
    ] {
        let error = text.parse::<Expr>().unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.character, Some(character), "{text}: {error}");
    }
}

#[test]
fn size_depth_and_steps_are_bounded() {
    let nested = |levels: usize| format!("{}arg0{}", "*(u64*)(".repeat(levels), ")".repeat(levels));
    assert!(nested(8).parse::<Expr>().is_ok());
    for (text, part) in [
        (nested(9), "takes 9 steps"),
        (format!("{}+8", nested(8)), "takes 9 steps"),
        (format!("bytes(arg0, {})", nested(9)), "takes 9 steps"),
        (format!("{}arg0{}", "(".repeat(70), ")".repeat(70)), "nests deeper than 64"),
        ("(".repeat(512), "nests deeper than 64"),
        (" ".repeat(513), "at most 512 are allowed"),
    ] {
        let error = text.parse::<Expr>().unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

/// Any value in its canonical form: no sum of a sum, no added zero, no more steps than there are.
pub(in crate::spec) fn value() -> impl Strategy<Value = Expr> {
    let base = prop_oneof![
        (0_u8..6).prop_map(Expr::Arg),
        Just(Expr::Ret),
        Just(Expr::Thread),
        any::<u64>().prop_map(Expr::Constant),
        (0_u64..100).prop_map(Expr::Constant),
    ];
    let offset = prop_oneof![Just(0_i64), -64..64_i64, any::<i32>().prop_map(i64::from)];
    let width = prop_oneof![Just(1_u8), Just(2), Just(4), Just(8)];
    let step = (offset.clone(), width, any::<bool>(), any::<bool>());
    (base, prop::collection::vec(step, 0..=7), offset).prop_map(|(base, steps, last)| {
        let plus = |value, offset| if offset == 0 { value } else { add(value, offset) };
        let inner = steps.into_iter().fold(base, |value, (offset, width, signed, reads)| {
            if reads {
                deref(width, signed, plus(value, offset))
            } else {
                cast(width, signed, plus(value, offset))
            }
        });
        plus(inner, last)
    })
}

/// Any key.
pub(in crate::spec) fn key() -> impl Strategy<Value = Expr> {
    let bytes = (value(), value())
        .prop_map(|(pointer, len)| Expr::Bytes { pointer: Box::new(pointer), len: Box::new(len) });
    prop_oneof![3 => value(), 1 => bytes]
        .prop_filter("too long to write", |expr| expr.to_string().len() <= 512)
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(expr in key()) {
        prop_assert_eq!(expr.to_string().parse(), Ok(expr));
    }

    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Expr>();
    }

    #[test]
    fn what_is_read_has_one_spelling(text in r"[*()+\-, 0-9a-fux]{0,24}|(\*\((u8|i64)\*\)|\(|\)|arg[0-6]|ret|\+8|-0x7|bytes\(|,){0,12}") {
        if let Ok(expr) = text.parse::<Expr>() {
            prop_assert_eq!(expr.to_string().parse(), Ok(expr));
        }
    }
}
