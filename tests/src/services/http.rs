//! One statement over ClickHouse's HTTP interface.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(port: u16, database: Option<&str>, sql: &str) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let (database, length) = (database.unwrap_or("default"), sql.len());
    write!(
        stream,
        "POST /?database={database} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{sql}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{sql}: {answer}");
    Ok(())
}
