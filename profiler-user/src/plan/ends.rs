//! Where a scope that is a call ends: at the returns of the same function, and at the jumps by which it goes over into another.

use profiler_common::{ProbeSpec, Role};

use super::Trap;
use super::code::Scan;
use super::depth::Depths;
use super::error::Problem;
use super::exit::{self, Method};
use super::stage::{Draft, Work};
use super::{Class, insn};
use crate::spec::Empty;

/// The sites that close the scope, and whether the kernel's trampoline catches the return.
pub(super) struct Ends {
    pub(super) drafts: Vec<Draft>,
    pub(super) by_trampoline: bool,
}

/// The ends of the scope that a call of the function is.
pub(super) fn ends(work: &Work<'_>, scan: &Scan) -> Result<Ends, Problem> {
    if !work.known {
        return Err(Problem::ScopeReturn("no symbol says where the function is".to_owned()));
    }
    let spec = |role: Role, frame_adjust| ProbeSpec {
        role: role as u8,
        call: work.call,
        frame_adjust,
        ..ProbeSpec::default()
    };
    let leaves = |address, class, notes: &[String]| {
        Draft::instruction(address, class, notes.to_vec(), spec(Role::Leave, 0))
    };
    let tails = tails(work, scan);
    match exit::method(&work.code, scan, work.leaving, work.kernel) {
        Ok(Method::Trampoline { carrier, mut notes }) => {
            notes.insert(0, "closes the scope".to_owned());
            let leave = Draft {
                trap: Trap::Return,
                class: Class::Trampoline,
                carrier,
                ..Draft::instruction(
                    work.code.address.0,
                    carrier,
                    notes,
                    spec(Role::Leave, work.trampoline_adjust()),
                )
            };
            Ok(Ends { drafts: vec![leave], by_trampoline: true })
        }
        Ok(Method::Instructions { sites, mut notes, unseen: _ }) => {
            notes.truncate(1);
            notes.insert(0, "closes the scope".to_owned());
            let drafts = sites.into_iter().map(|(address, class)| leaves(address, class, &notes));
            Ok(Ends { drafts: drafts.chain(tails).collect(), by_trampoline: false })
        }
        // Without a verdict at its end a scope needs no end: it is over when the stack says so.
        Err(_) if !tails.is_empty() && work.keeps_empty() => Ok(Ends { drafts: tails, by_trampoline: false }),
        Err(reason) => Err(Problem::ScopeReturn(reason)),
    }
}

/// The jumps that leave the function. One that cannot carry a probe is left out: then the scope counts as left by an exception.
fn tails(work: &Work<'_>, scan: &Scan) -> Vec<Draft> {
    const NOTE: &str =
        "goes over into another function: the scope goes on there, and closes without a verdict";
    let class = |address: u64| insn::verdict(work.code.arch, work.code.from(address), work.kernel).class;
    let depths = Depths::of(&work.code, scan);
    // Where the depth is not known the stack is taken to be unwound, as before a jump into another function. The kernel program compares.
    let spec = |address| ProbeSpec {
        role: Role::Tail as u8,
        call: work.call,
        frame_adjust: depths.at(address).unwrap_or(0),
        ..ProbeSpec::default()
    };
    exit::tail_calls(&work.code, scan)
        .into_iter()
        .map(|address| (address, class(address)))
        .filter(|(_, class)| *class != Class::Refused)
        .map(|(address, class)| Draft::instruction(address, class, vec![NOTE.to_owned()], spec(address)))
        .collect()
}

impl Work<'_> {
    fn keeps_empty(&self) -> bool {
        self.subject.stage.scope.is_some_and(|scope| scope.empty == Empty::Keep)
    }
}
