//! The product's own probes on a target, without the agent around them.
//!
//! Owns: the plan of the six stages, the loaded kernel program, and giving finished slots back between rounds.

use anyhow::{Context as _, Result};
use profiler_common::Config;
use profiler_common::config::SequenceMode;
use profiler_common::slot::SlotState;
use profiler_common::{Handle, limits};
use profiler_user::agent::Resolver;
use profiler_user::attach::{Backend, Grace, Kernel, Links, Settings, wall_offset_ns};
use profiler_user::plan::Site;
use profiler_user::spec::{self, Overrides};

use crate::micro::Micro;

/// A rate that no benchmark's sequence reaches: every record is counted and none is sampled.
pub(crate) const NEVER: u64 = 1 << 62;

/// Room for the traces of one round.
pub(crate) const SLOTS: u32 = 1 << 15;

/// The target's stages.
const STAGES: [(&str, &str); 6] = [
    ("S0", "stage_emit"),
    ("Q+", "stage_put"),
    ("Q-", "stage_take"),
    ("T+", "stage_enter"),
    ("T-", "stage_done"),
    ("W!", "stage_written"),
];

/// The functions of the six stages.
pub(crate) fn functions() -> [&'static str; 6] {
    STAGES.map(|(_, function)| function)
}

/// Where the plan puts the probes of the six stages, in their order.
pub(crate) fn plan(micro: &Micro) -> Result<Vec<Site>> {
    plan_with(micro, "", &[])
}

/// The same where some stages have lines of their own instead of `key = "arg0"`; `sampling` are those of that table.
pub(crate) fn plan_with(micro: &Micro, sampling: &str, own: &[(&str, &str)]) -> Result<Vec<Site>> {
    let mut text = format!("[target]\npid = {}\n[sampling]\n{sampling}\n", micro.pid());
    for (code, function) in STAGES {
        let lines = own.iter().find(|(stage, _)| *stage == code).map_or("key = \"arg0\"", |(_, lines)| lines);
        text.push_str(&format!("[[stage]]\ncode = \"{code}\"\npoint = \"{function}\"\n{lines}\n"));
    }
    let spec = spec::load(Some(("bench", &text)), &Overrides::default())?;
    let sites = Resolver::default().sites(&spec, micro.pid())?;
    anyhow::ensure!(sites.len() == STAGES.len(), "{} sites for {} stages", sites.len(), STAGES.len());
    Ok(sites)
}

/// The same site at the first instruction of its function: where one would put a probe without looking.
pub(crate) fn at_entry(site: &Site) -> Site {
    let mut site = site.clone();
    site.offset.0 -= std::mem::take(&mut site.function_offset);
    site
}

/// What all have in common.
fn config() -> Config {
    let wall_offset_ns = wall_offset_ns();
    Config {
        wall_offset_ns,
        window_phase_ns: wall_offset_ns % 1_000_000_000,
        sequence: SequenceMode::Task as u32,
        budget: limits::MAX_BUDGET,
        max_entries: 32,
        slots: SLOTS,
        max_keys: 1,
        ..Config::default()
    }
}

/// Probes that are set until this is dropped.
pub(crate) struct Stain {
    kernel: Kernel,
    _links: Links,
    config: Config,
}

impl Stain {
    /// Loads the kernel program and sets its probes.
    pub(crate) fn attach(micro: &Micro, sites: &[Site], rate: u64, backend: Option<Backend>) -> Result<Self> {
        let config = Config { rate, ..config() };
        Self::load(micro, sites, &Settings { backend, ..Settings::plain(config) })
    }

    /// The same with room for all that journeys may have.
    pub(crate) fn attach_journeys(micro: &Micro, sites: &[Site], rate: u64, by_key: bool) -> Result<Self> {
        let config = Config {
            rate,
            by_key: u32::from(by_key),
            max_keys: limits::MAX_KEYS,
            max_branches: limits::MAX_BRANCHES,
            max_members: limits::MAX_MEMBERS,
            max_extras: 8,
            max_attributes: 4,
            ..config()
        };
        let journeys = Settings {
            predicates: true,
            more: true,
            scope_threads: 64,
            batches: 1024,
            ..Settings::plain(config)
        };
        Self::load(micro, sites, &journeys)
    }

    fn load(micro: &Micro, sites: &[Site], settings: &Settings) -> Result<Self> {
        let probes = sites.iter().map(|site| site.probe + 1).max().unwrap_or(1);
        let (settings, config) = (Settings { probes, ..settings.clone() }, settings.config);
        let mut kernel = Kernel::load(&settings)?;
        for site in sites {
            kernel.set_probe(site)?;
        }
        let links = kernel.attach(micro.pid(), 1, sites)?;
        Ok(Self { kernel, _links: links, config })
    }

    /// Samples one record in so many from now on.
    pub(crate) fn set_rate(&mut self, rate: u64) -> Result<()> {
        self.config.rate = rate;
        self.kernel.set_rate(rate);
        Ok(())
    }

    /// Gives all finished slots back; says how many there were.
    pub(crate) fn harvest(&mut self) -> Result<u64> {
        self.kernel.drain_notices(|_, _| {});
        Grace::detect().wait();
        let mut harvested = 0;
        for slot in 0..SLOTS {
            let header = self.kernel.shared().header(slot).context("a slot is missing")?;
            if SlotState::from_code(header.state) == Some(SlotState::Finished) {
                self.kernel.shared().release(Handle(header.handle));
                harvested += 1;
            }
        }
        Ok(harvested)
    }
}
