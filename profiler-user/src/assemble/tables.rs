//! What assembly looks things up in: probe ids, process numbers, and the wall clock.

use std::collections::HashMap;

use profiler_common::{Outcome, ProbeSpec, Role, StageCode};

use crate::plan::Site;
use crate::spec::{AttributeSpec, Stage};

/// What a probe's stamp means in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It begins a trace.
    Begins,
    /// It begins a journey that branches off another.
    Branches,
    /// It lies on the way.
    Passes,
    /// It ends a trace with this outcome.
    Ends(Outcome),
}

/// What a probe stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePlace {
    /// Index of the stage in the spec; its name is looked up there, by whoever shows it.
    pub stage: usize,
    /// The stage's code.
    pub code: StageCode,
    /// What its stamp means.
    pub part: Part,
}

/// Probe id to stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeTable {
    places: Vec<Option<ProbePlace>>,
    decoders: Vec<StageDecoder>,
}

/// How the extras of one stage are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageDecoder {
    /// Its attributes, in the order of the spec.
    pub attributes: Vec<AttributeDecoder>,
    /// Nanoseconds in one unit of the record's own time.
    pub unit_ns: u64,
}

/// How an attribute that is a number is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeDecoder {
    /// It is a signed number, extended to 64 bits.
    pub is_signed: bool,
    /// What the spec calls some of its values.
    pub words: Vec<(u64, Box<str>)>,
}

impl ProbeTable {
    /// The table of a plan's sites and their spec's stages. Sites that take no stamp have no place in it.
    #[must_use]
    pub fn new(sites: &[Site], stages: &[Stage]) -> Self {
        let mut table = Self::default();
        for site in sites {
            if let Some(place) = place_of(site, stages) {
                table.set(site.probe, place);
            }
        }
        table.decoders = stages.iter().map(StageDecoder::of).collect();
        table
    }

    /// Sets what a probe stands for. Probe ids past what one attachment can hold are ignored.
    pub fn set(&mut self, probe: u32, place: ProbePlace) {
        if probe >= profiler_common::limits::MAX_PROBES {
            return;
        }
        let index = probe as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        if let Some(slot) = self.places.get_mut(index) {
            *slot = Some(place);
        }
    }

    /// Sets how extras are read, by stage.
    pub fn set_decoders(&mut self, decoders: Vec<StageDecoder>) {
        self.decoders = decoders;
    }

    /// How the extras of a stage are read.
    #[must_use]
    pub fn decoder(&self, stage: usize) -> Option<&StageDecoder> {
        self.decoders.get(stage)
    }

    /// What a probe stands for; `None` for one that takes no stamps or does not exist.
    #[must_use]
    pub fn get(&self, probe: u32) -> Option<ProbePlace> {
        self.places.get(probe as usize).copied().flatten()
    }
}

impl StageDecoder {
    fn of(stage: &Stage) -> Self {
        let attribute = |attribute: &AttributeSpec| AttributeDecoder {
            is_signed: attribute.reading.is_signed(),
            words: attribute.words.iter().map(|(number, word)| (*number, word.as_str().into())).collect(),
        };
        Self {
            attributes: stage.attributes.iter().map(attribute).collect(),
            unit_ns: stage.event_time.as_ref().map_or(1, |time| time.unit.ns()),
        }
    }
}

fn place_of(site: &Site, stages: &[Stage]) -> Option<ProbePlace> {
    let role = site.spec.role;
    let part = if role == Role::Start as u8 {
        Part::Begins
    } else if site.spec.flags & ProbeSpec::BRANCHES != 0 {
        Part::Branches
    } else if role == Role::Stamp as u8 {
        Part::Passes
    } else if role == Role::Finish as u8 {
        Part::Ends(Outcome::from_code(u32::from(site.spec.outcome))?)
    } else {
        return None;
    };
    Some(ProbePlace { stage: site.stage, code: stages.get(site.stage)?.code, part })
}

/// The wall clock, as an offset to the monotonic one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Added to the monotonic clock, gives ns since the Unix epoch.
    pub offset_ns: u64,
}

impl WallClock {
    /// Nanoseconds since the Unix epoch at a moment of the monotonic clock.
    #[must_use]
    pub const fn at(self, monotonic_ns: u64) -> u64 {
        self.offset_ns.saturating_add(monotonic_ns)
    }
}

/// The agent's process number to process id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    pids: HashMap<u32, u32>,
}

impl Processes {
    /// Remembers a process. Numbers are never reused, so an ended process stays for the traces that it left.
    pub fn set(&mut self, number: u32, pid: u32) {
        self.pids.insert(number, pid);
    }

    /// Forgets a process of which no trace can come any more.
    pub fn forget(&mut self, number: u32) {
        self.pids.remove(&number);
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self, number: u32) -> Option<u32> {
        self.pids.get(&number).copied()
    }
}

impl FromIterator<(u32, u32)> for Processes {
    fn from_iter<I: IntoIterator<Item = (u32, u32)>>(pairs: I) -> Self {
        Self { pids: pairs.into_iter().collect() }
    }
}
