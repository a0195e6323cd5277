//! The spec against the pipeline itself: every function that it names is there.

use std::path::Path;

use super::{SPEC, SPEC_NAME};
use crate::spec::{Overrides, Place, Spec, StageCode, StageKey, load};
use crate::symbol::{DebugRoots, Lookup, Module, find};

fn spec() -> Spec {
    load(Some((SPEC_NAME, SPEC)), &Overrides { pids: vec![1], ..Overrides::default() }).unwrap()
}

#[test]
fn the_spec_tells_a_whole_journey() {
    let codes: Vec<_> = spec().stages.iter().map(|stage| stage.code.to_string()).collect();
    assert_eq!(codes, ["S0", "Q+", "Q-", "T+", "T-", "Q-", "W!", "drop"]);
    assert_eq!(spec().stages.first().map(|stage| stage.code), Some(StageCode::SOURCE));
    let by_address = |key: &StageKey| key.to_string() == "arg1";
    assert!(spec().stages.iter().all(|stage| by_address(&stage.key)));
}

#[test]
fn every_function_of_the_spec_is_there() {
    let module = Module::open(Path::new("/proc/self/exe"), &DebugRoots::none()).unwrap();
    for stage in spec().stages {
        let Place::Function { pattern, offset: 0 } = &stage.point.place else {
            panic!("{} is no function", stage.point)
        };
        let found = find([&module], pattern);
        assert!(matches!(found, Lookup::Found(_)), "{pattern}: {found:?}");
    }
}
