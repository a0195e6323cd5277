//! What a key press is called: `q`, `ctrl-c`, `up`, `space`, `pgdn`.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The name of a key press; `None` for keys that no table would name.
#[must_use]
pub fn chord(key: &KeyEvent) -> Option<String> {
    let name = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        // Shift is part of the character.
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(number) => format!("f{number}"),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::PageUp => "pgup".to_owned(),
        KeyCode::PageDown => "pgdn".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => "shift-tab".to_owned(),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        _ => return None,
    };
    let ctrl = if key.modifiers.contains(KeyModifiers::CONTROL) { "ctrl-" } else { "" };
    let alt = if key.modifiers.contains(KeyModifiers::ALT) { "alt-" } else { "" };
    Some(format!("{ctrl}{alt}{name}"))
}

#[cfg(test)]
mod tests {
    use super::{KeyCode, KeyEvent, KeyModifiers, chord};

    #[test]
    fn names() {
        for (code, modifiers, name) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, Some("q")),
            (KeyCode::Char('G'), KeyModifiers::SHIFT, Some("G")),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some("ctrl-c")),
            (KeyCode::Char(' '), KeyModifiers::NONE, Some("space")),
            (KeyCode::BackTab, KeyModifiers::SHIFT, Some("shift-tab")),
            (KeyCode::Left, KeyModifiers::ALT, Some("alt-left")),
            (KeyCode::F(5), KeyModifiers::NONE, Some("f5")),
            (KeyCode::CapsLock, KeyModifiers::NONE, None),
        ] {
            assert_eq!(chord(&KeyEvent::new(code, modifiers)).as_deref(), name);
        }
    }
}
