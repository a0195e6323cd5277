//! The parts of an `--export` URL. Pure.

use std::fmt;

use super::percent;

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `http`, `otlp+grpc`, `file`: small letters.
    pub scheme: String,
    /// The host; empty for a file.
    pub host: String,
    /// The port, where one is given.
    pub port: Option<u16>,
    /// Hosts and ports behind the first, where there are several.
    pub more: Vec<(String, Option<u16>)>,
    /// What follows, with its slash, as it is sent: `%XX` stays. The folder of a file, where it stands for a byte.
    pub path: String,
    options: Vec<(String, String)>,
}

/// Why a text is no URL of an exporter. None of these repeats more of it than is surely no secret.
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
    #[error("{0} has a % without two hexadecimal digits behind it, or bytes that are not UTF-8")]
    Percent(String),
    /// A part behind the question mark without an equals sign.
    #[error(
        "part {0} behind the question mark is no option: write it as in batch=512, and a & within a value as %26"
    )]
    Option(usize),
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
        let no_scheme = || UrlError::Scheme(harmless(text));
        let (scheme, rest) = text.split_once(':').ok_or_else(no_scheme)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '+';
        if scheme.is_empty() || !scheme.chars().all(is_word) {
            return Err(no_scheme());
        }
        let scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let options = options(query)?;
        let wrong_path = || UrlError::Percent("the path".to_owned());
        if scheme == "file" {
            // file:DIR and file:///DIR are both common.
            let path = percent::decode(rest.strip_prefix("//").unwrap_or(rest)).ok_or_else(wrong_path)?;
            return Ok(Self { scheme, host: String::new(), port: None, more: Vec::new(), path, options });
        }
        let rest = rest.strip_prefix("//").ok_or_else(no_scheme)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let hosts: Result<Vec<_>, _> = authority.split(',').map(host_and_port).collect();
        // A password with a slash in it looks like a port.
        let hosts = hosts.map_err(|error| if path.contains('@') { UrlError::Credentials } else { error })?;
        percent::decode(path).ok_or_else(wrong_path)?;
        let mut hosts = hosts.into_iter().map(|(host, port)| (host.to_owned(), port));
        let (host, port) = hosts.next().ok_or(UrlError::Host)?;
        Ok(Self { scheme, host, port, more: hosts.collect(), path: percent::of_path(path), options })
    }

    /// Takes an option out: what is left at the end is not known.
    pub fn option(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(known, _)| known == name)?;
        Some(self.options.remove(at).1)
    }

    /// An option, which stays.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
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
        let Self { scheme, host, port, more, path, options: _ } = self;
        if scheme == "file" {
            return write!(f, "file:{path}");
        }
        write!(f, "{scheme}://")?;
        put_host(f, host, *port)?;
        for (host, port) in more {
            f.write_str(",")?;
            put_host(f, host, *port)?;
        }
        f.write_str(path)
    }
}

fn put_host(f: &mut fmt::Formatter<'_>, host: &str, port: Option<u16>) -> fmt::Result {
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    write!(f, "{open}{host}{close}")?;
    port.map_or(Ok(()), |port| write!(f, ":{port}"))
}

/// The beginning of what was given, without what may be a password in it, or a value.
fn harmless(text: &str) -> String {
    let before_query = text.split('?').next().unwrap_or_default();
    let (hidden, shown) = match before_query.rsplit_once('@') {
        Some((_, behind)) => ("..@", behind),
        None => ("", before_query),
    };
    format!("{hidden}{}", shown.chars().filter(|c| !c.is_control()).take(60).collect::<String>())
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
    for (number, part) in (1..).zip(query.split('&').filter(|part| !part.is_empty())) {
        let (name, value) = part.split_once('=').ok_or(UrlError::Option(number))?;
        if options.iter().any(|(known, _)| known == name) {
            return Err(UrlError::Twice(name.to_owned()));
        }
        let value = percent::decode(value).ok_or_else(|| UrlError::Percent(name.to_owned()))?;
        options.push((name.to_owned(), value));
    }
    Ok(options)
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
            ("http://h/a%2Fb c", "http", "h", None, "/a%2Fb%20c", "http://h/a%2Fb%20c"),
            ("kafka://a:1,b:2/t", "kafka", "a", Some(1), "/t", "kafka://a:1,b:2/t"),
            ("kafka://[::1],[::2]:2/t", "kafka", "::1", None, "/t", "kafka://[::1],[::2]:2/t"),
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
            ("http://h/?x=1&a", UrlError::Option(2)),
            ("kafka://h,/t", UrlError::Host),
            ("http://h/%2", UrlError::Percent(text("the path"))),
            ("http://h/?a=1&a=2", UrlError::Twice(text("a"))),
            ("http://h/?a=%2", UrlError::Percent(text("a"))),
            ("http://h/?a=%ff", UrlError::Percent(text("a"))),
        ] {
            assert_eq!(Url::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn no_mistake_repeats_a_password() {
        for url in [
            "me:pa55@h/x",
            "http:/me:pa55@h",
            "//me:pa55@h",
            "http://me:pa55@h",
            "http://me:pa55/w@h/",
            "x y://me:pa55@h",
            "nothing?password=pa55",
            "http://h/?password=a&pa55",
            "http://h/?password=pa55%",
            "http://h/?password=pa55&password=pa55",
        ] {
            let error = Url::parse(url).unwrap_err().to_string();
            assert!(!error.contains("pa55"), "{url}: {error}");
        }
        assert_eq!(Url::parse("me:pa55@h/x"), Err(UrlError::Scheme("..@h/x".to_owned())));
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
