use super::render;
use crate::feed::Clock;
use crate::sink::testing::{Parts, busy, empty};
use crate::trace::testing::trace;
use profiler_common::Outcome;

const BEGAN: Clock = Clock { mono_ns: 5_000_000_000, wall_ns: 1_700_000_000_000_000_000 };

fn page(parts: &Parts) -> String {
    render(&parts.session(), Some(BEGAN))
}

/// The numbers that the script draws.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_has_the_numbers_of_the_report() {
    let page = page(&busy());
    for part in [
        "<h1>pipeline</h1>",
        "<span>2023-11-14T22:13:20Z</span>",
        "79% of the time records wait in Q+ push → Q- pop: the transform behind it is either busy or takes them late, which is not known here",
        "<li>Behind it: T+ parse → T- parsed, 52.0 µs at P50.</li>",
        "<b>274 µs</b>",
        "1,240 sampled = 1,006 admitted",
        "Every sampled record is accounted for.",
        "<code>queue::push+4</code>",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let data = data(&page);
    assert_eq!(data["subjects"][0]["label"], "end to end");
    assert_eq!(data["subjects"][0]["points"][0][0], 100);
    assert_eq!(data["traces"].as_array().unwrap().len(), 8);
    let slowest = &data["traces"][0];
    assert_eq!((slowest["ns"].as_u64(), slowest["stamps"].as_array().unwrap().len()), (Some(483_550), 6));
    // Half of a price of 510 ns and of one of 510 ns.
    assert_eq!(
        (slowest["stamps"][1]["took_ns"].as_u64(), slowest["stamps"][1]["corrected_ns"].as_u64()),
        (Some(850), Some(340))
    );
    let cells = data["subjects"][0]["cells"].as_array().unwrap();
    assert_eq!(cells.iter().map(|cell| cell[2].as_u64().unwrap()).sum::<u64>(), 100);
}

#[test]
fn a_session_without_traces_is_a_page_too() {
    let page = page(&empty());
    assert!(page.contains("No record took any time: see the ledger.") && !page.contains("id=\"course\""));
    assert_eq!(data(&page)["traces"].as_array().unwrap().len(), 0);
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    let page = page(&busy());
    let namespace = "http://www.w3.org/2000/svg";
    assert_eq!(page.matches("://").count(), page.matches(namespace).count());
    for part in
        ["src=", "href", "@import", "url(", "<link", "<img", "fetch(", "XMLHttpRequest", "innerHTML", "eval("]
    {
        assert!(!page.contains(part), "{part}");
    }
    assert!(page.contains("default-src 'none'"));
}

/// Names of the target that try to become markup, wherever a name can stand.
#[test]
fn names_stay_names() {
    let evil = "</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[2J";
    let mut parts = busy();
    parts.stages.iter_mut().for_each(|row| row.name = evil.to_owned());
    parts.outcomes = vec![evil.to_owned()];
    parts.cost.probes.iter_mut().for_each(|probe| probe.hits.site = evil.to_owned());
    parts.stats.add(&trace("S0@0 Q+@5 W!@9", Outcome::Named(0)));
    let session = crate::sink::Session { target: evil, end: evil, ..parts.session() };
    let page = render(&session, None);
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains("onerror=alert(1)>"));
    // In the data it is all there, for those who read it as data.
    assert_eq!(data(&page)["traces"][0]["stamps"][1]["name"], evil);
}
