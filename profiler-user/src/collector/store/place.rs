//! Addresses of databases: what may be shown of them, and options of ours in them.
//!
//! Owns: that no password is shown. Refuses: to know what an address means, which is the drivers' business.

use super::StoreError;

/// The address without its user's password, and without what stands behind a question mark.
pub(super) fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else { return "(an address)".to_owned() };
    let (authority, path) = match rest.split_once('/') {
        // A password with a slash in it: what is before the last sign is the user's.
        _ if rest.contains('@') => rest.rsplit_once('@').map_or((rest, ""), |(user, host)| (user, host)),
        Some((host, path)) => return format!("{scheme}://{host}/{path}"),
        None => return format!("{scheme}://{rest}"),
    };
    let user = authority.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{path}")
}

/// A user's name or password of an address, in which `%` and two digits stand for a byte; `None` where they stand for no text.
#[cfg(feature = "clickhouse")]
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// Takes an option of ours that is a number out of an address; gives the address without it, and the number.
pub(super) fn number(url: &str, name: &str, default: usize) -> Result<(String, usize), StoreError> {
    let Some((bare, query)) = url.split_once('?') else { return Ok((url.to_owned(), default)) };
    let (mut number, mut rest) = (default, Vec::new());
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=').filter(|(key, _)| *key == name) {
            None => rest.push(option),
            Some((_, value)) => match value.parse() {
                Ok(value @ 1..=1000) => number = value,
                _ => {
                    let reason = format!("{name}={value} in its address is no number from 1 to 1000");
                    return Err(StoreError::Place { place: shown(url), reason });
                }
            },
        }
    }
    let rest = rest.join("&");
    Ok((if rest.is_empty() { bare.to_owned() } else { format!("{bare}?{rest}") }, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let cases = [
            ("postgres://u:secret@h:5432/d?sslmode=x&password=secret", "postgres://u@h:5432/d"),
            ("mysql://u:se@cr/et@h/d", "mysql://u@h/d"),
            ("http://h:8123", "http://h:8123"),
            ("http://h:8123/?password=secret#secret", "http://h:8123/"),
            ("postgres://u:secret", "postgres://u:secret"),
            ("host=h password=secret", "(an address)"),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(unescaped("a%40%c3%9f"), Some("a@ß".to_owned()));
        assert_eq!((unescaped("%4"), unescaped("%zz"), unescaped("%ff")), (None, None, None));
    }

    #[test]
    fn the_number_is_taken_out() {
        let of = |url| number(url, "pool", 8).map_err(|error| error.to_string());
        assert_eq!(of("mysql://h/d?pool=3&a=b"), Ok(("mysql://h/d?a=b".to_owned(), 3)));
        assert_eq!(of("mysql://h/d?pool=3"), Ok(("mysql://h/d".to_owned(), 3)));
        assert_eq!(of("mysql://h/d"), Ok(("mysql://h/d".to_owned(), 8)));
        assert!(of("mysql://u:secret@h/d?pool=0").is_err_and(|error| !error.contains("secret")));
    }
}
