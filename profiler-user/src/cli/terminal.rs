//! What the terminal can show.

use std::env;
use std::io::IsTerminal as _;

use crate::sink::report::Style;

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
