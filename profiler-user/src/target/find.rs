//! From what the user said to processes.
//!
//! Owns: by process id, by name, by executable. Never finds: this program itself, kernel threads, zombies.
//! That a name has no process yet is no error here: it may start later.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Proc;
use super::error::TargetError;
use super::process::{Process, without_deleted};
use crate::spec::{Container, Target};

/// What a later look at a target has found.
#[derive(Debug, Default)]
pub struct Again {
    /// By process id.
    pub processes: Vec<Process>,
    /// Why there may be others that were not found.
    pub missed: Option<TargetError>,
}

/// Bytes of a process's short name at most.
const SHORT_NAME: usize = 15;

impl Proc {
    /// The processes that a spec means, by process id. Each process id that it names must be there.
    pub fn find(&self, target: &Target) -> Result<Vec<Process>, TargetError> {
        match target {
            Target::Pids(pids) => {
                let mut pids = pids.clone();
                pids.sort_unstable();
                pids.dedup();
                pids.into_iter().map(|pid| self.find_pid(pid)).collect()
            }
            Target::Process(name) => self.find_named(name),
            Target::Exe(path) => self.find_exe(path),
            Target::Container(container) => self.find_container(container),
        }
    }

    /// As [`Proc::find`], for a target that was found before: of the process ids that it names, some may have ended; and where several containers are meant
    /// by now, `container` is the id of the one that was found before.
    pub fn find_again(&self, target: &Target, container: Option<&str>) -> Again {
        if let Target::Pids(pids) = target {
            let mut processes: Vec<Process> =
                pids.iter().filter_map(|pid| self.find_pid(*pid).ok()).collect();
            processes.sort_by_key(|process| process.identity);
            processes.dedup();
            return Again { processes, missed: None };
        }
        match self.find(target) {
            Ok(processes) => Again { processes, missed: None },
            Err(missed) => {
                let one = match (target, container) {
                    (Target::Container(meant), Some(id)) => {
                        self.find_container(&Container { id: id.to_owned(), ..meant.clone() })
                    }
                    _ => Ok(Vec::new()),
                };
                Again { processes: one.unwrap_or_default(), missed: Some(missed) }
            }
        }
    }

    /// The process of this id.
    pub fn find_pid(&self, pid: u32) -> Result<Process, TargetError> {
        let stat = self.stat(pid)?;
        let comm = stat.comm.clone();
        match self.thread_group(pid) {
            _ if self.own_pid() == Some(pid) => Err(TargetError::Itself { pid }),
            _ if stat.is_kernel_thread() => Err(TargetError::KernelThread { pid, comm }),
            _ if stat.has_ended() => Err(TargetError::Zombie { pid, comm }),
            Some(process) if process != pid => Err(TargetError::IsThread { pid, process }),
            _ => Ok(self.process(pid, &stat)),
        }
    }

    /// All processes whose short name, or whose executable's file name, is this.
    pub fn find_named(&self, name: &str) -> Result<Vec<Process>, TargetError> {
        Ok(self.all()?.into_iter().filter(|process| is_named(process, name)).collect())
    }

    /// All processes that run this file. One that was replaced on disk while they run it still counts, by its path.
    pub fn find_exe(&self, path: &Path) -> Result<Vec<Process>, TargetError> {
        let wanted = std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut found = Vec::new();
        let mut denied = None;
        for process in self.all()? {
            match self.runs(process.identity.pid, &path, wanted) {
                Ok(true) => found.push(process),
                Ok(false) => {}
                // What may not be seen may be what was meant, but not if it is called otherwise: even root may not see all.
                Err(error)
                    if error.kind() == io::ErrorKind::PermissionDenied
                        && is_short_name(&process.comm, &path) =>
                {
                    denied.get_or_insert(process.identity.pid);
                }
                Err(_) => {} // It is something else, or has just ended.
            }
        }
        match denied {
            Some(pid) if found.is_empty() => Err(TargetError::Denied { what: self.path(pid, "exe") }),
            _ => Ok(found),
        }
    }

    fn runs(&self, pid: u32, path: &Path, wanted: Option<(u64, u64)>) -> io::Result<bool> {
        let link = self.path(pid, "exe");
        let (named, deleted) = without_deleted(std::fs::read_link(&link)?);
        let same_file =
            std::fs::metadata(&link).ok().map(|metadata| (metadata.dev(), metadata.ino())) == wanted;
        // The text alone counts where the path can no longer lead to the file; else it is another container's file.
        Ok((wanted.is_some() && same_file) || (named == path && (deleted || wanted.is_none())))
    }

    /// All processes that can be traced, by process id.
    pub(super) fn all(&self) -> Result<Vec<Process>, TargetError> {
        let unreadable = |source| TargetError::Unreadable { what: self.root().to_owned(), source };
        let own = self.own_pid();
        let entries = std::fs::read_dir(self.root()).map_err(unreadable)?;
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut found: Vec<Process> = pids
            .filter(|pid| Some(*pid) != own)
            .filter_map(|pid| {
                let stat =
                    self.stat(pid).ok().filter(|stat| !stat.is_kernel_thread() && !stat.has_ended())?;
                Some(self.process(pid, &stat))
            })
            .collect();
        found.sort_by_key(|process| process.identity);
        Ok(found)
    }
}

/// Whether this is a process's short name, or its executable's file name.
pub(super) fn is_named(process: &Process, name: &str) -> bool {
    let exe = process.exe.as_deref().and_then(Path::file_name);
    process.comm == name || exe.is_some_and(|file| file == name)
}

/// Whether the kernel calls a process that runs this file so: by the first 15 bytes of its name.
fn is_short_name(comm: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.get(..name.len().min(SHORT_NAME)) == Some(comm.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Fake {
        folder: tempfile::TempDir,
    }

    impl Fake {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("bin")).unwrap();
            for file in ["nginx", "other"] {
                fs::write(folder.path().join("bin").join(file), file).unwrap();
            }
            fs::create_dir(folder.path().join("proc")).unwrap();
            Self { folder }
        }

        fn proc(&self) -> Proc {
            Proc::at(self.folder.path().join("proc"))
        }

        fn bin(&self, file: &str) -> std::path::PathBuf {
            self.folder.path().join("bin").join(file)
        }

        fn add(&self, pid: u32, comm: &str, state: char, flags: u64, exe: Option<&Path>) {
            let home = self.folder.path().join("proc").join(pid.to_string());
            fs::create_dir_all(home.join("task").join(pid.to_string())).unwrap();
            let stat =
                format!("{pid} ({comm}) {state} 1 1 1 0 -1 {flags} 0 0 0 0 1 2 0 0 20 0 3 0 {pid}00 1 1\n");
            fs::write(home.join("stat"), &stat).unwrap();
            fs::write(home.join("task").join(pid.to_string()).join("stat"), &stat).unwrap();
            fs::write(home.join("status"), format!("Name:\t{comm}\nTgid:\t{pid}\n")).unwrap();
            if let Some(exe) = exe {
                symlink(exe, home.join("exe")).unwrap();
            }
        }
    }

    fn pids(found: Result<Vec<Process>, TargetError>) -> Vec<u32> {
        found.unwrap().iter().map(|process| process.identity.pid).collect()
    }

    #[test]
    fn processes_are_found_by_name_and_by_executable() {
        let fake = Fake::new();
        fake.add(10, "nginx", 'S', 0, Some(&fake.bin("nginx")));
        fake.add(9, "worker", 'R', 0, Some(&fake.bin("nginx")));
        fake.add(11, "other", 'S', 0, Some(&fake.bin("other")));
        fake.add(12, "nginx", 'Z', 0, None);
        fake.add(13, "nginx", 'I', 0x20_0000, None);
        let deleted = format!("{} (deleted)", fake.bin("nginx").display());
        fake.add(14, "old", 'S', 0, Some(Path::new(&deleted)));
        let proc = fake.proc();
        assert_eq!(pids(proc.find_named("nginx")), [9, 10, 14]);
        assert_eq!(pids(proc.find_named("worker")), [9]);
        assert_eq!(pids(proc.find_exe(&fake.bin("nginx"))), [9, 10, 14]);
        assert_eq!(pids(proc.find_exe(&fake.bin("missing"))), [0u32; 0]);
        assert_eq!(pids(proc.find(&Target::Pids(vec![11, 9, 11]))), [9, 11]);
        assert_eq!(
            proc.find_pid(10).unwrap().identity,
            super::super::Identity { pid: 10, start_ticks: 1000 }
        );
    }

    #[test]
    fn of_several_process_ids_those_are_found_again_that_are_there() {
        let fake = Fake::new();
        for (pid, state) in [(9, 'S'), (11, 'R'), (12, 'Z')] {
            fake.add(pid, "nginx", state, 0, Some(&fake.bin("nginx")));
        }
        let named = Target::Pids(vec![11, 12, 9, 10, 11]);
        assert!(fake.proc().find(&named).is_err());
        let Again { processes, missed } = fake.proc().find_again(&named, None);
        assert_eq!((pids(Ok(processes)), missed.is_none()), (vec![9, 11], true));
        let Again { processes, missed } = fake.proc().find_again(&Target::Process("nginx".to_owned()), None);
        assert_eq!((pids(Ok(processes)), missed.is_none()), (vec![9, 11], true));
    }

    #[test]
    fn short_names_are_the_first_bytes_of_the_file_name() {
        for (comm, path, expected) in [
            ("nginx", "/usr/sbin/nginx", true),
            ("init", "/usr/sbin/nginx", false),
            ("a-rather-long-n", "/bin/a-rather-long-name", true),
            ("a-rather", "/bin/a-rather-long-name", false),
            ("", "/", true),
        ] {
            assert_eq!(is_short_name(comm, Path::new(path)), expected, "{comm} {path}");
        }
    }

    #[test]
    fn a_file_replaced_by_a_link_to_the_same_is_the_same() {
        let fake = Fake::new();
        fake.add(10, "nginx", 'S', 0, Some(&fake.bin("nginx")));
        fs::hard_link(fake.bin("nginx"), fake.bin("hard")).unwrap();
        symlink(fake.bin("nginx"), fake.bin("soft")).unwrap();
        for name in ["hard", "soft"] {
            assert_eq!(pids(fake.proc().find_exe(&fake.bin(name))), [10], "{name}");
        }
    }

    #[test]
    fn itself_is_never_found() {
        let fake = Fake::new();
        fake.add(10, "stain", 'S', 0, Some(&fake.bin("nginx")));
        symlink("10", fake.folder.path().join("proc/self")).unwrap();
        assert_eq!(pids(fake.proc().find_named("stain")), [0u32; 0]);
        assert_eq!(pids(fake.proc().find_exe(&fake.bin("nginx"))), [0u32; 0]);
        assert!(matches!(fake.proc().find_pid(10), Err(TargetError::Itself { pid: 10 })));
    }

    #[test]
    fn what_cannot_be_traced_is_refused_in_a_sentence() {
        let fake = Fake::new();
        fake.add(2, "kthreadd", 'S', 0x20_0000, None);
        fake.add(3, "gone", 'Z', 0, None);
        fake.add(4, "thread", 'S', 0, None);
        fs::write(fake.folder.path().join("proc/4/status"), "Name:\tthread\nTgid:\t3\n").unwrap();
        for (pid, sentence) in [
            (2, "process 2 (kthreadd) is a kernel thread"),
            (3, "process 3 (gone) has ended"),
            (4, "4 is a thread of process 3"),
            (5, "there is no process 5"),
        ] {
            let error = fake.proc().find_pid(pid).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
        }
    }
}
