//! Where control sockets lie: one a running agent, called by its process id, in a folder that only its user can enter.
//!
//! Owns: the choice of the folder, its owner and mode, and the removal of sockets whose agent is gone.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".sock";

/// The folders in which a user's sockets may lie, the best first.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    candidates(runtime.filter(|path| path.is_absolute()).as_deref(), user)
}

fn candidates(runtime: Option<&Path>, user: u32) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = runtime.map(|path| path.join("stain")).into_iter().collect();
    // An agent that was started from a session, and a client that was not, must find each other.
    for folder in [format!("/run/user/{user}/stain"), "/run/stain".to_owned(), format!("/tmp/stain-{user}")] {
        let folder = PathBuf::from(folder);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// The socket of an agent in a folder.
#[must_use]
pub fn socket(folder: &Path, agent: u32) -> PathBuf {
    folder.join(format!("{agent}{SUFFIX}"))
}

/// Makes a folder that nobody else can enter, or takes the one that is there if it is such.
///
/// # Errors
/// When it cannot be made, or is another's.
pub fn make_private(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    check_private(folder)
}

/// Whether a folder is this user's and closed to all others.
///
/// # Errors
/// Why it is not.
pub fn check_private(folder: &Path) -> io::Result<()> {
    // Of the entry itself: a link could lead where another user wants.
    let found = fs::symlink_metadata(folder)?;
    let wrong = if !found.is_dir() {
        "it is not a folder"
    } else if found.uid() != rustix::process::geteuid().as_raw() {
        "it belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "other users may enter it"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, wrong))
}

/// The sockets in a folder with the agents that they are called by, by process id. Empty when the folder is none of ours.
#[must_use]
pub fn sockets(folder: &Path) -> Vec<(u32, PathBuf)> {
    if check_private(folder).is_err() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .filter_map(|entry| {
            let agent = entry.file_name().to_str()?.strip_suffix(SUFFIX)?.parse().ok()?;
            Some((agent, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Removes the sockets of a folder that nobody listens at any more: an agent that was killed leaves its own behind.
pub fn clean(folder: &Path) {
    for (agent, path) in sockets(folder) {
        // Both, since a socket refuses also in the moment between its making and its listening, and an agent of another process id
        // name space is not seen in this proc.
        if !Path::new("/proc").join(agent.to_string()).exists() && refuses(&path) {
            // Another agent may be first.
            let _ = fs::remove_file(path);
        }
    }
}

fn refuses(path: &Path) -> bool {
    matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    fn private(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn the_session_s_folder_comes_first_and_none_twice() {
        let names = |runtime: Option<&str>| -> Vec<String> {
            let found = candidates(runtime.map(Path::new), 1000);
            found.iter().map(|folder| folder.display().to_string()).collect()
        };
        assert_eq!(names(None), ["/run/user/1000/stain", "/run/stain", "/tmp/stain-1000"]);
        assert_eq!(names(Some("/run/user/1000")), ["/run/user/1000/stain", "/run/stain", "/tmp/stain-1000"]);
        assert_eq!(names(Some("/x")), ["/x/stain", "/run/user/1000/stain", "/run/stain", "/tmp/stain-1000"]);
    }

    #[test]
    fn only_a_folder_of_our_own_that_is_closed_will_do() {
        let outer = private(0o700);
        let folder = outer.path().join("stain");
        make_private(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        make_private(&folder).unwrap();
        symlink(&folder, outer.path().join("link")).unwrap();
        assert!(make_private(&outer.path().join("link")).unwrap_err().to_string().contains("not a folder"));
        for mode in [0o701, 0o710, 0o777] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(make_private(&folder).unwrap_err().to_string().contains("may enter"), "{mode:o}");
            assert_eq!(sockets(&folder), []);
        }
        if rustix::process::geteuid().as_raw() != 0 {
            assert!(make_private(Path::new("/")).unwrap_err().to_string().contains("another user"));
        }
        assert!(make_private(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn sockets_that_nobody_listens_at_are_removed_and_no_others() {
        let folder = private(0o700);
        let gone = u32::MAX;
        let own = std::process::id();
        let listening = UnixListener::bind(socket(folder.path(), own)).unwrap();
        drop(UnixListener::bind(socket(folder.path(), gone)).unwrap());
        let foreign = UnixListener::bind(socket(folder.path(), gone - 1)).unwrap();
        fs::write(folder.path().join("7.sock"), "a file").unwrap();
        drop(UnixListener::bind(folder.path().join("other")).unwrap());
        let pids = || sockets(folder.path()).into_iter().map(|(agent, _)| agent).collect::<Vec<_>>();
        assert_eq!(pids(), [own, gone - 1, gone]);
        clean(folder.path());
        assert_eq!(pids(), [own, gone - 1]);
        drop((listening, foreign));
        clean(folder.path());
        assert_eq!(pids(), [own], "a living process may be about to listen");
        assert!(folder.path().join("7.sock").exists() && folder.path().join("other").exists());
    }
}
