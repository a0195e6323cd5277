//! What a probe costs on this machine, and whether this kernel can be trusted with five-byte nops: found by trying, in a child process of our own.
//!
//! Owns: the specimens, the child that runs them, and the self-test of the red zone. Refuses: touching any process but that child, and
//! going by a kernel's version. A child that a kernel fault destroys is a finding, never the end of the agent.

mod child;
mod measure;
mod serve;
mod specimen;

use std::path::Path;

pub use child::{CHILD_ARGUMENT, Silence};
pub use serve::child_main;
pub use specimen::Specimen;

use crate::attach::AttachError;
use crate::plan::{Costs, KernelTraits};

/// What a five-byte nop under a probe did to the red zone of the function around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedZone {
    /// Nothing.
    Intact,
    /// It destroyed what the function kept there: a program with such a probe would compute nonsense or crash.
    Damaged {
        /// Calls in which something was damaged.
        calls: u64,
        /// Calls altogether.
        of: u64,
        /// Words of eight bytes that were damaged, in all calls.
        words: u64,
    },
    /// The child died of it, or was not heard of any more; here is how.
    Silent(String),
    /// Not tried.
    Unknown,
}

impl RedZone {
    fn of(answer: Result<[u64; 2], Silence>, of: u32) -> Self {
        match answer {
            Ok([0, _]) => Self::Intact,
            Ok([words, calls]) => Self::Damaged { calls, of: u64::from(of), words },
            Err(silence) => Self::Silent(silence.to_string()),
        }
    }
}

/// What was found out of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibrated {
    /// Prices. That of an optimised nop is that of an emulated instruction where such a nop may not be probed.
    pub costs: Costs,
    /// What the plan must know of the kernel.
    pub kernel: KernelTraits,
    /// What the self-test of the five-byte nop saw.
    pub red_zone: RedZone,
}

impl Calibrated {
    /// What to go by where nothing could be measured: prices of another machine, and a kernel of which nothing good is known.
    #[must_use]
    pub fn assumed() -> Self {
        Self { costs: Costs::default(), kernel: KernelTraits::default(), red_zone: RedZone::Unknown }
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// There are no specimens for this machine's instruction set.
    #[error("costs of probes cannot be measured on {} yet", std::env::consts::ARCH)]
    Unsupported,
    /// The kernel program could not be loaded or a probe not be set.
    #[error("costs of probes cannot be measured: {0}")]
    Attach(#[from] AttachError),
    /// The child process gave no figures.
    #[error("costs of probes cannot be measured in a child process: {0}")]
    Child(#[source] Silence),
}

/// Measures what probes cost here, and puts the five-byte nop to the test: some 100 ms. `exe` is this very program: `exe probe-specimens` must run [`child_main`].
///
/// # Errors
/// When the machine is not x86-64, when privileges are missing, or when the child gives no answer; [`Calibrated::assumed`] is what is left then.
pub fn calibrate(exe: &Path) -> Result<Calibrated, CalibrateError> {
    if Specimen::Emulated.address().is_none() {
        return Err(CalibrateError::Unsupported);
    }
    measure::run(exe)
}

#[cfg(test)]
mod tests {
    use super::{RedZone, Silence};

    #[test]
    fn only_an_untouched_red_zone_is_intact() {
        assert_eq!(RedZone::of(Ok([0, 0]), 9), RedZone::Intact);
        assert_eq!(RedZone::of(Ok([4, 2]), 9), RedZone::Damaged { calls: 2, of: 9, words: 4 });
        assert_eq!(RedZone::of(Err(Silence::Died), 9), RedZone::Silent("it died".to_owned()));
    }
}
