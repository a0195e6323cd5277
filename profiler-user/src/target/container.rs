//! The processes of a container.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Proc;
use super::cgroup::container_ids;
use super::error::TargetError;
use super::find::is_named;
use super::process::{Process, without_deleted};
use crate::spec::Container;

impl Proc {
    /// All processes of a container that are meant. That there is none is no error: it may start later.
    ///
    /// # Errors
    /// When processes cannot be listed, or several containers' ids begin so.
    pub fn find_container(&self, container: &Container) -> Result<Vec<Process>, TargetError> {
        let mut ids = BTreeSet::new();
        let mut found = Vec::new();
        for process in self.all()? {
            let pid = process.identity.pid;
            // It may have ended meanwhile.
            let Ok(text) = std::fs::read_to_string(self.path(pid, "cgroup")) else { continue };
            let mut matching = container_ids(&text);
            matching.retain(|id| id.starts_with(&container.id));
            let belongs = !matching.is_empty();
            ids.extend(matching.into_iter().map(str::to_owned));
            if belongs && self.is_meant(container, &process) {
                found.push(process);
            }
        }
        if ids.len() > 1 {
            let ids = ids.into_iter().collect();
            return Err(TargetError::SeveralContainers { id: container.id.clone(), ids });
        }
        Ok(found)
    }

    /// The id of the container that a process is in, of those whose ids begin like `container`'s; the outermost.
    pub fn container_of(&self, pid: u32, container: &Container) -> Option<String> {
        let text = std::fs::read_to_string(self.path(pid, "cgroup")).ok()?;
        container_ids(&text).into_iter().find(|id| id.starts_with(&container.id)).map(str::to_owned)
    }

    fn is_meant(&self, container: &Container, process: &Process) -> bool {
        let Container { id: _, process: name, exe } = container;
        name.as_ref().is_none_or(|name| is_named(process, name))
            && exe.as_ref().is_none_or(|exe| self.runs_inside(process.identity.pid, exe))
    }

    /// Whether a process runs the file that its own root has at this path, or had when it started.
    fn runs_inside(&self, pid: u32, path: &Path) -> bool {
        let link = self.path(pid, "exe");
        let named = std::fs::read_link(&link).map(|named| without_deleted(named).0);
        let file = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let inside = self.path(pid, "root").join(path.strip_prefix("/").unwrap_or(path));
        named.is_ok_and(|named| named == path) || file(&link).is_some_and(|run| file(&inside) == Some(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Target;
    use crate::target::Again;
    use std::fs;
    use std::os::unix::fs::symlink;

    const A: &str = "3f1c0a9be2d54c7788aa0b1c2d3e4f505f6e7d8c9b0a19283746556473829100";
    const B: &str = "3f1cffffe2d54c7788aa0b1c2d3e4f505f6e7d8c9b0a19283746556473829100";

    /// A proc with this process, whose executable is called so in its container.
    fn add(root: &Path, pid: u32, comm: &str, exe: &str, cgroup: &str) {
        let home = root.join(pid.to_string());
        fs::create_dir_all(home.join("task").join(pid.to_string())).unwrap();
        let stat = format!("{pid} ({comm}) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 3 0 {pid}00 1 1\n");
        fs::write(home.join("stat"), stat).unwrap();
        fs::write(home.join("cgroup"), cgroup).unwrap();
        symlink(exe, home.join("exe")).unwrap();
    }

    #[test]
    fn processes_of_a_container_are_found_by_its_first_digits() {
        let folder = tempfile::tempdir().unwrap();
        let docker = format!("0::/system.slice/docker-{A}.scope\n");
        let pod = format!("4:cpu:/kubepods/burstable/podx/{B}\n0::/\n");
        for (pid, comm, exe, cgroup) in [
            (10, "nginx", "/usr/sbin/nginx", docker.as_str()),
            (11, "sh", "/bin/dash", &docker),
            (12, "nginx", "/usr/sbin/nginx", &pod),
            (13, "nginx", "/usr/sbin/nginx", "0::/system.slice/nginx.service\n"),
            (14, "nginx: worker", "/usr/sbin/nginx (deleted)", &docker),
        ] {
            add(folder.path(), pid, comm, exe, cgroup);
        }
        fs::create_dir(folder.path().join("15")).unwrap();
        let proc = Proc::at(folder.path());
        let find = |id: &str, process: Option<&str>, exe: Option<&str>| {
            let container = Container {
                id: id.to_owned(),
                process: process.map(str::to_owned),
                exe: exe.map(Into::into),
            };
            let found = proc.find_container(&container)?;
            Ok::<_, TargetError>(found.iter().map(|process| process.identity.pid).collect::<Vec<_>>())
        };
        for (id, process, exe, expected) in [
            (&A[..12], None, None, &[10, 11, 14][..]),
            (A, None, None, &[10, 11, 14]),
            (&A[..8], Some("nginx"), None, &[10, 14]),
            (&A[..8], Some("sh"), None, &[11]),
            (&A[..8], None, Some("/usr/sbin/nginx"), &[10, 14]),
            (&A[..8], None, Some("/usr/sbin/apache2"), &[]),
            (&B[..8], None, None, &[12]),
            ("abcd", None, None, &[]),
        ] {
            assert_eq!(find(id, process, exe).unwrap(), expected, "{id} {process:?} {exe:?}");
        }
        let error = find("3f1c", None, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "3f1c means 2 containers (3f1c0a9be2d5, 3f1cffffe2d5); write more digits of the one that is meant"
        );
    }

    #[test]
    fn a_second_container_of_the_same_digits_does_not_hide_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let proc = Proc::at(folder.path());
        let container = Container { id: "3f1c".to_owned(), process: Some("nginx".to_owned()), exe: None };
        let target = Target::Container(container.clone());
        let found = |traced: Option<&str>| {
            let Again { processes, missed } = proc.find_again(&target, traced);
            let pids: Vec<u32> = processes.iter().map(|process| process.identity.pid).collect();
            (pids, missed.map(|error| error.to_string()))
        };
        add(folder.path(), 10, "nginx", "/usr/sbin/nginx", &format!("0::/docker/{A}\n"));
        assert_eq!(found(None), (vec![10], None));
        let traced = proc.container_of(10, &container);
        assert_eq!(traced.as_deref(), Some(A));
        add(folder.path(), 11, "nginx", "/usr/sbin/nginx", &format!("0::/docker/{A}\n"));
        add(folder.path(), 12, "nginx", "/usr/sbin/nginx", &format!("0::/docker/{B}\n"));
        for (traced, pids) in [(traced.as_deref(), vec![10, 11]), (Some(B), vec![12]), (None, vec![])] {
            let (found, missed) = found(traced);
            assert_eq!(found, pids);
            assert!(missed.is_some_and(|missed| missed.starts_with("3f1c means 2 containers")));
        }
        assert_eq!(proc.container_of(13, &container), None);
    }
}
