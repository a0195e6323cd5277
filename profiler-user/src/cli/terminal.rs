//! What the terminal can show.

use std::env;
use std::io::IsTerminal as _;

use crate::sink::report::Style;
use crate::tui::theme::{Depth, Look};

/// Columns of what is no terminal.
const WIDTH: usize = 100;

/// How a report for standard output (or a file) is to look.
pub(super) fn style(to_file: bool, ascii: bool) -> Style {
    let terminal = !to_file && std::io::stdout().is_terminal();
    Style {
        width: width(terminal),
        color: terminal && wants_color(),
        ascii: ascii || (terminal && !is_utf8()),
    }
}

/// Whether progress can be shown on standard error.
pub(super) fn shows_progress() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether a terminal UI can be shown: there is a keyboard, a screen, and messages would come onto it.
pub(super) fn can_have_screen() -> bool {
    let terminals =
        [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    terminals.into_iter().all(|terminal| terminal) && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// What the terminal can show.
pub(super) fn look(ascii: bool) -> Look {
    let value = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().to_ascii_lowercase());
    let depth = if wants_color() {
        depth(value("COLORTERM").as_deref(), value("TERM").as_deref())
    } else {
        Depth::Plain
    };
    Look { depth, ascii: ascii || !is_utf8() }
}

/// By the words that terminals use. The console of Linux, and serial lines, have sixteen colours at most.
fn depth(colorterm: Option<&str>, term: Option<&str>) -> Depth {
    match (colorterm, term.unwrap_or("")) {
        (Some("truecolor" | "24bit"), _) => Depth::True,
        (_, term) if term.contains("direct") => Depth::True,
        (_, term) if term.contains("256color") => Depth::Indexed,
        _ => Depth::Ansi,
    }
}

/// What the user's clock is ahead of UTC now, s.
pub(super) fn utc_offset_s() -> i32 {
    // SAFETY: all zeroes is a value of this plain struct; both calls write no further than the values whose pointers they are given.
    let broken_down = unsafe {
        let mut tm = std::mem::zeroed::<libc::tm>();
        let now = libc::time(std::ptr::null_mut());
        (!libc::localtime_r(&raw const now, &raw mut tm).is_null()).then_some(tm)
    };
    broken_down.map_or(0, |tm| i32::try_from(tm.tm_gmtoff).unwrap_or(0))
}

fn width(terminal: bool) -> usize {
    if !terminal {
        return WIDTH;
    }
    let size =
        rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if size == 0 { WIDTH } else { size }
}

/// <https://no-color.org>: any value but the empty one.
fn wants_color() -> bool {
    let plain = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    !plain("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The locale decides, the first of its variables that is set.
fn is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(env::var_os)
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.to_string_lossy().to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::{Depth, depth};

    #[test]
    fn terminals_say_what_they_can() {
        for (colorterm, term, expected) in [
            (Some("truecolor"), Some("xterm-256color"), Depth::True),
            (Some("24bit"), None, Depth::True),
            (Some(""), Some("xterm-direct"), Depth::True),
            (None, Some("tmux-256color"), Depth::Indexed),
            (Some("yes"), Some("screen"), Depth::Ansi),
            (None, Some("linux"), Depth::Ansi),
            (None, None, Depth::Ansi),
        ] {
            assert_eq!(depth(colorterm, term), expected, "{colorterm:?} {term:?}");
        }
    }
}
