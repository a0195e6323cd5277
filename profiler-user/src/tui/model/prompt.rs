//! A line that the user types: what to search for, a new rate, a new budget.

use crate::control::Request;

/// Characters that are taken.
const MAX_CHARS: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A text to search for.
    Search,
    /// One record in so many.
    Rate,
    /// Traces a second at most.
    Budget,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What is asked for.
    pub question: Question,
    /// What was typed so far.
    pub text: String,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl Question {
    /// Before the line.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Search => "search for",
            Self::Rate => "sample one record in",
            Self::Budget => "traces a second at most",
        }
    }

    /// What may be typed.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Search => "part of a name, an id, a key or a value; enter goes there",
            Self::Rate => "a whole number; 0 samples nothing",
            Self::Budget => "a whole number; 0 means no bound",
        }
    }
}

impl Prompt {
    /// Asks.
    #[must_use]
    pub fn new(question: Question, text: String) -> Self {
        Self { question, text, error: None }
    }

    /// A key is pressed while it asks. True if it belongs to the line.
    pub fn key(&mut self, key: &str) -> bool {
        let mut chars = key.chars();
        match (key, chars.next(), chars.next()) {
            ("backspace", ..) => drop(self.text.pop()),
            ("ctrl-u", ..) => self.text.clear(),
            ("space", ..) => self.push(' '),
            (_, Some(c), None) => self.push(c),
            _ => return false,
        }
        self.error = None;
        true
    }

    fn push(&mut self, c: char) {
        let fits = self.question == Question::Search || c.is_ascii_digit();
        if fits && self.text.chars().count() < MAX_CHARS {
            self.text.push(c);
        }
    }

    /// The request that it stands for.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the line.
    pub fn request(&self) -> Result<Option<Request>, String> {
        let word = match self.question {
            Question::Search => return Ok(None),
            _ if self.text.is_empty() => return Err("type a whole number, or esc".to_owned()),
            Question::Rate => "rate",
            Question::Budget => "budget",
        };
        // The same reading as for `stain ctl`.
        Request::parse(format!("{word} {}", self.text).as_bytes()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::{Prompt, Question, Request};

    fn typed(question: Question, keys: &str) -> Prompt {
        let mut prompt = Prompt::new(question, String::new());
        for key in keys.split_whitespace() {
            prompt.key(key);
        }
        prompt
    }

    #[test]
    fn lines() {
        assert_eq!(typed(Question::Search, "a space b c backspace").text, "a b");
        assert_eq!(typed(Question::Rate, "1 x 0 0 - backspace").text, "10");
        assert_eq!(typed(Question::Rate, "1 ctrl-u 2").text, "2");
        assert!(!Prompt::new(Question::Rate, String::new()).key("enter"));
        assert_eq!(typed(Question::Search, &"a ".repeat(100)).text.len(), 64);
    }

    #[test]
    fn requests() {
        assert_eq!(typed(Question::Rate, "5 0").request(), Ok(Some(Request::Rate(50))));
        assert_eq!(typed(Question::Budget, "0").request(), Ok(Some(Request::Budget(0))));
        assert_eq!(typed(Question::Search, "x").request(), Ok(None));
        assert!(typed(Question::Budget, "9 9 9 9 9 9 9 9 9").request().unwrap_err().contains("16777215"));
        assert!(typed(Question::Rate, "").request().unwrap_err().contains("type a whole number"));
    }
}
