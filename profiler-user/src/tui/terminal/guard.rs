//! The terminal while it is ours: raw mode, the alternate screen, the mouse; and its way back, whatever happens.
//!
//! Owns: taking the terminal and giving it back, also from a panic and from a signal that ends the program. Refuses: drawing.

use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// Alternate screen; clicks and the wheel, but no movements, reported with decimal numbers.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?1000h\x1b[?1006h\x1b[?25l\x1b[2J";

/// The same backwards; colours and the end of a frame, should one be under way.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?25h\x1b[?1049l";

/// Signals that end the program without unwinding.
const FATAL: [libc::c_int; 9] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
];

/// Those of them that a session listens to while it runs.
const SESSIONS: usize = 3;

/// Whether the terminal is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the terminal was like before.
static BEFORE: OnceLock<libc::termios> = OnceLock::new();

/// Holds the terminal. Dropping it gives it back.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal on standard output.
    ///
    /// # Errors
    /// When it is none, or does not take the bytes.
    pub fn take(out: &mut impl Write) -> io::Result<Self> {
        remember()?;
        panics();
        enter(out)?;
        fatal_signals(&FATAL[SESSIONS..]);
        Ok(Self(()))
    }

    /// Gives the terminal back for a while, for a shell.
    ///
    /// # Errors
    /// When the terminal does not take the bytes.
    pub fn lend(&self, out: &mut impl Write) -> io::Result<()> {
        leave(out)
    }

    /// Takes it again.
    ///
    /// # Errors
    /// As for [`Guard::take`].
    pub fn take_again(&self, out: &mut impl Write) -> io::Result<()> {
        enter(out)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Whoever holds the guard may be stuck in a write, or have failed there: this is all that can be done.
        give_back();
        for signal in &FATAL[SESSIONS..] {
            default_action(*signal);
        }
    }
}

/// Whether the terminal is ours now. Not after a panic has given it back.
#[must_use]
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Ctrl-C, SIGTERM and SIGHUP end the program from now on, as they do where no session listens to them; the terminal comes back first.
pub fn session_is_over() {
    if is_taken() {
        fatal_signals(&FATAL[..SESSIONS]);
    } else {
        FATAL[..SESSIONS].iter().for_each(|signal| default_action(*signal));
    }
}

fn enter(out: &mut impl Write) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    out.write_all(ENTER)?;
    out.flush()
}

fn leave(out: &mut impl Write) -> io::Result<()> {
    let written = out.write_all(LEAVE).and_then(|()| out.flush());
    TAKEN.store(false, Ordering::SeqCst);
    disable_raw_mode().and(written)
}

fn remember() -> io::Result<()> {
    if BEFORE.get().is_none() {
        // SAFETY: all zeroes is a value of this plain struct, and the call fills it or fails.
        let mut termios = unsafe { std::mem::zeroed::<libc::termios>() };
        // SAFETY: the descriptor is open as long as the process lives, and the pointer is to a whole struct.
        if unsafe { libc::tcgetattr(io::stdout().as_raw_fd(), &raw mut termios) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // A second guard finds it set, to the same.
        let _ = BEFORE.set(termios);
    }
    Ok(())
}

/// Gives the terminal back once, however many ask. Calls only what may be called in a signal handler.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let out = libc::STDOUT_FILENO;
    // SAFETY: a write of bytes that live forever, and setting attributes that were read from the same terminal; both may be called in handlers.
    // `OnceLock::get` only loads. That the bytes do not go out on a terminal that takes none is no reason to keep its attributes.
    unsafe {
        let _ = libc::write(out, LEAVE.as_ptr().cast(), LEAVE.len());
        if let Some(before) = BEFORE.get() {
            libc::tcsetattr(out, libc::TCSANOW, before);
        }
    }
}

/// A panic gives the terminal back before it is told of, or nobody could read it.
fn panics() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            told(info);
        }));
    });
}

fn fatal_signals(signals: &[libc::c_int]) {
    for signal in signals {
        // SAFETY: the handler calls only what may be called in one. It runs once: the action is set back before the signal is raised again.
        unsafe { libc::signal(*signal, on_fatal as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    }
}

extern "C" fn on_fatal(signal: libc::c_int) {
    give_back();
    default_action(signal);
    // SAFETY: may be called in a handler; the signal comes when the handler returns.
    unsafe { libc::raise(signal) };
}

fn default_action(signal: libc::c_int) {
    // SAFETY: the default action runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
