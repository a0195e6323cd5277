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
    let mut text = format!("[target]\npid = {}\n", micro.pid());
    for (code, function) in STAGES {
        text.push_str(&format!("[[stage]]\ncode = \"{code}\"\npoint = \"{function}\"\nkey = \"arg0\"\n"));
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

/// Probes that are set until this is dropped.
pub(crate) struct Stain {
    kernel: Kernel,
    _links: Links,
    config: Config,
}

impl Stain {
    /// Loads the kernel program and sets its probes.
    pub(crate) fn attach(micro: &Micro, sites: &[Site], rate: u64, backend: Option<Backend>) -> Result<Self> {
        let wall_offset_ns = wall_offset_ns();
        let config = Config {
            rate,
            wall_offset_ns,
            window_phase_ns: wall_offset_ns % 1_000_000_000,
            sequence: SequenceMode::Task as u32,
            budget: limits::MAX_BUDGET,
            max_entries: 32,
            slots: SLOTS,
            max_keys: 1,
            ..Config::default()
        };
        let probes = sites.iter().map(|site| site.probe + 1).max().unwrap_or(1);
        let settings = Settings { probes, backend, ..Settings::plain(config) };
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
