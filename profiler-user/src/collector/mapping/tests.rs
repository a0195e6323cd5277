//! An engine that answers, one that is slow, one that is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::{Engine, MAX_JOBS, Mapping, TTL};
use crate::collector::query::testing::part;

/// What the engine does, and how often it was asked.
#[derive(Default)]
struct Told {
    asked: AtomicU64,
    slow_ms: AtomicU64,
    status: AtomicU64,
}

async fn tasks(State(told): State<Arc<Told>>, Path(job): Path<String>) -> (StatusCode, String) {
    let asked = told.asked.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(told.slow_ms.load(Ordering::SeqCst))).await;
    let status = u16::try_from(told.status.load(Ordering::SeqCst)).unwrap();
    let item = format!(r#"{{"taskId":"4301","worker":"w{asked}","taskGroupName":"{job}","taskClass":"C"}}"#);
    (StatusCode::from_u16(status).unwrap(), format!(r#"{{"items":[{item}]}}"#))
}

async fn engine(told: &Arc<Told>) -> Engine {
    told.status.store(200, Ordering::SeqCst);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let route = "/hazelcast/rest/maps/trace/task-mapping/{job}";
    let router = Router::new().route(route, get(tasks)).with_state(Arc::clone(told));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Engine::new(&format!("http://{address}")).unwrap()
}

async fn worker(mapping: &Arc<Mapping>, job: &str) -> Option<String> {
    mapping.engine_names(job, &[4301, 4302].into()).await.remove(&4301)?.worker
}

/// Asks until the engine said so: it is asked in the background.
async fn until(mapping: &Arc<Mapping>, job: &str, wanted: &str) {
    for _ in 0..600 {
        if worker(mapping, job).await.as_deref() == Some(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{job} never had {wanted}");
}

/// Makes what is known old.
fn age(mapping: &Mapping, job: &str) {
    if let Some(known) = mapping.inner().jobs.get_mut(job) {
        known.asked = known.asked.and_then(|asked| asked.checked_sub(TTL));
    }
}

#[tokio::test]
async fn an_answer_holds_and_is_kept_while_there_is_no_new_one() {
    let told = Arc::<Told>::default();
    let mapping = Mapping::new(Some(engine(&told).await));
    until(&mapping, "7", "w0").await;
    assert_eq!((worker(&mapping, "7").await.as_deref(), told.asked.load(Ordering::SeqCst)), (Some("w0"), 1));
    assert_eq!(mapping.describe("7", 4301).as_deref(), Some("subtask 4301 of vertex 0, C on w0"));
    // It fails: what is known is given, and it is not asked again and again.
    told.status.store(500, Ordering::SeqCst);
    age(&mapping, "7");
    for _ in 0..5 {
        assert_eq!(worker(&mapping, "7").await.as_deref(), Some("w0"));
    }
    while mapping.trouble("7").is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        mapping.trouble("7").as_deref(),
        Some("the engine answered 500 when it was asked for its tasks")
    );
    assert_eq!((worker(&mapping, "7").await.as_deref(), told.asked.load(Ordering::SeqCst)), (Some("w0"), 2));
    told.status.store(200, Ordering::SeqCst);
    age(&mapping, "7");
    until(&mapping, "7", "w2").await;
    assert_eq!(mapping.trouble("7"), None);
}

#[tokio::test]
async fn a_slow_engine_holds_a_question_up_for_a_moment_only() {
    let told = Arc::<Told>::default();
    let mapping = Mapping::new(Some(engine(&told).await));
    told.slow_ms.store(3_600_000, Ordering::SeqCst);
    // As long as the engine may take is 10 s: none of these comes near.
    let asked = tokio::time::timeout(Duration::from_secs(9), worker(&mapping, "7")).await;
    assert_eq!(asked.unwrap(), None);
    assert_eq!(Mapping::new(None).engine_names("7", &[1].into()).await.len(), 0);
}

#[tokio::test]
async fn an_engine_that_is_gone_and_a_job_of_no_engine_are_told() {
    let mapping = Mapping::new(Some(Engine::new("http://127.0.0.1:1").unwrap()));
    for (job, reason) in [("7", "no connection"), ("../x", "is no id of an engine's job")] {
        while mapping.trouble(job).is_none() {
            assert_eq!(worker(&mapping, job).await, None);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(mapping.trouble(job).unwrap().contains(reason));
    }
}

#[tokio::test]
async fn jobs_and_tasks_are_bounded() {
    let told = Arc::<Told>::default();
    let mapping = Mapping::new(Some(engine(&told).await));
    for job in 0..MAX_JOBS + 20 {
        until(&mapping, &job.to_string(), &format!("w{job}")).await;
    }
    assert!(mapping.inner().jobs.len() <= MAX_JOBS);
    let mut one = part(1, "S0@0 W!@5");
    for task in 0..40_000 {
        one.entries[0].task = task;
        mapping.learn(std::slice::from_ref(&one));
    }
    assert_eq!(mapping.describe("7", 39_999).as_deref(), Some("thread 4300 of process 4242 on db1"));
    assert_eq!((mapping.describe("7", 5), mapping.describe("8", 39_999)), (None, None));
}
