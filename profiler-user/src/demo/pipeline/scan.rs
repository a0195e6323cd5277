//! Looks for signs of an attack. Plain patterns over the whole text: a large text takes long, as it does in real life.

/// A sign: any text may stand for a `*`.
const SIGNS: [&str; 8] = [
    "*union*select*from*",
    "*<script*>*</script*",
    "*/../*etc/passwd*",
    "*;*drop*table*",
    "*${jndi:*}*",
    "*cmd.exe*/c*",
    "*onerror*=*alert*(*",
    "*exec*xp_*shell*",
];

/// How many of the signs a text bears.
pub(super) fn count(text: &[u8]) -> u64 {
    SIGNS.iter().map(|sign| u64::from(matches(sign.as_bytes(), text))).sum()
}

/// Whether the pattern matches the whole text, without regard to case.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on if what follows the last star does not match: behind the star, and one byte further in the text.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([b'*', after @ ..], _) => {
                pattern = after;
                again = text.get(1..).map(|further| (after, further));
            }
            ([], []) => return true,
            ([wanted, after @ ..], [byte, further @ ..]) if byte.eq_ignore_ascii_case(wanted) => {
                (pattern, text) = (after, further);
            }
            _ => {
                let Some((after, further)) = again else { return false };
                (pattern, text) = (after, further);
                again = further.get(1..).map(|further| (after, further));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{count, matches};

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
            ("", "a", false),
            ("*ab*", "aab", true),
            ("*ab", "abx", false),
            ("a*b*c", "A--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("*aab*", "aaaab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn counts_signs() {
        assert_eq!(count(b"q=1 UNION ALL SELECT a FROM b; drop table c"), 2);
        assert_eq!(count(b"a quiet day in autumn"), 0);
    }
}
