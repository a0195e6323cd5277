//! A token, and where it is read from. It never shows: neither in messages, nor in logs, nor in what `{:?}` prints.

use std::fmt;
use std::path::Path;

/// Longest token, bytes.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why there is no token. The token itself is in none of the messages.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the token in {path} cannot be read: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {0}, which is to hold the token, is not set")]
    Variable(String),
    /// It is empty, too long, or not of printable ASCII characters.
    #[error("{0} holds no token: it is empty, longer than 16 KiB, or not of printable ASCII characters")]
    Unfit(String),
}

impl Secret {
    /// Reads a token from a file.
    ///
    /// # Errors
    /// When the file cannot be read or holds no token.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| SecretError::File { path: shown.clone(), source })?;
        Self::new(&text, shown)
    }

    /// Reads a token from the environment.
    ///
    /// # Errors
    /// When the variable is not set or holds no token.
    pub fn from_variable(name: &str) -> Result<Self, SecretError> {
        let text = std::env::var(name).map_err(|_| SecretError::Variable(name.to_owned()))?;
        Self::new(&text, format!("the environment variable {name}"))
    }

    fn new(text: &str, place: String) -> Result<Self, SecretError> {
        let token = text.trim();
        let fits = (1..=MAX_TOKEN_BYTES).contains(&token.len());
        if fits && token.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Ok(Self(token.to_owned()));
        }
        Err(SecretError::Unfit(place))
    }

    /// The token, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretError};

    #[test]
    fn a_token_is_read_and_never_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let secret = Secret::from_file(&path).unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("s3cret", "Secret(..)"));
        for unfit in ["", " \n", "two\nlines", "\u{e4}"] {
            std::fs::write(&path, unfit).unwrap();
            let error = Secret::from_file(&path).unwrap_err();
            assert!(matches!(error, SecretError::Unfit(_)), "{unfit:?}");
            assert!(!error.to_string().contains("two"));
        }
        assert!(
            Secret::from_file(&folder.path().join("none"))
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        assert!(matches!(Secret::from_variable("STAIN_NO_SUCH_VARIABLE"), Err(SecretError::Variable(_))));
    }
}
