//! The BPF object: loading its maps by aya, and getting at its instructions for what aya 0.14 cannot load.

use std::borrow::Cow;
use std::collections::HashSet;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{LazyLock, Mutex, PoisonError};

use aya::maps::{Map, MapData};
use aya::{Ebpf, EbpfError, EbpfLoader};
use aya_obj::Object;
use aya_obj::generated::bpf_insn;
use profiler_common::Config;
use profiler_common::limits::{MAX_OPEN_CALLS, MAX_REFUSED};

use super::error::AttachError;
use super::kernel::Settings;
use super::sys;

/// The compiled kernel program.
pub static BPF_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/stain.bpf.o"));

/// Bytes of verifier log asked for when a program is refused, and how many of its last ones are shown.
const LOG_BYTES: usize = 1 << 20;
const LOG_SHOWN: usize = 8 << 10;

/// One loader for all loads. Making one parses the kernel's type information, for relocations that our object has none of: 20 MB and 45 ms, which we take
/// once (aya 0.14 has no way around it) and give back at once.
static LOADER: LazyLock<Mutex<EbpfLoader<'static>>> = LazyLock::new(|| {
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    crate::target::cache::give_memory_back();
    Mutex::new(loader)
});

/// A log level as a global that outlives the loader.
fn log_levels(level: u8) -> &'static u8 {
    static LEVELS: [u8; 6] = [0, 1, 2, 3, 4, 5];
    LEVELS.get(usize::from(level)).unwrap_or(&LEVELS[5])
}

/// Loads the object's maps with the sizes that the settings need.
pub(super) fn load(settings: &Settings) -> Result<Ebpf, AttachError> {
    let Settings { config, probes, predicates, more, scope_threads, batches, log_level, backend: _ } =
        settings;
    let of_slots = |each: u32| config.slots.saturating_mul(each).max(1);
    let probes = (*probes).max(1);
    let cpus = aya::util::nr_cpus().map_or(1, |cpus| u32::try_from(cpus).unwrap_or(u32::MAX));
    let mut loader = LOADER.lock().unwrap_or_else(PoisonError::into_inner);
    loader
        .map_max_entries("PROBES", probes)
        .map_max_entries("PROBE_COUNTS", probes)
        .map_max_entries("PREDICATES", if *predicates { probes } else { 1 })
        .map_max_entries("SLOTS", config.slots)
        .map_max_entries("FREE", config.slots)
        .map_max_entries("ENTRIES", of_slots(config.max_entries))
        .map_max_entries("EXTRAS", of_slots(config.max_extras))
        .map_max_entries("BINDINGS", of_slots(config.max_keys))
        // Twice the keys: a hash map that is never more than half full neither refuses nor crowds.
        .map_max_entries("IN_FLIGHT", of_slots(config.max_keys.saturating_mul(2)))
        .map_max_entries("MORE", if *more { probes } else { 1 })
        .map_max_entries("SCOPES", (*scope_threads).max(1))
        .map_max_entries("BATCHES", (*batches).max(1))
        .map_max_entries("REFUSED", if config.by_key != 0 { MAX_REFUSED } else { 1 })
        // Each CPU keeps some elements of this kind of map for itself: too small a map would forget calls that are open.
        .map_max_entries("CALLS", MAX_OPEN_CALLS.max(cpus.saturating_mul(512)))
        .override_global("AYA_LOG_LEVEL", log_levels(*log_level), true)
        .load(BPF_OBJECT)
        .map_err(|error| load_error(&error))
}

fn load_error(error: &EbpfError) -> AttachError {
    let text = chain(error);
    if text.contains("Operation not permitted") || text.contains("Permission denied") {
        return AttachError::Permission { what: "create BPF maps".to_owned() };
    }
    AttachError::Load(text)
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The data of a map, whatever its kind.
pub(super) fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

/// The descriptor of a map.
pub(super) fn map_fd<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<BorrowedFd<'a>, AttachError> {
    let data = ebpf.map(name).and_then(data).ok_or(AttachError::Map(name))?;
    Ok(data.fd().as_fd())
}

/// A program that carries probes, linked to the object's maps, to be loaded in the form that `uprobe_multi` links want.
#[derive(Debug)]
pub(super) struct Linked {
    name: &'static str,
    instructions: Vec<bpf_insn>,
    license: String,
}

impl Linked {
    /// Those programs of the object. While aya has all its maps still: a map that was taken out is not found any more.
    ///
    /// # Errors
    /// When the object does not hold them.
    pub(super) fn of<const N: usize>(
        ebpf: &Ebpf,
        names: [&'static str; N],
    ) -> Result<[Self; N], AttachError> {
        let object = linked(ebpf)?;
        let mut programs = Vec::with_capacity(N);
        for name in names {
            let (instructions, license) = code(&object, name)?;
            programs.push(Self { name, instructions: instructions.to_vec(), license: license.into_owned() });
        }
        programs.try_into().map_err(|_| AttachError::Load("it lacks programs".to_owned()))
    }

    /// Loads it.
    ///
    /// # Errors
    /// When the kernel refuses it, with the verifier's words.
    pub(super) fn load(&self) -> Result<OwnedFd, AttachError> {
        let Self { name, instructions, license } = self;
        sys::load_multi(name, instructions, license, None).or_else(|_| {
            // Again with a log: only now is it worth its memory.
            let mut log = vec![0u8; LOG_BYTES];
            sys::load_multi(name, instructions, license, Some((&mut log, sys::LOG_ALL))).map_err(|error| {
                if matches!(error.raw_os_error(), Some(libc::EPERM)) {
                    return AttachError::Permission { what: "load BPF programs".to_owned() };
                }
                AttachError::Verifier {
                    program: (*name).to_owned(),
                    reason: error.to_string(),
                    log: tail(&log),
                }
            })
        })
    }
}

/// What the verifier had to do to accept a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Instructions that it walked. The kernel's limit is a million.
    pub instructions: u64,
    /// Stack bytes of the program's functions, the entry point first. Along any chain of calls the kernel allows 512.
    pub stack: Vec<u64>,
}

/// The kernel's limits for [`Verified`].
pub const MAX_VERIFIED_INSTRUCTIONS: u64 = 1_000_000;

/// Loads a program that carries probes, with few slots and all that a trace may have, and throws it away again.
///
/// # Errors
/// As for [`Kernel::load`](super::Kernel::load), or when the kernel says nothing of what it did.
pub fn verify(program: &str) -> Result<Verified, AttachError> {
    let config = Config {
        slots: 4,
        max_entries: 4,
        max_keys: 4,
        max_extras: 4,
        max_attributes: 2,
        ..Config::default()
    };
    let ebpf = load(&Settings::plain(config))?;
    let object = linked(&ebpf)?;
    let (instructions, license) = code(&object, program)?;
    let mut log = vec![0u8; LOG_BYTES];
    sys::load_multi(program, instructions, &license, Some((&mut log, sys::LOG_STATISTICS))).map_err(
        |error| AttachError::Verifier {
            program: program.to_owned(),
            reason: error.to_string(),
            log: tail(&log),
        },
    )?;
    let text = tail(&log);
    let number = |after: &str| text.split(after).nth(1)?.split_whitespace().next();
    let stack = number("stack depth ").unwrap_or_default().split('+').filter_map(|bytes| bytes.parse().ok());
    let instructions = number("processed ").and_then(|count| count.parse().ok());
    let instructions =
        instructions.ok_or_else(|| AttachError::Load("the verifier gave no statistics".to_owned()))?;
    Ok(Verified { instructions, stack: stack.collect() })
}

/// The instructions of a program of a linked object, and its license.
fn code<'a>(object: &'a Object, program: &str) -> Result<(&'a [bpf_insn], Cow<'a, str>), AttachError> {
    let unknown = || AttachError::Load(format!("it has no program `{program}`"));
    let key = object.programs.get(program).ok_or_else(unknown)?.function_key();
    let function = object.functions.get(&key).ok_or_else(unknown)?;
    Ok((&function.instructions, object.license.to_string_lossy()))
}

/// The last part of a verifier's log.
fn tail(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(log.get(..end).unwrap_or_default());
    let mut start = text.len().saturating_sub(LOG_SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default().to_owned()
}

/// The object's programs, with the descriptors of the maps that aya has made in their places.
fn linked(ebpf: &Ebpf) -> Result<Object, AttachError> {
    let failed = |error: &dyn std::error::Error| AttachError::Load(chain(error));
    let mut object = Object::parse(BPF_OBJECT).map_err(|error| failed(&error))?;
    let text_sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let maps = object.maps.clone();
    let loaded: Vec<_> = maps
        .iter()
        .filter_map(|(name, map)| {
            let fd = ebpf.map(name).and_then(data)?.fd().as_fd().as_raw_fd();
            Some((name.as_str(), fd, map))
        })
        .collect();
    object.relocate_maps(loaded.into_iter(), &text_sections).map_err(|error| failed(&error))?;
    object.relocate_calls(&text_sections).map_err(|error| failed(&error))?;
    Ok(object)
}
