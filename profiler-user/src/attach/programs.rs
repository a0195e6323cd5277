//! Which of the kernel programs a site needs, and those that are loaded.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use aya::Ebpf;
use aya::programs::{Program, UProbe};
use profiler_common::{ProbeSpec, Role};

use super::error::AttachError;
use super::links::Backend;
use super::object::Linked;

/// The kernel programs, by what a site has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One record with one key.
    Plain,
    /// Scopes, branches, further keys, attributes, or the batch that a record is put into.
    Journey,
    /// A whole batch.
    Batch,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Plain, Self::Journey, Self::Batch];

    /// The program that a site needs.
    pub(super) const fn of(spec: &ProbeSpec) -> Self {
        if spec.flags & ProbeSpec::KEY_IS_BATCH != 0 {
            Self::Batch
        } else if spec.flags & ProbeSpec::IS_SPECIAL != 0 || spec.role > Role::Save as u8 {
            Self::Journey
        } else {
            Self::Plain
        }
    }

    /// Names of the program for an instruction that was reached, and for a function with a trampoline that returned.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("stain_entry", "stain_return"),
            Self::Journey => ("stain_journey", "stain_journey_r"),
            Self::Batch => ("stain_batch", "stain_batch_r"),
        }
    }
}

/// What is loaded, each when the first site needs it: a kernel that refuses one of them still takes the sites of the others, and no time goes into
/// verifying what no site needs.
#[derive(Debug)]
pub(super) struct Programs {
    backend: Backend,
    /// What is to be loaded for `uprobe_multi` links; nothing for perf events.
    linked: Option<[Linked; Kind::ALL.len()]>,
    multi: [Option<OwnedFd>; Kind::ALL.len()],
}

impl Programs {
    /// Nothing is loaded yet. While aya has all maps of the object still.
    ///
    /// # Errors
    /// When the object lacks a program.
    pub(super) fn new(backend: Backend, ebpf: &Ebpf) -> Result<Self, AttachError> {
        let linked = match backend {
            Backend::Multi => Some(Linked::of(ebpf, Kind::ALL.map(|kind| kind.names().0))?),
            Backend::Perf => None,
        };
        Ok(Self { backend, linked, multi: [None, None, None] })
    }

    pub(super) const fn backend(&self) -> Backend {
        self.backend
    }

    /// Loads the program of this kind, unless it is.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub(super) fn load(&mut self, ebpf: &mut Ebpf, kind: Kind) -> Result<(), AttachError> {
        let (entry, at_return) = kind.names();
        let linked = self.linked.as_ref().and_then(|linked| linked.get(kind as usize));
        match (linked, self.multi.get_mut(kind as usize)) {
            (Some(linked), Some(place @ None)) => *place = Some(linked.load()?),
            (None, _) => {
                for name in [entry, at_return] {
                    let program = uprobe(ebpf, name)?;
                    if program.fd().is_err() {
                        program.load().map_err(|error| super::kernel::program_error(name, error))?;
                    }
                }
            }
            (Some(_), _) => {}
        }
        Ok(())
    }

    /// The program of this kind for `uprobe_multi` links.
    ///
    /// # Errors
    /// When it was not loaded.
    pub(super) fn multi(&self, kind: Kind) -> Result<BorrowedFd<'_>, AttachError> {
        let program = self.multi.get(kind as usize).and_then(Option::as_ref);
        program.map(OwnedFd::as_fd).ok_or_else(|| missing(kind.names().0))
    }
}

/// The program of this kind for perf events.
///
/// # Errors
/// When the object has none.
pub(super) fn perf(ebpf: &mut Ebpf, kind: Kind, at_return: bool) -> Result<&mut UProbe, AttachError> {
    let (entry, returning) = kind.names();
    uprobe(ebpf, if at_return { returning } else { entry })
}

fn uprobe<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut UProbe, AttachError> {
    match ebpf.program_mut(name) {
        Some(Program::UProbe(program)) => Ok(program),
        _ => Err(missing(name)),
    }
}

fn missing(name: &str) -> AttachError {
    AttachError::Load(format!("it has no program `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::{Kind, ProbeSpec, Role};

    #[test]
    fn a_program_for_each_kind_of_site() {
        let of = |role: Role, flags| Kind::of(&ProbeSpec { role: role as u8, flags, ..ProbeSpec::default() });
        assert_eq!(of(Role::Start, ProbeSpec::HAS_TASK | ProbeSpec::HAS_PREDICATE), Kind::Plain);
        assert_eq!(of(Role::Save, 0), Kind::Plain);
        assert_eq!(of(Role::Stamp, ProbeSpec::HAS_ALSO), Kind::Journey);
        assert_eq!(of(Role::Leave, 0), Kind::Journey);
        assert_eq!(of(Role::Finish, ProbeSpec::KEY_IS_BATCH | ProbeSpec::HAS_BATCH), Kind::Batch);
    }
}
