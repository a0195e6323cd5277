//! `docs/openapi.json` says what the routes take and answer, no less and no more.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::router;
use super::schema::{faults, resolve};
use crate::collector::http::testing::Collector;
use crate::collector::model::{Membership, PacketSeen, Part};
use crate::collector::query::ROUTES;
use crate::collector::query::testing::{ask, later, part};
use crate::collector::settings::Settings;
use crate::collector::store::Batch;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../../../docs/openapi.json")).unwrap()
}

/// Traces with everything that an answer may hold.
fn parts() -> Vec<Part> {
    let mut all: Vec<Part> = (0..300)
        .map(|id| later(part(id, "S0@0 Q+@1000 Q-@30000 T+@31000 T-@90000 W!@95000"), id as i64 * 4000))
        .collect();
    for (at, part) in all.iter_mut().enumerate() {
        // A task and a machine that stand out.
        let slow = at % 4 == 3;
        part.host = format!("db{}", at % 4);
        part.entries[4].task = 5000 + at as i64 % 4;
        part.entries[4].ts_ns += if slow { 900_000 } else { 0 };
        part.entries[5].ts_ns += if slow { 900_000 } else { 0 };
    }
    let mut branch = part(0, "S0@0 T+@5 W!@9");
    (branch.key.branch, branch.shared, branch.table) = (0x0201, 1, Some("db.orders".to_owned()));
    branch.batches = vec![Membership { entry: 1, key: 9, position: 0, size: None }];
    let mut beyond = part(0, "Q-@-5 W!@99999");
    (beyond.host, beyond.key.sink_task) = ("db9".to_owned(), 7);
    all.extend([branch, beyond]);
    all
}

#[test]
fn every_route_and_parameter_is_described() {
    let document = document();
    let described = document["paths"].as_object().unwrap();
    for route in ROUTES {
        let get = &document["paths"][route.path]["get"];
        let in_query = |one: &&Value| one["in"] == "query";
        let names = get["parameters"].as_array().into_iter().flatten().filter(in_query);
        let names: BTreeSet<&str> = names.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, route.params.iter().copied().collect(), "{}", route.path);
        for status in ["200", "400", "401", "503"] {
            assert!(get["responses"].get(status).is_some(), "{} has no {status}", route.path);
        }
    }
    // Every schema that is named is there, and every one that is there is named.
    let text = document.to_string();
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")) || name == "LiveTrace", "{name}");
    }
    let ids: BTreeSet<&str> = described
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), described.len(), "an operation's name is there twice");
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let document = document();
    let (router, store) = router(parts());
    let packet =
        PacketSeen { job: "7".to_owned(), packet: 3, host: "db1".to_owned(), ..PacketSeen::default() };
    store.put(Batch { packets: vec![packet], ..Batch::default() });
    let cases = [
        ("/api/v1/traces", "?limit=2", 200, "/items/1"),
        ("/traces", "?jobId=7&stage=W!", 200, "/items/99"),
        ("/traces", "?limit=0", 400, "/error"),
        ("/api/v1/traces/{traceId}", "0", 200, "/branches/0/batches/0"),
        ("/api/v1/traces/{traceId}", "0", 200, "/clocks/0"),
        ("/api/v1/traces/{traceId}", "999", 404, "/error"),
        ("/api/v1/traces/{traceId}", "x", 400, "/error"),
        ("/api/v1/jobs", "", 200, "/items/0"),
        ("/api/v1/stats", "", 200, "/series/5/buckets/0"),
        ("/api/v1/stats", "?group=task&jobId=7", 200, "/series/3/member"),
        ("/api/v1/stats", "?group=x", 400, "/error"),
        ("/api/v1/heatmap", "", 200, "/columns/0/cells/0/2"),
        ("/api/v1/bottlenecks", "", 200, "/hops/4/course/kind"),
        ("/api/v1/outliers", "", 200, "/tasks/0/words"),
        ("/api/v1/outliers", "", 200, "/hosts/0/hop"),
        ("/api/v1/agents", "", 200, "/items/0/gaps/0"),
        ("/api/v1/agents", "", 200, "/clocks/0"),
        ("/api/v1/live", "?x=1", 400, "/error"),
    ];
    for (route, rest, status, holds) in cases {
        let path = format!("{}{rest}", route.replace("{traceId}", ""));
        let (found, answer) = ask(&router, &path).await;
        assert_eq!(found, status, "{path}: {answer}");
        check(&document, route, status, &answer, &path);
        assert!(answer.pointer(holds).is_some(), "{path} shows no {holds}, so that it is not checked");
    }
    store.break_with(Some("the disk is full"));
    for route in ROUTES {
        let path = route.path.replace("{traceId}", "0");
        let (status, answer) = ask(&router, &path).await;
        assert_eq!(status, 503, "{path}");
        check(&document, route.path, 503, &answer, &path);
    }
}

fn check(document: &Value, route: &str, status: u16, answer: &Value, path: &str) {
    let response = &document["paths"][route]["get"]["responses"][status.to_string()];
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{route} has no schema for {status}");
    assert_eq!(faults(document, schema, answer), Vec::<String>::new(), "{path}");
}

/// Of all rooms, in the collector as it runs.
#[tokio::test]
async fn every_path_that_is_described_is_there() {
    let collector = Collector::start(Settings::default());
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = format!("{}?x=1", path.replace("{traceId}", "0"));
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let answer = collector.ask(request.body(Body::from("[]")).unwrap()).await;
            assert!(![404, 405].contains(&answer.status.as_u16()), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn live_events_are_as_described() {
    let document = document();
    let schema = resolve(&document, "#/components/schemas/LiveTrace");
    for part in parts() {
        let event = serde_json::to_value(crate::collector::query::shapes::live(&part)).unwrap();
        assert_eq!(faults(&document, schema, &event), Vec::<String>::new());
    }
    assert_ne!(faults(&document, schema, &json!({})), Vec::<String>::new());
}
