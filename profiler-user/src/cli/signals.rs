//! What signals do when no session listens to them any more.

/// Ctrl-C, SIGTERM and SIGHUP end the program again, as they did before a session began to listen.
pub(super) fn restore() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: sets the default action, which runs no code of ours; the handlers that it replaces are needed no more.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
