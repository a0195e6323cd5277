//! A container without an engine: a control group called by an id, name spaces for mounts and processes, and a root of its own.
//!
//! Owns: the script that makes one around a program, and the group. What the script mounts is in its own name space, and gone with it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How a container is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A group as Docker with systemd calls it; the root on a memory file system.
    Tmpfs,
    /// A group as Docker with cgroupfs calls it; the root a stack of layers, as engines make it.
    Overlay,
}

/// A container's control group. Dropping it removes the group, which must be empty then.
#[derive(Debug)]
pub struct Container {
    /// Its id.
    pub id: String,
    group: PathBuf,
}

/// A hierarchy of control groups in which groups can be made.
#[must_use]
pub fn hierarchy() -> Option<PathBuf> {
    ["/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/systemd"]
        .into_iter()
        .map(PathBuf::from)
        .find(|folder| folder.join("cgroup.procs").exists() && can_make(folder))
}

fn can_make(folder: &Path) -> bool {
    let trial = folder.join(format!("stain-test-{}", std::process::id()));
    let made = std::fs::create_dir(&trial);
    // What was not made need not go.
    let _ = std::fs::remove_dir(&trial);
    made.is_ok()
}

impl Container {
    /// Makes a group in a hierarchy and puts a process into it, as an engine that uses nothing else would.
    pub fn around(hierarchy: &Path, id: &str, pid: u32) -> Result<Self> {
        let container = Self { id: id.to_owned(), group: hierarchy.join(id) };
        std::fs::create_dir(&container.group)
            .with_context(|| format!("cannot make {}", container.group.display()))?;
        std::fs::write(container.group.join("cgroup.procs"), pid.to_string())?;
        Ok(container)
    }

    /// An id that begins so.
    pub fn new_id(beginning: &str) -> Result<String> {
        let digits = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
        Ok([beginning, &digits, &digits].concat().chars().take(64).collect())
    }

    /// Makes a group in a hierarchy, and a script in `folder` that runs `/bin/app` of the container, a copy of `program`, with the script's own arguments.
    /// `folder` is seen inside under its own path.
    pub fn new(hierarchy: &Path, kind: Kind, program: &Path, folder: &Path) -> Result<(Self, PathBuf)> {
        let id = Self::new_id("")?;
        let group = hierarchy.join(match kind {
            Kind::Tmpfs => format!("docker-{id}.scope"),
            Kind::Overlay => id.clone(),
        });
        std::fs::create_dir(&group).with_context(|| format!("cannot make {}", group.display()))?;
        let container = Self { id, group };
        let script = folder.join("run-in-container");
        std::fs::write(&script, container.script(kind, program, folder)?)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok((container, script))
    }

    fn script(&self, kind: Kind, program: &Path, folder: &Path) -> Result<String> {
        let (group, program, root) = (self.group.display(), program.display(), folder.join("root"));
        std::fs::create_dir(&root)?;
        let (root, inside) = (root.display(), folder.display());
        let layers = match kind {
            Kind::Tmpfs => "",
            Kind::Overlay => {
                "mkdir -p $ROOT/layers/low $ROOT/layers/up $ROOT/layers/work $ROOT/top\n\
                 cp -a $ROOT/bin $ROOT/lib $ROOT/lib64 $ROOT/layers/low/\n\
                 mount -t overlay overlay -o lowerdir=$ROOT/layers/low,upperdir=$ROOT/layers/up,workdir=$ROOT/layers/work $ROOT/top\n\
                 ROOT=$ROOT/top\n"
            }
        };
        Ok(format!(
            "#!/bin/sh\nset -e\nif [ \"$1\" != inside ]; then\n  echo $$ > {group}/cgroup.procs\n  \
             exec unshare --mount --pid --fork --kill-child --propagation private \"$0\" inside \"$@\"\nfi\nshift\n\
             ROOT={root}\nmount -t tmpfs tmpfs $ROOT\nmkdir -p $ROOT/bin $ROOT/lib $ROOT/lib64\ncp {program} $ROOT/bin/app\n\
             for file in $(ldd {program} | grep -o '/[^ ]*'); do mkdir -p $ROOT$(dirname $file); cp -L $file $ROOT$file; done\n\
             {layers}mkdir -p $ROOT{inside} $ROOT/proc $ROOT/dev\nmount --bind {inside} $ROOT{inside}\nmount -t proc proc $ROOT/proc\nmount --bind /dev $ROOT/dev\n\
             exec chroot $ROOT /bin/app \"$@\"\n"
        ))
    }

    /// Process ids in the group, as this process sees them.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let text = std::fs::read_to_string(self.group.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Killed processes leave the group a moment after they are gone for all others.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
