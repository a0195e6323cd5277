//! Whether a process still runs the program that it ran.
//!
//! Owns: a file of proc that belongs to the memory of one program, not to the process: once the process has become another program, the very same one too, or has ended,
//! nothing can be read from it any more. Refuses: telling when that happened.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::Proc;

/// The memory of a process as it was when this was opened. It holds a descriptor, and none of that memory.
#[derive(Debug)]
pub struct Image(File);

impl Proc {
    /// The program that a process runs now.
    ///
    /// # Errors
    /// When the process has ended or may not be looked into.
    pub fn image(&self, pid: u32) -> io::Result<Image> {
        File::open(self.path(pid, "maps")).map(Image)
    }
}

impl Image {
    /// Whether it is gone: replaced by another, or ended with its process.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match self.0.read_at(&mut [0; 64], 0) {
            Ok(read) => read == 0,
            // What cannot be read for any other reason is no news.
            Err(error) => error.raw_os_error() == Some(libc::ESRCH),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_that_became_itself_is_another() {
        let proc = Proc::default();
        assert!(!proc.image(std::process::id()).unwrap().is_gone());
        let script = "read line; exec /bin/sh -c 'echo again; read line'";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let image = proc.image(child.id()).unwrap();
        assert!(!image.is_gone());
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "go").unwrap();
        let mut said = [0; 5];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert!(image.is_gone());
        let again = proc.image(child.id()).unwrap();
        assert!(!again.is_gone());
        drop(stdin);
        child.wait().unwrap();
        assert!(again.is_gone());
    }
}
