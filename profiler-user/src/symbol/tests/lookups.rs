//! Look-ups in C++, Rust and hand-made modules, what they say when they fail, and the list.

use std::path::PathBuf;

use super::super::demangle::Variant;
use super::super::*;
use super::{built, hand_made, symbols_of};

#[test]
fn cpp_names_are_found_in_every_spelling() {
    let Some(module) = built().module("libcpp.so") else { return };
    assert!(module.unwinds);
    for (pattern, count) in [
        ("_ZN2ns4Type1fEi", 1),
        ("ns::Type::f(int)", 1),
        ("ns::Type::f( double )", 1),
        ("Type::f(double)", 1),
        ("ns::Type::only", 1),
        ("Type::only", 1),
        ("only", 1),
        ("ns::twice", 2),
        ("twice", 2),
        ("ns::twice<int>", 1),
        ("ns::(anonymous namespace)::secret", 1),
        ("secret", 1),
        ("ns::Type::f*", 2),
        ("*Type?f(int)", 0),
        ("*Type::f(int)", 1),
        ("_ZN2ns4Type1fE?", 2),
    ] {
        let lookup = find([&module], pattern);
        let found = if let Lookup::Found(found) = &lookup { found.len() } else { 0 };
        assert_eq!(found, count, "{pattern}: {lookup:?}");
    }
}

#[test]
fn overloads_are_ambiguous_and_listed() {
    let Some(module) = built().module("libcpp.so") else { return };
    for pattern in ["ns::Type::f", "Type::f"] {
        let lookup = find([&module], pattern);
        let Lookup::Ambiguous { candidates, total } = &lookup else { panic!("{lookup:?}") };
        let names: Vec<_> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        assert_eq!((names.as_slice(), *total), (&["ns::Type::f(double)", "ns::Type::f(int)"][..], 2));
        for name in names {
            assert!(find([&module], name).is_found(), "{name}");
        }
        assert!(lookup.explain(pattern).unwrap().contains("libcpp.so:ns::Type::f(int)"));
    }
}

#[test]
fn rust_names_are_found_in_both_manglings() {
    for file in ["legacy", "v0"] {
        let Some(module) = built().module(file) else { return };
        assert!(module.unwinds && !module.is_go);
        for (pattern, count) in [
            ("demo::sink::open", 1),
            ("sink::open", 1),
            ("demo::stage", 3),
            ("<demo::sink::Csv as demo::sink::Sink>::write", 1),
            ("demo::sink::Csv::write", 1),
            ("Csv::write", 1),
            ("demo::sink::Csv::flush", 1),
            ("demo::sta?e*", 3),
        ] {
            let lookup = find([&module], pattern);
            let found = if let Lookup::Found(found) = &lookup { found.len() } else { 0 };
            assert_eq!(found, count, "{file} {pattern}: {lookup:?}");
        }
        let lookup = find([&module], "demo::sink::Sink::write");
        assert!(matches!(&lookup, Lookup::Ambiguous { total: 2, .. }), "{file}: {lookup:?}");
        let lookup = find([&module], "demo::sink::opne");
        let Lookup::NotFound { nearest, .. } = &lookup else { panic!("{lookup:?}") };
        assert_eq!(nearest[0], "demo::sink::open", "{file}");
    }
    if let Some(module) = built().module("v0") {
        assert_eq!(symbols_of(&find([&module], "demo::stage::<i32>")).len(), 1);
    }
}

#[test]
fn clones_go_with_their_function_and_parts_do_not() {
    let module = hand_made(&[
        (0x10, "f"),
        (0x20, "f.constprop.0"),
        (0x30, "f.part.0"),
        (0x40, "f.cold"),
        (0x50, "g.isra.0"),
        (0x60, "local"),
        (0x70, "local"),
    ]);
    for (pattern, expected) in [
        ("f", &[("f", Variant::Whole), ("f.constprop.0", Variant::Altered)][..]),
        ("f.cold", &[("f.cold", Variant::Part)]),
        ("f.part.0", &[("f.part.0", Variant::Part)]),
        ("g", &[("g.isra.0", Variant::Altered)]),
        ("local", &[("local", Variant::Whole), ("local", Variant::Whole)]),
        ("f*", &[("f", Variant::Whole), ("f.constprop.0", Variant::Altered)]),
    ] {
        let lookup = find([&module], pattern);
        let Lookup::Found(found) = &lookup else { panic!("{pattern}: {lookup:?}") };
        let found: Vec<_> = found.iter().map(|one| (one.symbol, one.variant)).collect();
        assert_eq!(found, expected, "{pattern}");
    }
}

#[test]
fn one_name_in_two_files_is_a_doubt_and_in_one_file_seen_twice_is_not() {
    let one = hand_made(&[(0x10, "process")]);
    let other = Module { name: PathBuf::from("/lib/libplugin.so"), ..one.clone() };
    assert!(matches!(find([&one, &other], "process"), Lookup::Ambiguous { total: 2, .. }));
    assert_eq!(symbols_of(&find([&one, &one], "process")).len(), 2);
    assert_eq!(symbols_of(&find([&one, &other], "proc*")).len(), 2);
}

#[test]
fn many_candidates_are_counted_and_capped() {
    let names: Vec<String> = (10..60).map(|n| format!("_ZN3app3m{n}1fEv")).collect();
    let symbols: Vec<(u64, &str)> =
        names.iter().enumerate().map(|(n, name)| (n as u64 * 16, name.as_str())).collect();
    let module = hand_made(&symbols);
    let lookup = find([&module], "f");
    let Lookup::Ambiguous { candidates, total } = &lookup else { panic!("{lookup:?}") };
    assert_eq!((candidates.len(), *total), (lookup::MAX_CANDIDATES, 50));
    assert!(candidates.is_sorted());
    assert!(lookup.explain("f").unwrap().ends_with("... and 30 more"));
}

#[test]
fn misses_say_why() {
    let bare = hand_made(&[]);
    let some = hand_made(&[(0x10, "ngx_http_handler")]);
    assert!(matches!(find([], "f"), Lookup::NotFound { why: Miss::NoFiles, .. }));
    assert!(matches!(find([&bare], "f"), Lookup::NotFound { why: Miss::Stripped { .. }, .. }));
    let lookup = find([&some], "ngx_http_handlr");
    assert_eq!(lookup.explain("x").unwrap(), "no function is named `x`; did you mean ngx_http_handler?");
    for empty in ["", "::", " "] {
        assert!(!find([&some], empty).is_found());
    }
}

#[test]
fn the_list_is_sorted_and_in_both_formats() {
    let module = hand_made(&[(0x20, "zeta"), (0x30, "_ZN2ns4Type1fEi"), (0x40, "alpha")]);
    let names = |pattern| list::list([&module], pattern).into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(None), ["alpha", "ns::Type::f(int)", "zeta"]);
    assert_eq!(names(Some("et")), ["zeta"]);
    assert_eq!(names(Some("ns::*")), ["ns::Type::f(int)"]);
    assert_eq!(names(Some("*a")), ["alpha", "zeta"]);
    let line = &list::list([&module], Some("zeta"))[0];
    assert_eq!(
        line.json().unwrap(),
        r#"{"name":"zeta","symbol":"zeta","file":"/bin/app","address":"0x20","file_offset":"0x20","size":16}"#
    );
    assert_eq!(line.text(), "            0x20        16  app                       zeta");
    assert_eq!(list::Listed::HEADING.find("function"), line.text().find("zeta"));
    let split = hand_made(&[(0x10, "f"), (0x40, "f.cold")]);
    let lines: Vec<String> = list::list([&split], None).iter().map(list::Listed::text).collect();
    assert!(lines[0].ends_with(" f") && lines[1].ends_with(" f [a part of it, no entry]"), "{lines:?}");
}
