//! Why a file's functions cannot be read, in sentences for the user.

use std::path::PathBuf;

use thiserror::Error;

/// A file that cannot be read as a module. That a name is not in it is no error: see [`super::lookup::Lookup`].
#[derive(Debug, Error)]
pub enum SymbolError {
    /// The file cannot be opened or read.
    #[error("{path} cannot be read: {source}; {advice}", path = path.display(), advice = advice(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Not an ELF file at all.
    #[error("{path} is not an ELF file, so it holds no functions that can be probed; name an executable or a shared library", path = path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
    },
    /// ELF, but of a kind that is not supported.
    #[error("{path} is for {found}; stain traces 64-bit little-endian x86-64 and aarch64 programs only", path = path.display())]
    UnsupportedArch {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: String,
    },
    /// The headers contradict the file.
    #[error("{path} is damaged: {what}; compare it with a fresh copy", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
        std::io::ErrorKind::NotFound => "check the path",
        _ => "it must be a regular file",
    }
}
