//! A look-up without a plain answer, in words for the user.

use std::fmt::Write as _;
use std::path::Path;

use super::glob;
use super::lookup::{Candidate, Lookup, Miss};

impl Lookup<'_> {
    /// What to tell the user of a name that has no plain answer; `None` where it was found.
    pub fn explain(&self, pattern: &str) -> Option<String> {
        match self {
            Self::Found(_) => None,
            Self::Ambiguous { candidates, total } => Some(explain_doubt(pattern, candidates, *total)),
            Self::NotFound { nearest, why } => Some(explain_miss(pattern, nearest, why)),
        }
    }
}

fn explain_doubt(pattern: &str, candidates: &[Candidate], total: usize) -> String {
    let mut text = format!(
        "`{pattern}` means {total} different functions; name one of them in full (as `library:function` where the \
         files differ), or take them all with a glob:"
    );
    for Candidate { name, file, symbol: _ } in candidates {
        let _ = write!(text, "\n  {}:{name}", short(file));
    }
    if total > candidates.len() {
        let _ = write!(text, "\n  ... and {} more", total - candidates.len());
    }
    text
}

fn explain_miss(pattern: &str, nearest: &[String], why: &Miss) -> String {
    let mut text = match why {
        Miss::NoFiles => {
            format!("no mapped file was there to look for `{pattern}` in; check the library's name")
        }
        Miss::Stripped { files } => format!(
            "`{pattern}` cannot be looked up: {} has no function symbols (it is stripped); install its debug symbols or name an address",
            files.first().map(|file| short(file)).unwrap_or_default()
        ),
        Miss::Indirect { file } => format!(
            "`{pattern}` in {} is an indirect function, chosen for this machine at start; name the implementation that is used",
            short(file)
        ),
        Miss::Unknown { .. } if glob::is_glob(pattern) => format!("no function matches `{pattern}`"),
        Miss::Unknown { .. } => format!("no function is named `{pattern}`"),
    };
    if !nearest.is_empty() {
        let _ = write!(text, "; did you mean {}?", nearest.join(", "));
    } else if let Miss::Unknown { stripped } = why
        && let Some(file) = stripped.first()
    {
        let _ = write!(
            text,
            "; {} and {} other files are stripped to their exported names: debug symbols would show more",
            short(file),
            stripped.len() - 1
        );
    }
    text
}

fn short(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}
