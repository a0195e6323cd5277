//! Mangled names to what the programmer wrote.
//!
//! Owns: the schemes (Rust legacy and v0, Itanium C++), the suffixes that compilers add to clones of a function.
//! Refuses: unbounded work for hostile names. A name that is no scheme's, or grows beyond [`MAX_NAME`], stays as it is.

use std::fmt::{self, Write};

/// Bytes of a demangled name at most.
pub const MAX_NAME: usize = 8 << 10;

/// What a compiler's suffix says of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// No suffix, or one that only makes the name unique: the source function itself.
    Whole,
    /// A whole copy of the function whose arguments the compiler may have changed or dropped (`.constprop`, `.isra`).
    Altered,
    /// A part split off, reached from inside the function: not an entry of it (`.cold`, `.part`).
    Part,
}

/// A symbol name without the compiler's suffixes, and what they said.
pub fn strip_suffix(symbol: &str) -> (&str, Variant) {
    let mut variant = Variant::Whole;
    let mut base = symbol;
    while let Some((rest, kind)) = last_suffix(base) {
        variant = match (variant, kind) {
            (Variant::Part, _) | (_, Variant::Part) => Variant::Part,
            (Variant::Altered, _) | (_, Variant::Altered) => Variant::Altered,
            (Variant::Whole, Variant::Whole) => Variant::Whole,
        };
        base = rest;
    }
    (base, variant)
}

fn last_suffix(symbol: &str) -> Option<(&str, Variant)> {
    let (rest, last) = symbol.rsplit_once('.')?;
    let numbered = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, word) = if numbered { rest.rsplit_once('.')? } else { (rest, last) };
    let kind = match word {
        "cold" | "part" => Variant::Part,
        "constprop" | "isra" => Variant::Altered,
        "llvm" | "lto_priv" | "localalias" | "clone" | "specialized" => Variant::Whole,
        _ => return None,
    };
    (!rest.is_empty()).then_some((rest, kind))
}

/// The readable name: Rust without hash, C++ without parameters and return type, anything else as it is.
/// The suffixes of clones are dropped.
pub fn readable(symbol: &str) -> String {
    let (base, _) = strip_suffix(symbol);
    rust(base).or_else(|| cpp(base, true)).unwrap_or_else(|| base.to_owned())
}

/// The readable name with everything that tells overloads apart: C++ keeps its parameters.
pub fn full(symbol: &str) -> String {
    let (base, _) = strip_suffix(symbol);
    rust(base).or_else(|| cpp(base, false)).unwrap_or_else(|| base.to_owned())
}

/// Whether a symbol is mangled by a scheme that has parameters in it.
pub fn is_cpp(symbol: &str) -> bool {
    symbol.starts_with("_Z") && rust(strip_suffix(symbol).0).is_none()
}

fn rust(symbol: &str) -> Option<String> {
    if !(symbol.starts_with("_R") || symbol.starts_with("_ZN")) {
        return None;
    }
    let name = rustc_demangle::try_demangle(symbol).ok()?;
    let mut out = Bounded(String::new());
    write!(out, "{name:#}").ok()?;
    Some(out.0)
}

fn cpp(symbol: &str, short: bool) -> Option<String> {
    if !symbol.starts_with("_Z") {
        return None;
    }
    let options = cpp_demangle::DemangleOptions::new().no_return_type();
    let options = if short { options.no_params() } else { options };
    let parsed = cpp_demangle::Symbol::new(symbol).ok()?;
    let mut out = Bounded(String::new());
    parsed.structured_demangle(&mut out, &options).ok()?;
    Some(out.0)
}

/// A string that refuses to grow without bound: back references let a short symbol demangle to gigabytes.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_readable() {
        for (symbol, short, long) in [
            ("main", "main", "main"),
            ("ngx_http_handler", "ngx_http_handler", "ngx_http_handler"),
            ("main.(*Source).Emit", "main.(*Source).Emit", "main.(*Source).Emit"),
            ("_ZN2ns4Type1fEi", "ns::Type::f", "ns::Type::f(int)"),
            ("_ZN2ns4Type1fEd.isra.0.cold", "ns::Type::f", "ns::Type::f(double)"),
            ("_Z1fIiEvT_", "f<int>", "f<int>(int)"),
            ("_ZNK2ns3BoxIiE3getEv", "ns::Box<int>::get", "ns::Box<int>::get() const"),
            ("_ZN4demo4sink5write17h0123456789abcdefE", "demo::sink::write", "demo::sink::write"),
            ("_ZN4demo4sink5write17h0123456789abcdefE.llvm.123", "demo::sink::write", "demo::sink::write"),
            (
                "_ZN40_$LT$demo..Csv$u20$as$u20$demo..Sink$GT$5write17h0123456789abcdefE",
                "<demo::Csv as demo::Sink>::write",
                "<demo::Csv as demo::Sink>::write",
            ),
            ("_RNvNtCs1234_4demo4sink5write", "demo::sink::write", "demo::sink::write"),
            ("_RINvCs1234_4demo4funclEB2_", "demo::func::<i32>", "demo::func::<i32>"),
            ("_Zbroken", "_Zbroken", "_Zbroken"),
            ("_R", "_R", "_R"),
            ("", "", ""),
        ] {
            assert_eq!((readable(symbol).as_str(), full(symbol).as_str()), (short, long), "{symbol}");
        }
    }

    #[test]
    fn suffixes_say_what_a_clone_is() {
        for (symbol, base, clone) in [
            ("f", "f", Variant::Whole),
            ("f.llvm.1234567", "f", Variant::Whole),
            ("f.constprop.0", "f", Variant::Altered),
            ("f.isra.0.constprop.1", "f", Variant::Altered),
            ("f.part.0", "f", Variant::Part),
            ("f.constprop.0.cold", "f", Variant::Part),
            ("f.cold", "f", Variant::Part),
            ("main.func1", "main.func1", Variant::Whole),
            ("main.init.0", "main.init.0", Variant::Whole),
            (".cold", ".cold", Variant::Whole),
            ("a.b", "a.b", Variant::Whole),
            ("1.2", "1.2", Variant::Whole),
        ] {
            assert_eq!(strip_suffix(symbol), (base, clone), "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics_or_explodes(name in "(_ZN?|_R|)[A-Za-z0-9_.$]{0,60}", any in any::<String>()) {
            for symbol in [&name, &any] {
                prop_assert!(readable(symbol).len() <= MAX_NAME.max(symbol.len()));
                prop_assert!(full(symbol).len() <= MAX_NAME.max(symbol.len()));
            }
        }
    }
}
