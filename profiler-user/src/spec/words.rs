//! Words of which there are only some.

use super::code::nearest;
use super::error::{ParseError, quote};

/// The value of a word.
///
/// # Errors
/// Says that there is no such `what`, and the nearest one, or, where none is near, `rest`.
pub(super) fn one_of<T: Copy, const N: usize>(
    text: &str,
    words: [(&'static str, T); N],
    what: &str,
    rest: &str,
) -> Result<T, ParseError> {
    let text = text.trim();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let hint = nearest(text, words.iter().map(|(word, _)| *word));
    let hint = hint.map_or_else(|| format!("; {rest}"), |near| format!(", did you mean \"{near}\"?"));
    Err(ParseError::whole(format!("there is no {what} {}{hint}", quote(text))))
}

#[cfg(test)]
mod tests {
    use super::one_of;

    #[test]
    fn a_word_is_found_or_the_nearest_is_named() {
        let read = |text| one_of(text, [("red", 1), ("green", 2)], "colour", "it is \"red\" or \"green\"");
        assert_eq!(read(" green "), Ok(2));
        for (text, sentence) in [
            ("grene", "there is no colour `grene`, did you mean \"green\"?"),
            ("", "there is no colour ``; it is \"red\" or \"green\""),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), sentence);
        }
    }
}
