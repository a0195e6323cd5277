//! Loads the kernel program, fills its maps, sets the probes, and takes all of it away again.
//!
//! Owns: every system call on BPF programs, maps and links. Dropping a [`Kernel`] or [`Links`] leaves nothing behind; so does killing the agent,
//! since the kernel closes what it held. Refuses: choosing sites, understanding stamps.

mod bare;
mod belongings;
mod clock;
mod error;
mod grace;
mod kernel;
mod links;
mod multi;
mod object;
mod pid_namespace;
mod programs;
mod settings;
mod shared;
mod sweep;
mod sys;

pub use bare::{BareProbes, bare_probes};
pub use clock::{monotonic_ns, wall_offset_ns};
pub use error::AttachError;
pub use grace::Grace;
pub use kernel::{Kernel, Settings, best_backend};
pub use links::{Backend, Links, mark_leading};
pub use multi::{MultiSupport, multi_support};
pub use object::{BPF_OBJECT, MAX_VERIFIED_INSTRUCTIONS, Verified, verify};
pub use pid_namespace::own_pid_namespace;
pub use shared::{Shared, SlotContent};
pub use sweep::Sweep;
