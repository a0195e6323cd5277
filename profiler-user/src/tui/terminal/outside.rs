//! What the update step asks for, done: questions to the session, the clipboard, files, the shell.

use std::fs::File;
use std::io::{self, Write};

use ratatui::crossterm::terminal;
use tokio::sync::{mpsc, oneshot};

use super::Out;
use super::clipboard;
use super::guard::Guard;
use crate::control::{Answer, Command, Request};
use crate::sink::units;
use crate::tui::message::{Effect, Message};

/// See the module.
pub(super) struct Outside {
    /// None of a recording.
    session: Option<mpsc::Sender<Command>>,
    waiting: Option<oneshot::Receiver<Answer>>,
}

impl Outside {
    pub(super) fn new(session: Option<mpsc::Sender<Command>>) -> Self {
        Self { session, waiting: None }
    }

    /// Does what is asked for; a message about what became of it, if the user is to know.
    pub(super) fn act<W: Write>(
        &mut self,
        effect: Effect,
        terminal: &mut Out<W>,
        guard: &Guard,
    ) -> io::Result<Option<Message>> {
        match effect {
            Effect::None | Effect::Quit | Effect::Play(_) | Effect::Step | Effect::Seek(_) => {}
            Effect::Ask(request) => return Ok(self.ask(request).map(Message::Answer)),
            Effect::Copy { text, what } => return copy(&text, &what, terminal).map(Some),
            Effect::Save { name, text } => return Ok(Some(save(&name, &text))),
            Effect::Redraw => {
                guard.take_again(terminal.backend_mut())?;
                terminal.clear()?;
            }
            Effect::Suspend => suspend(terminal, guard)?,
        }
        Ok(None)
    }

    /// The session's answer, once it has come.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let answer = match self.waiting.as_mut()?.try_recv() {
            Ok(answer) => answer,
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => Answer::refused("the session is over"),
        };
        self.waiting = None;
        Some(answer)
    }

    /// An answer at once when the session cannot be asked.
    fn ask(&mut self, request: Request) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        let sent = self.session.as_ref().map(|session| session.try_send(Command { request, reply }));
        if !matches!(sent, Some(Ok(()))) {
            return Some(Answer::refused("the session takes no request now"));
        }
        self.waiting = Some(answer);
        None
    }
}

fn copy<W: Write>(text: &str, what: &str, terminal: &mut Out<W>) -> io::Result<Message> {
    let Some(sequence) = clipboard::sequence(text) else {
        return Ok(Message::Done(Err(format!(
            "{what} is too long for the clipboard; `w` writes it to a file"
        ))));
    };
    terminal.backend_mut().write_all(sequence.as_bytes())?;
    Write::flush(terminal.backend_mut())?;
    let size = units::bytes(text.len() as u64);
    Ok(Message::Done(Ok(format!("{what} was sent to the terminal's clipboard ({size} of JSON)"))))
}

fn save(name: &str, text: &str) -> Message {
    let written = File::create_new(name).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")
    });
    Message::Done(match written {
        Ok(()) => Ok(format!("written to {name}")),
        Err(error) => Err(format!("cannot write {name} in the working directory: {error}")),
    })
}

/// Gives the terminal to the shell until it lets the program go on.
fn suspend<W: Write>(terminal: &mut Out<W>, guard: &Guard) -> io::Result<()> {
    guard.lend(terminal.backend_mut())?;
    // SAFETY: the signal that a terminal sends for Ctrl-Z, to this very thread: its default action stops the whole process, here, until SIGCONT.
    unsafe { libc::raise(libc::SIGTSTP) };
    guard.take_again(terminal.backend_mut())?;
    let (width, height) = terminal::size()?;
    terminal.resize(ratatui::layout::Rect::new(0, 0, width, height))?;
    terminal.clear()
}
