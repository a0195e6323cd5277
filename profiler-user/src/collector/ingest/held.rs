//! The memory that bodies take, from their first byte until the store has what was in them: bounded for all together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What memory is counted in, bytes.
const UNIT: usize = 1024;

/// See the module.
#[derive(Clone, Debug)]
pub struct Held(Arc<Semaphore>);

/// What one request holds. Dropping it gives it back.
#[derive(Debug)]
pub struct Hold {
    held: Held,
    permits: Option<OwnedSemaphorePermit>,
    units: usize,
}

/// There is no more memory for bodies just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Held {
    /// So many bytes for all.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// For one request, which has nothing yet.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { held: self.clone(), permits: None, units: 0 }
    }
}

impl Hold {
    /// Takes what is needed to have so many bytes in all. Never waits: who waits while he holds something may wait for himself.
    ///
    /// # Errors
    /// When others have the rest.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.div_ceil(UNIT).saturating_sub(self.units);
        if more == 0 {
            return Ok(());
        }
        let count = u32::try_from(more).map_err(|_| Full)?;
        let taken = Arc::clone(&self.held.0).try_acquire_many_owned(count).map_err(|_| Full)?;
        match &mut self.permits {
            Some(permits) => permits.merge(taken),
            None => self.permits = Some(taken),
        }
        self.units += more;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Held};

    #[test]
    fn what_is_dropped_is_free_again() {
        let held = Held::new(10 << 10);
        let (mut one, mut other) = (held.hold(), held.hold());
        assert_eq!((one.grow(1), one.grow(6 << 10), other.grow(4 << 10)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((other.grow((4 << 10) + 1), one.grow(5000)), (Err(Full), Ok(())));
        drop(one);
        assert_eq!(other.grow(10 << 10), Ok(()));
        assert_eq!(held.hold().grow(1), Err(Full));
    }
}
