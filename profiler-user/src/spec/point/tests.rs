use proptest::prelude::*;

use super::{Place, Point};

fn point(library: &str, pattern: &str, offset: u64, at_return: bool) -> Point {
    let library = (!library.is_empty()).then(|| library.to_owned());
    Point { library, place: Place::Function { pattern: pattern.to_owned(), offset }, at_return }
}

fn address(library: &str, address: u64) -> Point {
    Point { place: Place::Address(address), ..point(library, "", 0, false) }
}

#[test]
fn what_users_write() {
    for (text, expected) in [
        ("ngx_http_process_request", point("", "ngx_http_process_request", 0, false)),
        (" demo::sink::write ", point("", "demo::sink::write", 0, false)),
        ("ns::Type<T>::f(int)", point("", "ns::Type<T>::f(int)", 0, false)),
        ("ns::parse_*", point("", "ns::parse_*", 0, false)),
        ("handle_?", point("", "handle_?", 0, false)),
        ("_ZN2ns1fEv", point("", "_ZN2ns1fEv", 0, false)),
        ("libfoo.so.1:write_done", point("libfoo.so.1", "write_done", 0, false)),
        ("libfoo.so.1 : write_done", point("libfoo.so.1", "write_done", 0, false)),
        ("nginx:ngx_x", point("nginx", "ngx_x", 0, false)),
        ("libfoo.so:ns::f(a::b)", point("libfoo.so", "ns::f(a::b)", 0, false)),
        ("libstdc++.so.6:std::f", point("libstdc++.so.6", "std::f", 0, false)),
        ("/usr/lib/libfoo.so:fn", point("/usr/lib/libfoo.so", "fn", 0, false)),
        ("/opt/a (1)/libfoo.so:fn", point("/opt/a (1)/libfoo.so", "fn", 0, false)),
        ("f+16", point("", "f", 16, false)),
        ("f + 0x10", point("", "f", 16, false)),
        ("f+0", point("", "f", 0, false)),
        ("libfoo.so:f+4", point("libfoo.so", "f", 4, false)),
        ("ns::V::operator+", point("", "ns::V::operator+", 0, false)),
        ("ns::V::operator++", point("", "ns::V::operator++", 0, false)),
        ("ns::V::operator++8", point("", "ns::V::operator+", 8, false)),
        ("ns::V::operator+(int)", point("", "ns::V::operator+(int)", 0, false)),
        ("ns::A<1+2>::f", point("", "ns::A<1+2>::f", 0, false)),
        ("ns::V::operator%", point("", "ns::V::operator%", 0, false)),
        ("ns::V::operator%(int)", point("", "ns::V::operator%(int)", 0, false)),
        ("ns::V::operator%%return", point("", "ns::V::operator%", 0, true)),
        ("ns::V::operator*", point("", "ns::V::operator*", 0, false)),
        ("operator()(arg)", point("", "operator()(arg)", 0, false)),
        ("(anonymous namespace)::f", point("", "(anonymous namespace)::f", 0, false)),
        ("<demo::A as demo::B>::f::{closure#0}", point("", "<demo::A as demo::B>::f::{closure#0}", 0, false)),
        ("<A as B>::f::{shim:vtable#0}", point("", "<A as B>::f::{shim:vtable#0}", 0, false)),
        ("core::ops::call_once{{vtable.shim}}", point("", "core::ops::call_once{{vtable.shim}}", 0, false)),
        ("f%return", point("", "f", 0, true)),
        ("f %return ", point("", "f", 0, true)),
        ("f+0%return", point("", "f", 0, true)),
        ("libfoo.so:ns::f%return", point("libfoo.so", "ns::f", 0, true)),
        ("0x401136", address("", 0x40_1136)),
        ("libfoo.so:0xFFFF", address("libfoo.so", 0xffff)),
    ] {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_say_what_to_do() {
    for (text, part) in [
        ("", "the point is empty; name a function"),
        ("  ", "the point is empty; name a function"),
        ("f\u{7}", "control character"),
        ("%return", "there is no function; name one"),
        ("libfoo.so:", "there is no function; name one"),
        ("libfoo.so:%return", "there is no function; name one"),
        (":f", "there is no library before `:`"),
        ("a::b:c", "`a::b` is no library's file name"),
        ("lib/foo.so:f", "is a relative path; write its file name"),
        ("libfoo.so.*:f", "write its file name in full"),
        ("libfoo.so:a:b", "more than one single `:`"),
        ("libfoo.so:::f", "three colons"),
        ("::ns::f", "a function begins and ends with a name"),
        ("/: ::", "a function begins and ends with a name"),
        ("/a:: :f", "ends in a colon"),
        ("libfoo.so.1::f", "write `libfoo.so.1:..` instead of"),
        ("/usr/sbin/nginx", "a path alone is no point"),
        ("0x", "`0x` is no address"),
        ("0xxyz", "is no address"),
        ("0x+8", "is no address"),
        ("0x401136+8", "an offset is added in already"),
        ("0x11112222333344445", "is no address"),
        ("4198710", "an address is written `0x..`"),
        ("0x401136%return", "an address has no return: name the function"),
        ("libfoo.so:0x10%return", "an address has no return: name the function"),
        ("f+8%return", "a place inside a function has no return"),
        ("f%return+8", "`%return` stands at the end"),
        ("f%return%return", "`%return` stands at the end"),
        ("f%ret", "there is no `%ret`; only `%return`"),
        ("f%x+8", "there is no `%x`; only `%return`"),
        ("f%", "there is no `%`; only `%return`"),
        ("f+8x", "`8x` is no offset"),
        ("f+0xg", "`0xg` is no offset"),
        ("f+99999999999999999999", "is no offset"),
        ("f+8+8", "two offsets"),
        ("f+8+0", "two offsets"),
        ("f+8x+8", "two offsets"),
        ("+8", "there is no function before the offset"),
        ("*", "matches every function"),
        ("libfoo.so:**", "matches every function"),
        ("*::*", "matches every function"),
    ] {
        let error = text.parse::<Point>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!("f".repeat(4097).parse::<Point>().unwrap_err().to_string().contains("longer than 4096"));
}

fn any_point() -> impl Strategy<Value = Point> {
    let library = prop::option::of("(/usr/lib/)?lib[a-z+]{1,6}\\.so(\\.[0-9]){0,2}|nginx");
    let name = "[a-z_][a-z0-9_]{0,8}(::[a-z_*?][a-z0-9_]{0,8}){0,3}(<[a-z]{1,4}>|\\(int, char\\*\\)|::operator\\+|::\\{closure#0\\})?";
    let function = (name, prop_oneof![Just(0), any::<u64>()])
        .prop_map(|(pattern, offset)| Place::Function { pattern, offset });
    let place = prop_oneof![4 => function, 1 => any::<u64>().prop_map(Place::Address)];
    (library, place, any::<bool>()).prop_map(|(library, place, at_return)| {
        let at_return = at_return && matches!(place, Place::Function { offset: 0, .. });
        Point { library, place, at_return }
    })
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(point in any_point()) {
        prop_assert_eq!(point.to_string().parse(), Ok(point));
    }

    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Point>();
    }

    #[test]
    fn what_is_read_has_one_spelling(text in r"(::|:|/|\+|[0-9a]|0x|%return|%|operator|\{|\}|\(|\)|<|>|\*|\?| |é|\.so|f){0,12}") {
        if let Ok(point) = text.parse::<Point>() {
            prop_assert_eq!(point.to_string().parse(), Ok(point));
        }
    }
}
