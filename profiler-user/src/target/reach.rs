//! A path to the very file that a process maps.
//!
//! Owns: the choice between the path itself, the path under the process's root, and the kernel's link to the mapping; each is
//! taken only if it leads to the same inode. The probes are set through that path later, so that it must not lead elsewhere:
//! a program that was upgraded on disk still runs its old file. Refuses: a file that merely has the same name.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Proc;
use super::error::TargetError;
use super::maps::MappedFile;
use crate::symbol::{DebugRoots, FileBytes};

/// What is known of the file's device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    device: u64,
    inode: u64,
    /// Whether it was read from the file itself. The map's device numbers differ from stat's on btrfs and overlayfs.
    sure: bool,
}

impl Proc {
    /// A path that leads to the file, and the file, open.
    pub fn reach(&self, pid: u32, file: &MappedFile) -> Result<(PathBuf, FileBytes), TargetError> {
        let link = self.map_file(pid, file);
        let linked = link.as_deref().map(std::fs::metadata);
        let wanted = match &linked {
            Some(Ok(metadata)) => Wanted { device: metadata.dev(), inode: metadata.ino(), sure: true },
            _ => Wanted {
                device: rustix::fs::makedev(file.device.0, file.device.1),
                inode: file.inode,
                sure: false,
            },
        };
        let under_root = self.under_root(pid, &file.name);
        // Without any process in it, a path outlives the process: other processes of this executable can use it.
        let found =
            open_same(&file.name, wanted, false).or_else(|| open_same(&under_root, wanted, !wanted.sure));
        let by_link = || {
            let link = link.clone()?;
            FileBytes::open(&link).ok().map(|bytes| (link, bytes))
        };
        found.or_else(by_link).ok_or_else(|| match linked {
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                TargetError::Denied { what: link.unwrap_or_default() }
            }
            _ => TargetError::Unreachable { pid, name: file.name.clone() },
        })
    }

    /// The roots below which debug files of a process's files may lie: its own, then ours.
    pub fn debug_roots(&self, pid: u32) -> DebugRoots {
        let own = self.path(pid, "root");
        let key = |path: &Path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let host = PathBuf::from("/");
        let same = key(&own).is_none_or(|own| Some(own) == key(&host));
        DebugRoots { roots: if same { vec![host] } else { vec![own, host] } }
    }

    fn map_file(&self, pid: u32, file: &MappedFile) -> Option<PathBuf> {
        let span = file.spans.first()?;
        Some(self.path(pid, "map_files").join(format!("{:x}-{:x}", span.start.0, span.end.0)))
    }

    fn under_root(&self, pid: u32, name: &Path) -> PathBuf {
        self.path(pid, "root").join(name.strip_prefix("/").unwrap_or(name))
    }
}

/// Opens the path if it leads to that file. It is looked at before it is opened: to open a device can have effects.
fn open_same(path: &Path, wanted: Wanted, any_device: bool) -> Option<(PathBuf, FileBytes)> {
    let same = |device: u64, inode: u64| inode == wanted.inode && (any_device || device == wanted.device);
    let metadata = std::fs::metadata(path).ok().filter(|m| m.is_file() && same(m.dev(), m.ino()))?;
    let bytes = FileBytes::open(path).ok()?;
    let opened = bytes.identity()?;
    (opened.device == metadata.dev() && opened.inode == metadata.ino()).then(|| (path.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::{FileOffset, ProcessAddress, Span};
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A process 7 that maps `/app` of its root, whose proc file system lies in a folder.
    fn fake(folder: &Path) -> (Proc, MappedFile) {
        fs::create_dir_all(folder.join("proc/7/map_files")).unwrap();
        fs::create_dir_all(folder.join("image")).unwrap();
        symlink(folder.join("image"), folder.join("proc/7/root")).unwrap();
        fs::write(folder.join("image/app"), "old").unwrap();
        let metadata = fs::metadata(folder.join("image/app")).unwrap();
        let device = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
        let span = Span { start: ProcessAddress(0x1000), end: ProcessAddress(0x2000), offset: FileOffset(0) };
        let file = MappedFile {
            name: PathBuf::from("/app"),
            deleted: false,
            device,
            inode: metadata.ino(),
            spans: vec![span],
        };
        (Proc::at(folder.join("proc")), file)
    }

    #[test]
    fn a_file_of_a_container_is_reached_through_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, file) = fake(folder.path());
        let (path, bytes) = proc.reach(7, &file).unwrap();
        assert_eq!(path, proc.path(7, "root/app"));
        assert_eq!(bytes.read(0, 3).as_deref(), Some(&b"old"[..]));
    }

    #[test]
    fn a_replaced_file_is_reached_through_its_mapping_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, file) = fake(folder.path());
        fs::rename(folder.path().join("image/app"), folder.path().join("kept")).unwrap();
        fs::write(folder.path().join("image/app"), "new").unwrap();
        assert!(matches!(proc.reach(7, &file), Err(TargetError::Unreachable { pid: 7, .. })));
        let link = proc.path(7, "map_files/1000-2000");
        symlink(folder.path().join("kept"), &link).unwrap();
        let (path, bytes) = proc.reach(7, &file).unwrap();
        assert_eq!(path, link);
        assert_eq!(bytes.read(0, 3).as_deref(), Some(&b"old"[..]));
    }

    #[test]
    fn own_files_are_reached_by_their_own_path() {
        let proc = Proc::default();
        let exe = std::env::current_exe().unwrap();
        let files = proc.mapped_files(std::process::id()).unwrap();
        let file = files.iter().find(|file| file.name == exe).unwrap();
        assert_eq!(proc.reach(std::process::id(), file).unwrap().0, exe);
        assert_eq!(proc.debug_roots(std::process::id()).roots, [PathBuf::from("/")]);
    }
}
