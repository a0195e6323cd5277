//! What is answered, field by field.

use serde_json::json;

use super::{router, told};
use crate::collector::model::{
    Attribute, AttributeValue, Membership, PacketSeen, Part, Precision, RecordTime,
};
use crate::collector::query::testing::{START_MS, ask, later, part};
use crate::collector::store::Batch;

/// A journey that went over two machines, with a branch on the first.
fn crossing() -> Vec<Part> {
    let mut first = part(42, "S0@0 Q+@1000");
    first.outcome = "expired".to_owned();
    first.table = Some("db.orders".to_owned());
    first.attributes = vec![
        Attribute { entry: 0, name: "table".to_owned(), value: AttributeValue::Text("db.orders".to_owned()) },
        Attribute { entry: 1, name: "id".to_owned(), value: AttributeValue::Unsigned(u64::MAX) },
    ];
    // The clock there is behind by more than the way takes.
    let mut second = part(42, "Q-@-5000 T+@-4000 T-@-2000 W!@7000");
    second.host = "db2".to_owned();
    second.key.sink_task = 99;
    second.flags = vec![("late_stamps".to_owned(), 2)];
    second.batches = vec![Membership { entry: 1, key: u64::MAX, position: 3, size: Some(8) }];
    second.record_times = vec![RecordTime { entry: 3, event_ns: 5, latency_ns: -7 }];
    second.attributes = vec![Attribute { entry: 2, name: "n".to_owned(), value: AttributeValue::Signed(-3) }];
    let mut branch = part(42, "S0@0 T+@100 T-@300 W!@900");
    (branch.key.branch, branch.shared) = (2, 1);
    vec![first, second, branch]
}

#[tokio::test]
async fn a_trace_is_put_together_and_its_clocks_are_not_hidden() {
    let (router, _) = router(crossing());
    let (status, answer) = ask(&router, "/api/v1/traces/42").await;
    assert_eq!(status, 200);
    let trace = &answer["trace"];
    assert_eq!(
        *trace,
        json!({
            "traceId": "42", "sinkTaskId": "99", "jobId": "7", "tableId": "db.orders", "createdTimeMs": START_MS,
            "receivedTimeMs": START_MS + 1, "startTsMs": START_MS, "entryCount": 6, "branch": "0", "outcome": "written",
            "host": "db1", "durationNs": "7000", "partial": false, "stream": "1",
        })
    );
    let entries = answer["entries"].as_array().unwrap();
    let stages: Vec<&str> = entries.iter().map(|entry| entry["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["S0", "Q+", "Q-", "T+", "T-", "W!"]);
    let suspects: Vec<bool> = entries.iter().map(|entry| entry["clockSuspect"].as_bool().unwrap()).collect();
    assert_eq!(suspects, [false, false, true, false, false, false]);
    assert_eq!(
        entries[2],
        json!({
            "index": 2, "stage": "Q-", "code": 3, "name": null, "taskId": "4300", "tsMs": START_MS - 1,
            "tsNs": "1699999999999995000", "host": "db2", "pid": 4242, "tid": 4300, "part": 0, "clockSuspect": true,
            "workerAddress": null, "taskGroupName": null, "taskClass": null,
        })
    );
    assert_eq!(
        answer["attributes"],
        json!([
            {"entry": 0, "name": "table", "value": "db.orders"},
            {"entry": 1, "name": "id", "value": "18446744073709551615"},
            {"entry": 4, "name": "n", "value": -3},
        ])
    );
    assert_eq!(
        answer["batches"],
        json!([{"entry": 3, "key": "18446744073709551615", "position": 3, "size": 8}])
    );
    assert_eq!(answer["recordTimes"], json!([{"entry": 5, "eventNs": "5", "latencyNs": "-7"}]));
    assert_eq!(
        answer["clocks"],
        json!([{"fromHost": "db1", "toHost": "db2", "offsetNs": "-6000", "errorNs": null, "basis": "one way"}])
    );
    assert_eq!((&answer["order"], &answer["otherJobs"]), (&json!("stages"), &json!([])));
    let branch = &answer["branches"][0];
    assert_eq!(
        (&branch["branch"], &branch["parent"], &branch["shared"], &branch["sinkTaskId"]),
        (&json!("2"), &json!("0"), &json!(1), &json!("4303"))
    );
    assert_eq!(branch["entries"].as_array().unwrap().len(), 4);
    let parts = answer["parts"].as_array().unwrap();
    assert_eq!((parts.len(), &parts[0]["flags"]), (3, &json!({"late_stamps": 2})));
    assert_eq!(parts[1]["entries"][0]["part"], 1);
}

#[tokio::test]
async fn one_journey_of_a_trace_can_be_asked_for() {
    let mut other = later(part(42, "S0@0 W!@9"), -1000);
    other.key.job = "8".to_owned();
    let (router, _) = router([crossing(), vec![other]].concat());
    let (_, answer) = ask(&router, "/api/v1/traces/42?branch=2").await;
    assert_eq!((&answer["trace"]["branch"], &answer["branches"][0]["branch"]), (&json!("2"), &json!("0")));
    assert_eq!(answer["otherJobs"], json!(["8"]));
    let (_, answer) = ask(&router, "/api/v1/traces/42?sinkTaskId=4303&jobId=7").await;
    assert_eq!(answer["trace"]["branch"], "2");
    let (_, answer) = ask(&router, "/api/v1/traces/42?jobId=8").await;
    assert_eq!((&answer["trace"]["jobId"], &answer["trace"]["entryCount"]), (&json!("8"), &json!(2)));
    for (path, status, message) in [
        ("43", 404, "there is no trace 43; it did not come, or retention has removed it"),
        ("42?jobId=9", 404, "there is no trace 42 of job 9; it did not come, or retention has removed it"),
        (
            "42?branch=3",
            404,
            "there is no trace 42 with a branch 3; it did not come, or retention has removed it",
        ),
        (
            "42?sinkTaskId=1",
            404,
            "there is no trace 42 that ended in task 1; it did not come, or retention has removed it",
        ),
        ("x", 400, "`x` is no trace id; it is a whole number from 0 to 2^63-1"),
        (
            "9223372036854775808",
            400,
            "`9223372036854775808` is no trace id; it is a whole number from 0 to 2^63-1",
        ),
        ("-1", 400, "`-1` is no trace id; it is a whole number from 0 to 2^63-1"),
        ("42?task=1", 400, "`task` is no parameter here; there are jobId, sinkTaskId, branch"),
    ] {
        assert_eq!(told(&router, &format!("/api/v1/traces/{path}")).await, (status, message.to_owned()));
    }
}

#[tokio::test]
async fn an_id_that_tells_nothing_apart_is_bounded() {
    let copies = (0..1100).map(|task| {
        let mut copy = part(5, "S0@0 W!@40");
        (copy.key.sink_task, copy.entries[1].task) = (task, task);
        copy
    });
    let (router, _) = router(copies.collect());
    let (status, answer) = ask(&router, "/api/v1/traces/5").await;
    assert_eq!((status, &answer["leftOut"]), (200, &json!(100)));
    assert_eq!(answer["branches"].as_array().unwrap().len(), 999);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let parts: Vec<Part> = (0..25).map(|id| later(part(id, "S0@0 W!@40"), id as i64 / 3)).collect();
    let (router, store) = router(parts);
    let (mut seen, mut path) = (Vec::new(), "/traces?limit=7".to_owned());
    loop {
        let (status, page) = ask(&router, &path).await;
        assert_eq!((status, &page["total"]), (200, &json!(25)));
        let items = page["items"].as_array().unwrap();
        assert_eq!(page["count"], items.len());
        seen.extend(items.iter().map(|item| item["traceId"].as_str().unwrap().parse::<u64>().unwrap()));
        match page["next"].as_str() {
            Some(next) => path = format!("/traces?limit=7&cursor={next}"),
            None => break,
        }
    }
    let mut wanted: Vec<u64> = (0..25).collect();
    wanted.sort_by_key(|id| std::cmp::Reverse((id / 3, *id)));
    assert_eq!(seen, wanted);
    let (_, page) = ask(&router, "/api/v1/traces?limit=2&offset=23").await;
    assert_eq!(
        (&page["items"][0]["traceId"], &page["count"], &page["next"]),
        (&json!("1"), &json!(2), &json!(null))
    );
    store.break_with(Some("the disk is full"));
    let message = "the memory store cannot be used just now: the disk is full".to_owned();
    assert_eq!(told(&router, "/traces").await, (503, message));
}

#[tokio::test]
async fn filters_choose_and_mistakes_are_told() {
    let (router, _) = router(crossing());
    for (query, count) in [
        ("", 3),
        ("jobId=7", 3),
        ("jobId=8", 0),
        ("tableId=db.orders", 1),
        ("stage=T%2B", 2),
        ("stage=STAGE_4", 2),
        ("stage=4", 2),
        ("stage=emit", 0),
        ("outcome=expired", 1),
        ("task=4303", 2),
        ("host=db2", 1),
        ("minLatencyMs=0.001", 2),
        ("minLatencyMs=0.0011", 1),
        ("attribute=table:db.orders", 1),
        ("attribute=table:db.orders&attribute=n:-3", 0),
        ("fromMs=1700000000000&toMs=1700000000001", 3),
        ("toMs=1699999999999", 0),
    ] {
        let (status, page) = ask(&router, &format!("/traces?{query}")).await;
        assert_eq!((status, &page["total"]), (200, &json!(count)), "{query}");
    }
    for (query, message) in [
        ("limit=2001", "limit is `2001`; it has to be a whole number from 1 to 2000"),
        ("offset=-1", "offset is `-1`; it has to be a whole number from 0 to 1000000"),
        ("fromMs=2&toMs=1", "fromMs (2) is after toMs (1); exchange the two"),
        ("minLatencyMs=NaN", "minLatencyMs is `NaN`; it has to be a number of milliseconds, as in 2.5"),
        ("attribute=x", "attribute is `x`; write it as NAME:VALUE"),
        (
            "jobid=7",
            "`jobid` is no parameter here; there are jobId, tableId, fromMs, toMs, stage, outcome, task, host, minLatencyMs, attribute, limit, offset, cursor",
        ),
        (
            "cursor=AAAA",
            "cursor is not one that a collector gave as `next`; leave it out to begin at the newest",
        ),
        ("jobId=7&jobId=8", "jobId is given twice; keep one of them"),
    ] {
        assert_eq!(told(&router, &format!("/traces?{query}")).await, (400, message.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn jobs_and_agents_are_listed() {
    let (router, store) = router(crossing());
    let (_, jobs) = ask(&router, "/api/v1/jobs").await;
    let job = json!({"jobId": "7", "parts": 3, "firstMs": START_MS + 1, "lastMs": START_MS + 1});
    assert_eq!(jobs, json!({"items": [job]}));
    let packet = |packet| PacketSeen {
        job: "7".to_owned(),
        stream: u64::MAX,
        packet,
        count: 5,
        complete_ns: 1000 + packet as i64,
        discarded_kernel: 2,
        discarded_by_setting: Some(1),
        discarded_agent: 7 * (packet / 5),
        discarded_packets: packet / 5,
        discarded_in_packets: 4 * (packet / 5),
        discarded_earlier: 9 * (packet / 5),
        total: Some(5 * (packet + 1)),
        is_last: packet == 5,
        host: "db1".to_owned(),
        agent: 4242,
        version: "0.1.0".to_owned(),
        received_ms: START_MS,
        ..PacketSeen::default()
    };
    store.put(Batch { packets: vec![packet(0), packet(1), packet(5)], ..Batch::default() });
    let (status, agents) = ask(&router, "/api/v1/agents?jobId=7").await;
    assert_eq!(status, 200);
    assert_eq!(
        agents["items"],
        json!([{
            "jobId": "7", "stream": "18446744073709551615", "host": "db1", "agent": 4242, "version": "0.1.0", "target": null,
            "traces": 15, "completeUntilNs": "1001", "isWhole": false, "isEnded": true, "firstReceivedMs": START_MS, "lastReceivedMs": START_MS,
            "discardedKernel": 2, "discardedBySetting": 1, "discardedAgent": 7, "discardedPackets": 1, "discardedInPackets": 4, "discardedEarlier": 9,
            "missingPackets": 3, "givenUpPackets": 1, "unaccountedPackets": 2, "unaccountedTraces": 11, "gaps": [[2, 4]],
        }])
    );
    assert_eq!(agents["clocks"][0]["offsetNs"], "-6000");
    assert_eq!(ask(&router, "/api/v1/agents?jobId=8").await.1["items"], json!([]));
}

#[tokio::test]
async fn milliseconds_of_a_foreign_engine_are_told_as_they_are() {
    let mut foreign = part(1, "S0@0 W!@4000000");
    (foreign.host, foreign.stream, foreign.precision) = (String::new(), None, Precision::Millis);
    foreign.entries.iter_mut().for_each(|entry| (entry.pid, entry.tid) = (0, 0));
    let (router, _) = router(vec![foreign]);
    let (_, answer) = ask(&router, "/api/v1/traces/1").await;
    let entry = &answer["entries"][1];
    assert_eq!((&entry["host"], &entry["pid"], &entry["tid"]), (&json!(null), &json!(null), &json!(null)));
    assert_eq!(
        (&answer["trace"]["stream"], &answer["trace"]["durationNs"]),
        (&json!(null), &json!("4000000"))
    );
}
