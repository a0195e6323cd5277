//! The spellings of one function's readable name.
//!
//! Owns: generic arguments left out, `<Type as Trait>::method` as `Type::method`, spacing.
//! Refuses: types. Everything here is text; two spellings are equal when their canonical text is.

/// C++ operators that hold angle brackets: those open or close nothing. Longest first.
const ANGLE_OPERATORS: [&str; 11] = ["<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">"];

/// Canonical spellings of a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spellings {
    /// What names exactly this function.
    pub(super) exact: Vec<String>,
    /// What names it among others: the method of the trait that it implements.
    pub(super) loose: Vec<String>,
}

/// All spellings of a readable name, with its generic arguments and without.
pub(super) fn spellings(name: &str) -> Spellings {
    let mut all = Spellings::default();
    if !name.contains('<') {
        all.exact.push(canonical(name));
        return all;
    }
    for name in [name.to_owned(), without_generics(name)] {
        let methods = method_spellings(&name);
        all.exact.push(canonical(&name));
        all.exact.extend(methods.exact.iter().map(|name| canonical(name)));
        all.loose.extend(methods.loose.iter().map(|name| canonical(name)));
    }
    all.exact.dedup();
    all
}

/// `<Type as Trait>::m`, `<Type>::m` and `path::<impl Trait for Type>::m`, the other ways round.
fn method_spellings(name: &str) -> Spellings {
    let mut all = Spellings::default();
    let open = if name.starts_with('<') { Some(0) } else { name.find("::<impl ").map(|at| at + 2) };
    let Some((open, close)) = open.and_then(|open| Some((open, closing(name, open)?))) else {
        return all;
    };
    let (Some(inner), Some(rest)) = (name.get(open + 1..close), name.get(close + 1..)) else {
        return all;
    };
    let (own, of_trait) = match inner.strip_prefix("impl ") {
        Some(inner) => split_outside(inner, " for ").map_or((inner, None), |(of, own)| (own, Some(of))),
        None => split_outside(inner, " as ").map_or((inner, None), |(own, of)| (own, Some(of))),
    };
    all.exact.push(format!("{own}{rest}"));
    if let Some(of_trait) = of_trait {
        all.exact.push(format!("<{own} as {of_trait}>{rest}"));
        all.loose.push(format!("{of_trait}{rest}"));
    }
    all
}

/// The name with all generic and template arguments left out. The self type of a Rust method stays.
pub(super) fn without_generics(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut at = 0;
    while let Some(rest) = name.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(operator) = operator_at(&out, rest) {
            out.push_str(operator);
            at += operator.len();
        } else if rest.starts_with('<') {
            let Some(close) = closing(name, at) else {
                out.push_str(rest);
                break;
            };
            if let Some(inner) = name.get(at + 1..close).filter(|inner| is_self_type(&out, inner)) {
                out.push('<');
                out.push_str(&without_generics(inner));
                out.push('>');
            } else if out.ends_with("::") {
                out.truncate(out.len() - 2);
            }
            at = close + 1;
        } else {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(rest.get(..step).unwrap_or_default());
            at += step;
        }
    }
    out
}

/// Whether brackets that follow `before` hold the type that a method belongs to, not arguments of a name.
fn is_self_type(before: &str, inner: &str) -> bool {
    before.is_empty() || (before.ends_with("::") && inner.starts_with("impl "))
}

/// The C++ operator with angle brackets in it at the start of `rest`, where `before` ends in the word for it.
fn operator_at<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    let word = before.strip_suffix("operator")?;
    if word.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        return None;
    }
    ANGLE_OPERATORS.iter().find(|operator| rest.starts_with(**operator)).and_then(|o| rest.get(..o.len()))
}

/// Where the bracket that opens at `open` is closed. The `>` of an arrow closes nothing.
fn closing(name: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut previous = b' ';
    for (at, byte) in name.bytes().enumerate().skip(open) {
        match byte {
            b'<' => depth += 1,
            b'>' if previous != b'-' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        previous = byte;
    }
    None
}

/// Splits at the first separator that stands in no brackets.
fn split_outside<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0i32;
    let mut previous = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'>' if previous != b'-' => depth -= 1,
            b' ' if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(separator)) => {
                return Some((text.get(..at)?, text.get(at + separator.len()..)?));
            }
            _ => {}
        }
        previous = byte;
    }
    None
}

/// The text with spaces only where two words meet, without `[abi:..]` tags, and `name::<T>` as `name<T>`.
pub(super) fn canonical(name: &str) -> String {
    let untagged;
    let name = if name.contains("[abi:") {
        untagged = without_abi_tags(name);
        untagged.as_str()
    } else {
        name
    };
    let mut out = String::with_capacity(name.len());
    let mut gap = false;
    for letter in name.trim().chars() {
        if letter.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && is_word(letter) && out.ends_with(is_word) {
            out.push(' ');
        }
        gap = false;
        if letter == '<' && out.ends_with("::") {
            out.truncate(out.len() - 2);
        }
        out.push(letter);
    }
    out
}

fn without_abi_tags(name: &str) -> String {
    let mut parts = name.split("[abi:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    out
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// The last segment of a path, without generic arguments and parameters; what a name of the function must hold.
pub(super) fn last_segment(name: &str) -> String {
    let bare = without_generics(name);
    let bare = if bare.starts_with("main.") { bare.as_str() } else { without_params(&bare) };
    bare.rsplit("::").next().unwrap_or_default().trim().to_owned()
}

/// A name up to the parameter list at its end. `(anonymous namespace)` and `{lambda(int)#1}` are no parameter lists.
pub(super) fn without_params(name: &str) -> &str {
    params_at(name).and_then(|at| name.get(..at)).unwrap_or(name)
}

/// Number of parameters in the list at the end of a full C++ name.
pub(super) fn param_count(name: &str) -> Option<usize> {
    let open = params_at(name)?;
    let list = name.get(open + 1..)?;
    let mut depth = 0i32;
    let mut commas = 0;
    for letter in list.chars() {
        match letter {
            '(' | '<' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | '>' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
    }
    Some(if list.starts_with(')') || list.starts_with("void)") { 0 } else { commas + 1 })
}

/// Where the parameter list opens: the last top-level `(` that closes at the end but for qualifiers.
fn params_at(name: &str) -> Option<usize> {
    let close = name.rfind(')')?;
    let tail = name.get(close + 1..)?;
    if tail.contains("::") {
        return None;
    }
    let mut depth = 0usize;
    for (at, byte) in name.bytes().enumerate().take(close + 1).collect::<Vec<_>>().into_iter().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return (at > 0).then_some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generics_are_left_out_and_self_types_stay() {
        for (name, bare) in [
            ("demo::func::<i32>", "demo::func"),
            ("demo::func::<fn(i32) -> u8, [u8; 4]>::{closure#0}", "demo::func::{closure#0}"),
            ("<demo::Stage<i32>>::run", "<demo::Stage>::run"),
            ("<demo::Csv<A> as demo::Sink<B>>::write::<C>", "<demo::Csv as demo::Sink>::write"),
            (
                "demo::a::<impl demo::Sink<A> for demo::File<B>>::write",
                "demo::a::<impl demo::Sink for demo::File>::write",
            ),
            ("std::vector<int, std::allocator<int> >::push_back", "std::vector::push_back"),
            ("ns::operator<<<int>", "ns::operator<<"),
            ("ns::operator< <int>", "ns::operator< "),
            ("ns::T::operator->", "ns::T::operator->"),
            ("broken<", "broken<"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_generics(name), bare, "{name}");
        }
    }

    #[test]
    fn methods_are_spelled_both_ways() {
        for (name, exact, loose) in [
            ("demo::f", &["demo::f"][..], &[][..]),
            (
                "<demo::S<i32>>::run",
                &["<demo::S<i32>>::run", "demo::S<i32>::run", "<demo::S>::run", "demo::S::run"],
                &[],
            ),
            (
                "<demo::C as demo::Sink>::write",
                &["<demo::C as demo::Sink>::write", "demo::C::write"],
                &["demo::Sink::write"],
            ),
            ("core::str::<impl str>::len", &["core::str<impl str>::len", "str::len"], &[]),
            (
                "demo::a::<impl demo::Sink for demo::F>::write",
                &[
                    "demo::a<impl demo::Sink for demo::F>::write",
                    "demo::F::write",
                    "<demo::F as demo::Sink>::write",
                ],
                &["demo::Sink::write"],
            ),
        ] {
            let found = spellings(name);
            for wanted in exact {
                assert!(found.exact.iter().any(|s| s == wanted), "{name}: {wanted} in {:?}", found.exact);
            }
            for wanted in loose {
                assert!(found.loose.iter().any(|s| s == wanted), "{name}: {wanted} in {:?}", found.loose);
            }
        }
    }

    #[test]
    fn spacing_does_not_count() {
        for (a, b) in [
            ("f(int,  char*)", "f(int, char *)"),
            ("ns::f(unsigned long)", "ns::f( unsigned long )"),
            ("demo::func::<i32>", "demo::func<i32>"),
            ("std::f[abi:cxx11](int)", "std::f(int)"),
        ] {
            assert_eq!(canonical(a), canonical(b));
        }
        assert_ne!(canonical("unsigned long"), canonical("unsignedlong"));
    }

    #[test]
    fn parameters_are_told_from_other_parentheses() {
        for (name, bare, count) in [
            ("f(int, char)", "f", Some(2)),
            ("f()", "f", Some(0)),
            ("ns::f(std::map<int, char>) const", "ns::f", Some(1)),
            ("(anonymous namespace)::f", "(anonymous namespace)::f", None),
            ("(anonymous namespace)::f(void (*)(int, int))", "(anonymous namespace)::f", Some(1)),
            ("plain", "plain", None),
        ] {
            assert_eq!((without_params(name), param_count(name)), (bare, count), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled(name in "[<>():a-z ,\\-\\[\\]é]{0,40}", any in any::<String>()) {
            for name in [&name, &any] {
                let _ = (spellings(name), last_segment(name), param_count(name));
            }
        }
    }
}
