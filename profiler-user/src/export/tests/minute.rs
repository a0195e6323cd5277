//! A destination that fails for a minute, by a clock that is driven: how often it is asked meanwhile, and that nothing is lost.

use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use crate::export::courier::{Attempt, Courier, Verdict};
use crate::export::store::{Batch, Spool, Store};
use crate::sink::counts::Counts;

/// Traces a second, as by default, and in a batch.
const RATE: u64 = 50;

/// One step of the clock.
const STEP: Duration = Duration::from_millis(50);

#[test]
fn a_minute_of_failures_loses_nothing() {
    for seed in 0..20 {
        let folder = TempDir::new().unwrap();
        let mut store = Store::new(Some(Spool::open(folder.path(), 64 << 20).unwrap()), 0);
        let mut courier = Courier::new(seed);
        let (mut now, mut received, mut tries, mut taken) = (Duration::ZERO, 0, 0, Vec::new());
        let fails_until = Duration::from_secs(60);
        let ends = Duration::from_secs(120);
        while now < ends {
            if now.subsec_millis() == 0 && now < fails_until {
                received += RATE;
                let body = Bytes::from(now.as_secs().to_string());
                assert!(store.push(Batch { traces: RATE, body }).is_none());
            }
            while courier.not_before() <= now
                && let Some(batch) = store.take()
            {
                let fails = now < fails_until;
                tries += u32::from(fails);
                let attempt = if fails {
                    Attempt::Retry { reason: "500".to_owned(), after: None }
                } else {
                    Attempt::Accepted
                };
                match courier.note(now, &attempt).0 {
                    Verdict::Again => store.again(batch),
                    Verdict::Done => {
                        taken.push(String::from_utf8(batch.batch.body.to_vec()).unwrap());
                        store.sent(&batch);
                    }
                    Verdict::SetAside => panic!("nobody refused it"),
                }
            }
            let counts = store.counts(received, 0);
            assert_eq!(counts.check(), Ok(()), "{counts}");
            now += STEP;
        }
        let counts = store.counts(received, 0);
        assert_eq!(counts, Counts { received: 60 * RATE, sent: 60 * RATE, ..Counts::default() });
        // In the order in which they came, each once.
        assert_eq!(taken, (0..60).map(|second: u64| second.to_string()).collect::<Vec<_>>());
        // 250 ms, doubling to 30 s, each with up to half of it less.
        assert!((7..=10).contains(&tries), "{tries} tries");
    }
}
