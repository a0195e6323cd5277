//! Collectors take turns at writing.
//!
//! Owns: the table that only one can make at a time. Whoever finds the same one there for [`STALE`] takes its maker for dead. Refuses: to be more than that: a
//! maker that was only very slow comes back to find its rows beside another's, which reading tells apart.

use std::time::{Duration, Instant};

use super::Shared;
use super::error::{Fault, unavailable};
use super::read::first;

/// How long a turn may take. Far below [`STALE`].
const LONGEST: Duration = Duration::from_secs(25);
/// After this a turn is over, whatever became of who had it.
const STALE: Duration = Duration::from_secs(40);
/// Between two looks.
const PAUSES_MS: [u64; 4] = [2, 5, 10, 20];

/// A turn. It has to be [ended](Turn::end).
pub(super) struct Turn<'s> {
    shared: &'s Shared,
    holder: u64,
    began: Instant,
    _ours: tokio::sync::MutexGuard<'s, ()>,
}

impl<'s> Turn<'s> {
    /// Waits for it.
    pub(super) async fn take(shared: &'s Shared) -> Result<Self, Fault> {
        let ours = shared.turn.lock().await;
        let holder = holder();
        let (mut seen, mut since) = (None, Instant::now());
        for pause in PAUSES_MS.into_iter().chain(std::iter::repeat(50)) {
            let sql = "CREATE TABLE stain_lock ENGINE = Memory AS SELECT toUInt64(?) AS holder";
            match shared.client.query(sql).bind(holder).execute().await.map_err(Fault::from) {
                Ok(()) => break,
                Err(fault) if fault.is_there_already() => {}
                Err(fault) => return Err(fault),
            }
            let now = current(shared).await;
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > STALE {
                shared.client.query("DROP TABLE IF EXISTS stain_lock").execute().await?;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(Self { shared, holder, began: Instant::now(), _ours: ours })
    }

    /// Whether there is time left in it.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.began.elapsed() < LONGEST {
            return Ok(());
        }
        Err(Fault::Store(unavailable(format!("writing took longer than {} s", LONGEST.as_secs()))))
    }

    /// Lets others.
    pub(super) async fn end(self) -> Result<(), Fault> {
        if current(self.shared).await == Some(self.holder) {
            self.shared.client.query("DROP TABLE IF EXISTS stain_lock").execute().await?;
        }
        Ok(())
    }
}

/// Who has it.
async fn current(shared: &Shared) -> Option<u64> {
    first(shared.client.query("SELECT holder FROM stain_lock")).await.ok().flatten()
}

/// A number that no other turn has.
fn holder() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}
