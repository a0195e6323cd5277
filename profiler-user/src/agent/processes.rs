//! The processes that are traced now.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use crate::attach::{Links, Sweep};
use crate::meter::TargetMeter;
use crate::target::{Identity, Image};

/// A traced process. Dropping it removes its probes.
pub(super) struct Traced {
    /// Never used twice, unlike a process id.
    pub(super) number: u32,
    pub(super) identity: Identity,
    pub(super) meter: TargetMeter,
    links: Links,
    /// The program that the probes are set in; `None` where it cannot be asked.
    image: Option<Image>,
    watch: JoinHandle<()>,
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Traced {
    /// `image` is what it ran before the probes were set. `ended` is told the number when the process ends.
    ///
    /// # Errors
    /// When the process cannot be watched: it has ended already, or descriptors have run out.
    pub(super) fn new(
        number: u32,
        identity: Identity,
        (links, image): (Links, Option<Image>),
        now_ns: u64,
        ended: Sender<u32>,
    ) -> io::Result<Self> {
        let watched = watch(identity.pid)?;
        let watch = tokio::spawn(async move {
            // Readable means ended. The channel is closed only when the session is over.
            if watched.readable().await.is_ok() {
                let _ = ended.send(number).await;
            }
        });
        Ok(Self { number, identity, meter: TargetMeter::new(identity.pid, now_ns), links, image, watch })
    }

    /// Whether it has become another program since, or has ended.
    pub(super) fn is_another_program(&self) -> bool {
        self.image.as_ref().is_some_and(Image::is_gone)
    }

    /// Probes set in it.
    pub(super) fn probes(&self) -> usize {
        self.links.probes()
    }

    /// Has other probes from now on; gives those that it had.
    pub(super) fn exchange(&mut self, links: Links) -> Links {
        std::mem::replace(&mut self.links, links)
    }

    /// See [`Links::sweep`].
    pub(super) fn sweep(&self) -> Option<Sweep> {
        self.links.sweep()
    }
}

/// A descriptor that becomes readable when the process ends: unlike its id it can never mean another process.
fn watch(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid =
        i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let descriptor = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?;
    // SAFETY: the descriptor is owned by the `AsyncFd`, which is the only one to close it, after taking it off.
    unsafe { AsyncFd::register(descriptor) }.map_err(|error| error.into_parts().1)
}
