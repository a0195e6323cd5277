//! What to attach to: exactly one way of naming it, and a plausible one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::spec::error::quote;
use crate::spec::locus::{At, Mistakes};
use crate::spec::raw::RawTarget;
use crate::spec::{Container, MAX_PIDS, Target};

/// Largest process id that Linux gives, plus one.
const PID_END: i128 = 1 << 22;

/// Longest file name, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Longest path, in bytes.
const MAX_PATH_BYTES: usize = 4095;

/// Fewest digits of a container id that are taken: fewer could mean any.
const MIN_ID_DIGITS: usize = 4;

/// Digits of a whole container id.
const MAX_ID_DIGITS: usize = 64;

/// The layer's target; `None` when it names none, or a wrong one.
pub(in crate::spec) fn check_target(raw: RawTarget, mistakes: &mut Mistakes) -> Option<Target> {
    let RawTarget { table: _, named, pids, process, exe, container } = raw;
    for locus in named.iter().skip(1) {
        let first = named.first().map_or(String::new(), |first| first.reference());
        mistakes.wrong(locus, format!("the target is already named by {first}; keep one of them"));
    }
    let pids = pids.and_then(|at| check_pids(at, mistakes));
    let process = process.and_then(|at| check_process(at, mistakes));
    let exe = exe.and_then(|at| check_exe(at, mistakes));
    let by_name = process.or(exe);
    let Some(container) = container else { return pids.or(by_name) };
    if pids.is_some() {
        mistakes.wrong(&container.locus, "process ids need no container; keep one of the two");
        return None;
    }
    Some(within(check_container(container, mistakes)?, by_name))
}

/// The container's processes that `target` means; all of them where it means none.
fn within(container: Container, target: Option<Target>) -> Target {
    Target::Container(match target {
        Some(Target::Process(process)) => Container { process: Some(process), ..container },
        Some(Target::Exe(exe)) => Container { exe: Some(exe), ..container },
        Some(Target::Pids(_) | Target::Container(_)) | None => container,
    })
}

/// Lays the flags' target over the file's: it replaces it, but a container alone says only where to look for what the file names.
pub(in crate::spec) fn lay_target_over(above: Option<Target>, below: Option<Target>) -> Option<Target> {
    match (above, below) {
        (Some(Target::Container(container)), Some(below)) if container.is_whole() => {
            let named = match below {
                Target::Container(Container { process: Some(process), .. }) => Target::Process(process),
                Target::Container(Container { exe: Some(exe), .. }) => Target::Exe(exe),
                other => other,
            };
            Some(within(container, Some(named)))
        }
        (above, below) => above.or(below),
    }
}

fn check_container(container: At<String>, mistakes: &mut Mistakes) -> Option<Container> {
    let At { value, locus } = container;
    let id = value.trim().to_ascii_lowercase();
    let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !(MIN_ID_DIGITS..=MAX_ID_DIGITS).contains(&id.len()) {
        let message = format!(
            "{} is no container id; write its first {MIN_ID_DIGITS} to {MAX_ID_DIGITS} digits, as `docker ps` or `crictl ps` shows them",
            quote(&value)
        );
        mistakes.wrong(&locus, message);
        return None;
    }
    Some(Container { id, ..Container::default() })
}

fn check_pids(pids: At<Vec<i128>>, mistakes: &mut Mistakes) -> Option<Target> {
    let At { value: pids, locus } = pids;
    if pids.is_empty() {
        mistakes.wrong(&locus, "the list is empty; name at least one process id");
        return None;
    }
    if pids.len() > MAX_PIDS {
        let message = format!(
            "there are {} process ids, and a spec has at most {MAX_PIDS}; use process or exe",
            pids.len()
        );
        mistakes.wrong(&locus, message);
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut good = true;
    for &pid in &pids {
        if !(1..PID_END).contains(&pid) {
            good = false;
            mistakes.wrong(&locus, format!("{pid} is no process id; they go from 1 to {}", PID_END - 1));
        } else if !seen.insert(pid) {
            good = false;
            mistakes.wrong(&locus, format!("process id {pid} is given twice; keep one"));
        }
    }
    good.then(|| Target::Pids(pids.into_iter().filter_map(|pid| u32::try_from(pid).ok()).collect()))
}

fn check_process(process: At<String>, mistakes: &mut Mistakes) -> Option<Target> {
    let At { value: name, locus } = process;
    let message = if name.trim().is_empty() {
        "the process name is empty; write one, as in \"nginx\"".to_owned()
    } else if name.contains('/') {
        format!("{} is a path, not a process name; use exe for a path", quote(&name))
    } else if name.len() > MAX_NAME_BYTES {
        format!("the process name is longer than {MAX_NAME_BYTES} bytes; no process has such a name")
    } else if name.chars().any(char::is_control) {
        "the process name holds a control character; take it out".to_owned()
    } else {
        return Some(Target::Process(name));
    };
    mistakes.wrong(&locus, message);
    None
}

fn check_exe(exe: At<PathBuf>, mistakes: &mut Mistakes) -> Option<Target> {
    let At { value: path, locus } = exe;
    let bytes = path.as_os_str().as_encoded_bytes();
    let message = if bytes.is_empty() {
        "the path is empty; write one, as in \"/usr/sbin/nginx\"".to_owned()
    } else if bytes.contains(&0) || bytes.len() > MAX_PATH_BYTES {
        "no file can have such a path; write the executable's full path".to_owned()
    } else if !path.is_absolute() {
        format!("{} is a relative path; write the executable's full path", quote(&path.to_string_lossy()))
    } else {
        return Some(Target::Exe(path));
    };
    mistakes.wrong(&locus, message);
    None
}
