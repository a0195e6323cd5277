//! The measurement itself: the same calls without and with probes, in a child of our own.

use std::path::Path;

use profiler_common::{Base, Config, KeyRecipe, ProbeSpec, Role, Value};

use super::child::{Child, Silence};
use super::specimen::Specimen;
use super::{CalibrateError, Calibrated, RedZone};
use crate::attach::{Kernel, Links, Settings};
use crate::plan::{Class, Costs, KernelTraits, Site, Trap, UnseenExits};
use crate::symbol::{Arch, ElfAddress, FileOffset};

/// Of so many rounds the fastest counts: what is above it is other work of the machine.
const ROUNDS: u32 = 5;

/// Calls in a round, where a hit takes some 0.5 us, and where it takes some 10 us.
const CALLS: u32 = 1_000;
const STEPPED_CALLS: u32 = 100;

/// Calls of the red-zone self-test. The kernel rewrites the nop only from the second hit on.
const RED_ZONE_CALLS: u32 = 20_000;

/// Measures this machine's prices in `exe` run as a child.
pub(super) fn run(exe: &Path) -> Result<Calibrated, CalibrateError> {
    let mut kernel = Kernel::load(&settings())?;
    let mut child = Child::start(exe).map_err(CalibrateError::Child)?;
    let bare = Times::take(&mut child, &Specimen::ALL).map_err(CalibrateError::Child)?;
    let links = attach(&mut kernel, &child, exe)?;
    let measured = probed(&mut child, &bare);
    drop(child);
    // Taking probes off waits for two grace periods of the kernel, some 50 ms, and nobody waits for that: the child is gone. Where no
    // thread can be had, it is done at once.
    drop(std::thread::Builder::new().name("stain-calibrated".to_owned()).spawn(move || drop(links)));
    measured.map_err(CalibrateError::Child)
}

fn settings() -> Settings {
    // No stage is a source: nothing is ever sampled, and every hit takes the way of an unsampled record.
    let config = Config { slots: 1, max_entries: 2, ..Config::default() };
    Settings { probes: Specimen::ALL.len() as u32, ..Settings::plain(config) }
}

fn attach(kernel: &mut Kernel, child: &Child, exe: &Path) -> Result<Links, CalibrateError> {
    let sites: Vec<Site> =
        (0..).zip(child.offsets()).map(|(probe, place)| site(probe, *place, exe)).collect();
    for site in &sites {
        kernel.set_probe(site)?;
    }
    Ok(kernel.attach(child.pid(), 1, &sites)?)
}

/// A stage keyed by a register: the usual one.
fn site(probe: u32, (specimen, offset): (Specimen, FileOffset), exe: &Path) -> Site {
    let (class, trap) = match specimen {
        Specimen::Emulated | Specimen::LongNop => (Class::Emulated, Trap::Instruction),
        Specimen::Stepped => (Class::Stepped, Trap::Instruction),
        Specimen::FiveByteNop | Specimen::RedZone => (Class::OptimisedNop, Trap::Instruction),
        Specimen::Return => (Class::Trampoline, Trap::Return),
    };
    let first_argument = KeyRecipe::value(Value::of(Base::Register(7)));
    Site {
        probe,
        stage: 0,
        path: exe.to_owned(),
        file: exe.to_owned(),
        symbol: specimen.name().to_owned(),
        function: specimen.name().to_owned(),
        function_offset: 0,
        // Of a program of our own, which nobody is shown a plan of.
        address: ElfAddress(offset.0),
        offset,
        trap,
        instruction: String::new(),
        class,
        carrier: if trap == Trap::Return { Class::Emulated } else { class },
        arch: Arch::X86_64,
        notes: Vec::new(),
        unseen: UnseenExits::default(),
        spec: ProbeSpec { role: Role::Stamp as u8, key: first_argument, ..ProbeSpec::default() },
        predicate: None,
        more: None,
    }
}

/// What remains to be done once the probes are set. The red-zone test comes after all that does not depend on it: its child may not
/// survive it.
fn probed(child: &mut Child, bare: &Times) -> Result<Calibrated, Silence> {
    let safe = [Specimen::Emulated, Specimen::Stepped, Specimen::LongNop, Specimen::Return];
    let loaded = Times::take(child, &safe)?;
    let price = |specimen| loaded.price(bare, specimen);
    let (emulated_ns, stepped_ns) = (price(Specimen::Emulated), price(Specimen::Stepped));
    let mut red_zone = RedZone::of(child.red_zone(RED_ZONE_CALLS), RED_ZONE_CALLS);
    let mut optimised_nop_ns = emulated_ns;
    if red_zone == RedZone::Intact {
        match Times::take(child, &[Specimen::FiveByteNop]) {
            Ok(times) => optimised_nop_ns = times.price(bare, Specimen::FiveByteNop),
            Err(silence) => red_zone = RedZone::Silent(silence.to_string()),
        }
    }
    Ok(Calibrated {
        costs: Costs {
            emulated_ns,
            optimised_nop_ns,
            stepped_ns,
            // The specimen is carried by an emulated instruction, whose price is no part of the trampoline's.
            trampoline_ns: price(Specimen::Return).saturating_sub(emulated_ns).max(1),
        },
        kernel: KernelTraits {
            safe_five_byte_nop: red_zone == RedZone::Intact,
            emulates_long_nops: is_nearer(price(Specimen::LongNop), emulated_ns, stepped_ns),
            seccomp: false,
        },
        red_zone,
    })
}

/// Whether a price is nearer to `low` than to `high`, by ratio.
fn is_nearer(price: u64, low: u64, high: u64) -> bool {
    u128::from(price).pow(2) < u128::from(low) * u128::from(high)
}

/// The time of one call, in ns, as of the fastest round.
struct Times(Vec<(Specimen, f64)>);

impl Times {
    fn take(child: &mut Child, specimens: &[Specimen]) -> Result<Self, Silence> {
        specimens
            .iter()
            .map(|specimen| Ok((*specimen, fastest(child, *specimen)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn of(&self, specimen: Specimen) -> f64 {
        self.0.iter().find(|(other, _)| *other == specimen).map_or(0.0, |(_, ns)| *ns)
    }

    /// What a probe adds, ns. At least 1: nothing is free, and noise is no gift.
    fn price(&self, bare: &Self, specimen: Specimen) -> u64 {
        (self.of(specimen) - bare.of(specimen)).round().max(1.0) as u64
    }
}

fn fastest(child: &mut Child, specimen: Specimen) -> Result<f64, Silence> {
    let calls = if specimen == Specimen::Stepped { STEPPED_CALLS } else { CALLS };
    let mut least = u64::MAX;
    for _ in 0..ROUNDS {
        least = least.min(child.time_ns(specimen, calls)?);
    }
    Ok(least as f64 / f64::from(calls))
}

#[cfg(test)]
mod tests {
    use super::{Specimen, Times, is_nearer};

    #[test]
    fn a_price_is_a_difference_and_never_nothing() {
        let times = |emulated: f64, stepped: f64| {
            Times(vec![(Specimen::Emulated, emulated), (Specimen::Stepped, stepped)])
        };
        let (bare, loaded) = (times(1.5, 1.5), times(512.4, 1.0));
        assert_eq!(loaded.price(&bare, Specimen::Emulated), 511);
        assert_eq!(loaded.price(&bare, Specimen::Stepped), 1);
        assert_eq!(loaded.price(&bare, Specimen::Return), 1);
    }

    #[test]
    fn nearness_goes_by_ratio() {
        for (price, low, high, expected) in [
            (520, 500, 10_000, true),
            (2_200, 500, 10_000, true),
            (2_300, 500, 10_000, false),
            (9_000, 500, 10_000, false),
            (600, 500, 1_500, true),
            (1_400, 500, 1_500, false),
            (u64::MAX, u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(is_nearer(price, low, high), expected, "{price} of {low} and {high}");
        }
    }
}
