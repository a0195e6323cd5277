//! Statistics, heat map, bottlenecks, outliers.

use serde_json::{Value, json};

use super::{router, told};
use crate::collector::model::Part;
use crate::collector::query::testing::{START_MS, ask, later, part};

/// The range of half an hour from the first journeys on.
const RANGE: &str = "fromMs=1700000000000&toMs=1700001800000";

/// Journeys every `every_ms` for `minutes`, whose waits are told by the minute.
fn load(minutes: i64, every_ms: i64, wait_ms: impl Fn(i64) -> i64) -> Vec<Part> {
    let journeys = minutes * 60_000 / every_ms;
    let journey = |id: i64| {
        let ms = id * every_ms;
        let wait = wait_ms(ms / 60_000) * 1_000_000;
        let text = format!(
            "S0@0 Q+@100000 Q-@{} T+@{} T-@{} W!@{}",
            wait + 100_000,
            wait + 110_000,
            wait + 1_110_000,
            wait + 1_310_000
        );
        later(part(id as u64, &text), ms)
    };
    (0..journeys).map(journey).collect()
}

#[tokio::test]
async fn figures_are_by_hop_in_the_order_of_the_pipeline() {
    let (router, _) = router(load(5, 1000, |_| 10));
    let (status, stats) = ask(&router, &format!("/api/v1/stats?{RANGE}&bucketMs=60000")).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&stats["fromMs"], &stats["toMs"], &stats["bucketMs"], &stats["precision"]),
        (&json!(START_MS), &json!(START_MS + 1_800_000), &json!(60_000), &json!(0.008))
    );
    let series = stats["series"].as_array().unwrap();
    let hops: Vec<&str> = series.iter().map(|series| series["hop"].as_str().unwrap()).collect();
    assert_eq!(hops, ["end to end", "S0 -> Q+", "Q+ -> Q-", "Q- -> T+", "T+ -> T-", "T- -> W!"]);
    let wait = &series[2];
    assert_eq!(
        (&wait["from"], &wait["to"], &wait["cause"], &wait["member"]),
        (&json!({"code": 2, "name": "Q+"}), &json!({"code": 3, "name": "Q-"}), &json!("queue"), &json!(null))
    );
    assert_eq!(
        (&wait["total"]["count"], &wait["total"]["meanNs"], &wait["total"]["maxNs"]),
        (&json!(300), &json!(10_000_000), &json!(10_000_000))
    );
    let near = wait["total"]["p99Ns"].as_i64().unwrap();
    assert!((near - 10_000_000).abs() <= 80_000, "{near}");
    let buckets = wait["buckets"].as_array().unwrap();
    let counts: u64 = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
    // 1700000000 is twenty seconds into a minute.
    assert_eq!((counts, buckets.len(), &buckets[0]["fromMs"]), (300, 6, &json!(START_MS - 20_000)));
    assert_eq!((&series[0]["from"], &series[0]["cause"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn figures_are_by_task_host_and_table() {
    let mut parts = load(1, 1000, |_| 10);
    for (at, part) in parts.iter_mut().enumerate() {
        part.host = format!("db{}", at % 2);
        part.table = (at % 3 == 0).then(|| "db.orders".to_owned());
    }
    let (router, _) = router(parts);
    let count = |stats: &Value, hop: &str, member: &str| {
        let series = stats["series"].as_array().unwrap();
        let found = series.iter().find(|series| series["hop"] == hop && series["member"] == member);
        found.map_or(0, |series| series["total"]["count"].as_u64().unwrap())
    };
    let of = async |query: &str| ask(&router, &format!("/api/v1/stats?{RANGE}&{query}")).await.1;
    let hosts = of("group=host").await;
    assert_eq!((count(&hosts, "end to end", "db0"), count(&hosts, "T+ -> T-", "db1")), (30, 30));
    assert_eq!(hosts["bucketMs"], 300_000);
    let one = of("group=host&member=db0").await;
    assert_eq!((count(&one, "end to end", "db0"), count(&one, "end to end", "db1")), (30, 0));
    assert_eq!(count(&of("group=task").await, "T+ -> T-", "4304"), 60);
    assert_eq!(count(&of("tableId=db.orders").await, "end to end", "db.orders"), 20);
    assert_eq!(of("jobId=8").await["series"], json!([]));
    for (query, message) in [
        ("group=all", "group is `all`; it has to be task, host or table"),
        ("member=1", "member is of no group; add group=task, host or table, or leave it out"),
        (
            "group=host&tableId=x",
            "statistics are by table or by another group, not both; leave out tableId, or group and member",
        ),
        ("bucketMs=15000", "bucketMs is 15000; it has to be a multiple of 10000"),
        ("bucketMs=5", "bucketMs is `5`; it has to be a whole number from 10000 to 2678400000"),
        (
            "toMs=9007199254740992",
            "toMs is `9007199254740992`; it has to be a whole number from 0 to 9007199254740991",
        ),
        ("fromMs=0", "fromMs and toMs are more than 31 days apart; ask for a part of that time"),
    ] {
        assert_eq!(told(&router, &format!("/api/v1/stats?{query}")).await, (400, message.to_owned()));
    }
    let message =
        "with bucketMs=10000 there would be more than 1000 buckets; take 120000 or more, or a shorter time";
    let path = format!("/api/v1/stats?fromMs={}&toMs={START_MS}&bucketMs=10000", START_MS - 86_400_000);
    assert_eq!(told(&router, &path).await, (400, message.to_owned()));
}

#[tokio::test]
async fn the_last_hour_is_what_is_meant_without_a_time() {
    let (router, _) = router(load(1, 1000, |_| 10));
    let (_, stats) = ask(&router, "/api/v1/stats").await;
    assert_eq!(
        (&stats["fromMs"], &stats["toMs"]),
        (&json!(START_MS - 1_800_000), &json!(START_MS + 1_800_000))
    );
    assert_eq!(stats["series"][0]["total"]["count"], 60);
    let (_, stats) = ask(&router, &format!("/api/v1/stats?toMs={START_MS}")).await;
    assert_eq!((&stats["fromMs"], &stats["toMs"]), (&json!(START_MS - 3_600_000), &json!(START_MS)));
}

#[tokio::test]
async fn the_heat_map_has_every_journey_in_a_cell() {
    let (router, _) = router(load(2, 1000, |minute| 10 + minute * 10));
    let (_, heat) =
        ask(&router, &format!("/api/v1/heatmap?{RANGE}&bucketMs=60000&hop=Q%2B%20-%3E%20Q-")).await;
    assert_eq!(heat["hop"], "Q+ -> Q-");
    let columns = heat["columns"].as_array().unwrap();
    let counts: Vec<u64> = columns
        .iter()
        .map(|column| column["cells"].as_array().unwrap().iter().map(|cell| cell[2].as_u64().unwrap()).sum())
        .collect();
    assert_eq!(counts, [40, 60, 20]);
    let cell = &columns[0]["cells"][0];
    assert!(cell[0].as_u64() <= Some(10_000_000) && cell[1].as_u64() > Some(10_000_000), "{cell}");
    let (_, heat) = ask(&router, &format!("/api/v1/heatmap?{RANGE}")).await;
    assert_eq!(heat["hop"], "end to end");
    let message = "hop is `queue`; it has to be `end to end`, or as in `Q+ -> Q-`".to_owned();
    assert_eq!(told(&router, "/api/v1/heatmap?hop=queue").await, (400, message));
    assert_eq!(ask(&router, "/api/v1/heatmap?hop=a%20-%3E%20b").await.1["columns"], json!([]));
}

#[tokio::test]
async fn the_worst_hop_is_told_in_words_and_since_when() {
    // Always so.
    let (chronic, _) = router(load(30, 2000, |_| 50));
    let (status, found) = ask(&chronic, &format!("/api/v1/bottlenecks?{RANGE}")).await;
    assert_eq!(status, 200);
    let sentence = found["sentence"].as_str().unwrap();
    let told = "97% of the time records wait in Q+ -> Q-: the transform behind it is either busy or takes them late, which is not known here, chronic for 30 min.";
    assert!(sentence.starts_with(told), "{sentence}");
    assert!(sentence.contains("`stain attach` beside the target tells how busy that is."), "{sentence}");
    let worst = &found["hops"][0];
    assert_eq!(
        (&worst["rank"], &worst["hop"], &worst["cause"], &worst["blame"], &worst["work"]),
        (&json!(1), &json!("Q+ -> Q-"), &json!("queue"), &json!("queue"), &json!("T+ -> T-"))
    );
    assert_eq!((&worst["course"]["kind"], &worst["trend"]), (&json!("chronic"), &json!("flat")));
    let since = worst["course"]["sinceMs"].as_i64().unwrap();
    assert!((START_MS..START_MS + 60_000).contains(&since), "{}", since - START_MS);
    let share: f64 = found["hops"].as_array().unwrap().iter().map(|hop| hop["share"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    assert_eq!(found["hops"].as_array().unwrap().len(), 5);
    // Since ten minutes.
    let (late, _) = router(load(30, 2000, |minute| if minute < 20 { 0 } else { 200 }));
    let (_, found) = ask(&late, &format!("/api/v1/bottlenecks?{RANGE}")).await;
    let worst = &found["hops"][0];
    assert_eq!(
        (&worst["hop"], &worst["course"]["kind"], &worst["course"]["isNow"]),
        (&json!("Q+ -> Q-"), &json!("transient"), &json!(true))
    );
    let since = worst["course"]["sinceMs"].as_i64().unwrap() - START_MS;
    assert!((1_050_000..=1_230_000).contains(&since), "{since}");
    assert_eq!(worst["trend"], "rising");
    // Less and less.
    let (better, _) = router(load(30, 2000, |minute| 300 - 9 * minute));
    let (_, found) = ask(&better, &format!("/api/v1/bottlenecks?{RANGE}")).await;
    let worst = &found["hops"][0];
    assert_eq!((&worst["course"]["kind"], &worst["trend"]), (&json!("improving"), &json!("falling")));
    let (_, none) = ask(&better, &format!("/api/v1/bottlenecks?{RANGE}&jobId=8")).await;
    assert_eq!(none["sentence"], "No journeys of which hops are known ended in this time.");
    assert_eq!(none["hops"], json!([]));
}

#[tokio::test]
async fn slow_tasks_and_hosts_stand_out_from_their_peers() {
    let mut parts = load(2, 1000, |_| 10);
    for (at, part) in parts.iter_mut().enumerate() {
        // Four workers, one of which takes ten times as long; it is the only one on its machine.
        let slow = at % 4 == 3;
        part.host = if slow { "db9".to_owned() } else { format!("db{}", at % 4) };
        part.entries[4].task = 5000 + at as i64 % 4;
        if slow {
            part.entries[4].ts_ns += 9_000_000;
            part.entries[5].ts_ns += 9_000_000;
        }
    }
    let (router, _) = router(parts);
    let (status, found) = ask(&router, &format!("/api/v1/outliers?{RANGE}")).await;
    assert_eq!(status, 200);
    let tasks = found["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0];
    assert_eq!(
        (&task["jobId"], &task["member"], &task["hop"], &task["count"], &task["peers"]),
        (&json!("7"), &json!("5003"), &json!("T+ -> T-"), &json!(30), &json!(3))
    );
    assert_eq!(task["name"], "thread 4304 of process 4242 on db9");
    let words = task["words"].as_str().unwrap();
    let told = "In T+ -> T-, task 5003 (thread 4304 of process 4242 on db9) is slow: ";
    assert!(words.starts_with(told) && words.contains("its 3 peers"), "{words}");
    let times = task["times"].as_f64().unwrap();
    assert!((9.8..10.2).contains(&times), "{times}");
    let hosts: Vec<(&str, &str)> = found["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| (host["member"].as_str().unwrap(), host["hop"].as_str().unwrap()))
        .collect();
    assert_eq!(hosts, [("db9", "T+ -> T-")]);
    assert_eq!(ask(&router, &format!("/api/v1/outliers?{RANGE}&jobId=8")).await.1["tasks"], json!([]));
}
