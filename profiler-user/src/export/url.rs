//! The parts of an `--export` URL. Pure.

use std::fmt;

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `http`, `otlp+grpc`, `file`: small letters.
    pub scheme: String,
    /// The host; empty for a file.
    pub host: String,
    /// The port, where one is given.
    pub port: Option<u16>,
    /// What follows, with its slash; the folder of a file.
    pub path: String,
    options: Vec<(String, String)>,
}

/// Why a text is no URL of an exporter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It has no scheme.
    #[error("`{0}` has no scheme; write it as in http://collector:9808/ingest")]
    Scheme(String),
    /// It has a user or password.
    #[error(
        "a password in a URL shows in the list of processes; put a token into a file and add token_file=FILE"
    )]
    Credentials,
    /// Its port is no number.
    #[error("`{0}` is no port: a number from 1 to 65535 is")]
    Port(String),
    /// It has no host.
    #[error("there is no host between :// and the path")]
    Host,
    /// A percent sign without two hexadecimal digits behind it.
    #[error("`{0}` has a % without two hexadecimal digits behind it")]
    Percent(String),
    /// A part behind the question mark without an equals sign.
    #[error("`{0}` is no option: write it as in batch=512")]
    Option(String),
    /// An option that is given twice.
    #[error("{0} is given twice; keep one of them")]
    Twice(String),
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| UrlError::Scheme(text.to_owned()))?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '+';
        if scheme.is_empty() || !scheme.chars().all(is_word) {
            return Err(UrlError::Scheme(text.to_owned()));
        }
        let scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let options = options(query)?;
        if scheme == "file" {
            // file:DIR and file:///DIR are both common.
            let path = decode(rest.strip_prefix("//").unwrap_or(rest))?;
            return Ok(Self { scheme, host: String::new(), port: None, path, options });
        }
        let rest = rest.strip_prefix("//").ok_or_else(|| UrlError::Scheme(text.to_owned()))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = host_and_port(authority)?;
        Ok(Self { scheme, host: host.to_owned(), port, path: decode(path)?, options })
    }

    /// Takes an option out: what is left at the end is not known.
    pub fn option(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(known, _)| known == name)?;
        Some(self.options.remove(at).1)
    }

    /// An option that nobody has taken.
    #[must_use]
    pub fn left_over(&self) -> Option<&str> {
        self.options.first().map(|(name, _)| name.as_str())
    }
}

impl fmt::Display for Url {
    /// What the destination is called in messages: without options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, path, options: _ } = self;
        if scheme == "file" {
            return write!(f, "file:{path}");
        }
        let brackets = host.contains(':');
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}")?;
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        f.write_str(path)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or(UrlError::Host)?;
            (host, behind.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::Host);
    }
    let number = |port: &str| match port.parse::<u16>() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(UrlError::Port(port.to_owned())),
    };
    Ok((host, port.map(number).transpose()?))
}

fn options(query: &str) -> Result<Vec<(String, String)>, UrlError> {
    let mut options: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| UrlError::Option(part.to_owned()))?;
        if options.iter().any(|(known, _)| known == name) {
            return Err(UrlError::Twice(name.to_owned()));
        }
        options.push((name.to_owned(), decode(value)?));
    }
    Ok(options)
}

fn decode(text: &str) -> Result<String, UrlError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let wrong = || UrlError::Percent(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = behind.split_first_chunk::<2>().ok_or_else(wrong)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?).to_le_bytes()[0]);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::{Url, UrlError};
    use proptest::prelude::*;

    #[test]
    fn urls_are_taken_apart_and_shown_without_options() {
        for (text, scheme, host, port, path, shown) in [
            ("http://h:1/ingest?batch=2", "http", "h", Some(1), "/ingest", "http://h:1/ingest"),
            ("HTTPS://h", "https", "h", None, "", "https://h"),
            ("otlp+grpc://[::1]:4317", "otlp+grpc", "::1", Some(4317), "", "otlp+grpc://[::1]:4317"),
            ("file:/var/log/stain?format=ctf", "file", "", None, "/var/log/stain", "file:/var/log/stain"),
            ("file:///a%20b", "file", "", None, "/a b", "file:/a b"),
            ("file:relative", "file", "", None, "relative", "file:relative"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.scheme.as_str(), url.host.as_str(), url.port, url.path.as_str()),
                (scheme, host, port, path),
                "{text}"
            );
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn options_are_taken_one_by_one() {
        let mut url = Url::parse("http://h/?a=1&b=x%2Fy&c=").unwrap();
        assert_eq!(url.option("b").as_deref(), Some("x/y"));
        assert_eq!(url.option("b"), None);
        assert_eq!(url.option("c").as_deref(), Some(""));
        assert_eq!(url.left_over(), Some("a"));
    }

    #[test]
    fn mistakes_are_told() {
        let text = |text: &str| text.to_owned();
        for (url, error) in [
            ("nothing", UrlError::Scheme(text("nothing"))),
            ("http:/h", UrlError::Scheme(text("http:/h"))),
            ("http://user:word@h/", UrlError::Credentials),
            ("http://h:0/", UrlError::Port(text("0"))),
            ("http://h:x/", UrlError::Port(text("x"))),
            ("http:///x", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://h/?a", UrlError::Option(text("a"))),
            ("http://h/?a=1&a=2", UrlError::Twice(text("a"))),
            ("http://h/?a=%2", UrlError::Percent(text("%2"))),
            ("http://h/?a=%ff", UrlError::Percent(text("%ff"))),
        ] {
            assert_eq!(Url::parse(url), Err(error), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}|(http|file):[/a-z:@%?&=\\[\\]0-9]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                let _ = url.to_string();
            }
        }
    }
}
