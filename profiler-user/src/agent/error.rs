//! Why a session could not begin or go on.

use crate::attach::AttachError;
use crate::target::TargetError;

use super::resolve::ResolveError;

/// See the messages.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The target was not found or may not be seen.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A stage point is not in the target, or cannot be probed.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The kernel refused something.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The machine refused something to the agent itself.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// The kernel program does not have what it was given.
    #[error("the kernel program did not take the change")]
    Unconfirmed,
    /// Every process of the target ended before it could be attached to.
    #[error(
        "{target} ended before it could be attached to; start it again, or name its executable to wait for it"
    )]
    Gone {
        /// What the user knows it by.
        target: String,
    },
}
