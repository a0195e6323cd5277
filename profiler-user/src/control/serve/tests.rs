use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};

use super::{Answer, Control, MAX_CLIENTS};
use crate::control::{MAX_REQUEST_BYTES, Request, ask, place};

/// A socket in a folder of its own, and a session that answers each request with its own text, until `detach`.
fn with_control(client: impl FnOnce(&Path) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut control =
            Control::open(&[PathBuf::from("/proc/nowhere"), folder.path().join("stain")]).unwrap();
        let path = control.path().to_owned();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(path, place::socket(&folder.path().join("stain"), std::process::id()));
        let asked = path.clone();
        let mut client = tokio::task::spawn_blocking(move || client(&asked));
        loop {
            tokio::select! {
                command = control.next() => {
                    let _ = command.reply.send(Answer::refused(command.request.to_string()));
                    if command.request == Request::Detach {
                        break;
                    }
                }
                joined = &mut client => {
                    joined.unwrap();
                    return;
                }
            }
        }
        control.close().await;
        client.await.unwrap();
        assert!(!path.exists(), "the socket is removed");
    });
}

/// What the session answers to one request.
fn said(path: &Path, request: Request) -> String {
    ask(path, request).unwrap().error.unwrap()
}

/// All that comes back for these bytes, as lines.
fn raw(path: &Path, bytes: &[u8]) -> Vec<String> {
    let mut stream = Blocking::connect(path).unwrap();
    // One that is refused is closed before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut text = String::new();
    // A connection that was closed on unread bytes gives an error after what was said.
    let _ = stream.read_to_string(&mut text);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn requests_are_answered_and_the_last_one_too() {
    with_control(|path| {
        for request in [Request::Status, Request::Rate(12), Request::Budget(0), Request::Detach] {
            assert_eq!(said(path, request), request.to_string());
        }
    });
}

#[test]
fn several_lines_of_one_client_are_answered_in_order() {
    with_control(|path| {
        let answers = raw(path, b"status\npause\n\nresume\nnonsense\n");
        let errors: Vec<String> =
            answers.iter().map(|line| serde_json::from_str::<Answer>(line).unwrap().error.unwrap()).collect();
        assert_eq!(errors.len(), 5);
        assert_eq!((&*errors[0], &*errors[1], &*errors[3]), ("status", "pause", "resume"));
        assert!(errors[2].contains("empty") && errors[4].contains("no request `nonsense`"), "{errors:?}");
    });
}

#[test]
fn a_request_without_end_is_refused() {
    with_control(|path| {
        for bytes in
            [vec![b'x'; MAX_REQUEST_BYTES + 1], vec![b'x'; 1 << 16], [vec![b' '; 200], vec![b'\n']].concat()]
        {
            let answers = raw(path, &bytes);
            assert_eq!(answers.len(), 1, "{answers:?}");
            assert!(answers[0].contains("longer than"), "{answers:?}");
        }
        assert_eq!(raw(path, b"stat"), [""; 0], "half a line is no request");
        assert_eq!(said(path, Request::Status), "status");
    });
}

#[test]
fn silent_clients_hold_up_nobody_but_the_ninth() {
    with_control(|path| {
        let silent: Vec<Blocking> = (0..MAX_CLIENTS).map(|_| Blocking::connect(path).unwrap()).collect();
        let answers = raw(path, b"");
        assert!(answers[0].contains("8 clients are connected already"), "{answers:?}");
        drop(silent);
        // Their places are free again as soon as their tasks have seen them go.
        while said(path, Request::Status) != "status" {}
    });
}

#[test]
fn closing_does_not_wait_for_silent_clients() {
    let began = std::time::Instant::now();
    with_control(|path| {
        let silent = Blocking::connect(path).unwrap();
        assert_eq!(said(path, Request::Detach), "detach");
        drop(silent);
    });
    assert!(began.elapsed() < super::DELIVERY, "{:?}", began.elapsed());
}
