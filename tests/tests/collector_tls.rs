//! TLS to databases that are really started, with a certificate of our own making: checked by default, and secrets in no message.

use std::path::Path;

use anyhow::{Result, ensure};
use stain_tests::collector::Collector;
use stain_tests::contract::{event, list};
use stain_tests::receivers;
use stain_tests::run::LONG;
use stain_tests::services::{Server, Service};
use stain_tests::stain;
use tempfile::TempDir;

/// A password that must not be seen.
const HUSH: &str = "hush5ecret";

/// What a collector says that does not start on a store.
fn refusal(store: &str) -> Result<String> {
    let ended = stain::run(&["collector", "--listen", "127.0.0.1:0", "--store", store], LONG)?;
    ensure!(!ended.status.success(), "{store} was taken");
    ensure!(!ended.stderr.contains(HUSH), "{}", ended.stderr);
    Ok(ended.stderr)
}

/// A collector takes and tells a trace by TLS, and none where the certificate is not to be trusted. `url` is with a question mark and without words of TLS.
fn secured(url: &str, elsewhere: &str, certificates: &Path) -> Result<()> {
    let ca = certificates.join("ca.pem").display().to_string();
    let collector =
        Collector::start_on(&format!("{url}sslmode=verify-full&sslrootcert={ca}"), &["--log", "trace"])?;
    let answer = collector.ask("POST /ingest", list(&[event(7, 1, 1_700_000_000_000, 5)]).as_bytes())?;
    ensure!(answer.contains("{\"received\":1}"), "{answer}");
    ensure!(collector.total()? == 1);
    let ended = collector.stop()?;
    ensure!(ended.status.success() && !ended.stderr.contains(HUSH), "{}", ended.stderr);
    // Signed by nobody whom the system knows.
    let said = refusal(&format!("{url}sslmode=require"))?;
    ensure!(said.contains("certificate") || said.contains("UnknownIssuer"), "{said}");
    // Of another name, which counts unless it is told not to.
    let said = refusal(&format!("{elsewhere}ca={ca}"))?;
    ensure!(said.contains("certificate"), "{said}");
    let any_name = format!("{elsewhere}sslmode=verify-ca&ca={ca}");
    if url.starts_with("mysql:") {
        ensure!(refusal(&any_name)?.contains("cannot leave the name out"));
    } else {
        let collector = Collector::start_on(&any_name, &[])?;
        ensure!(collector.total()? == 1);
        ensure!(collector.stop()?.status.success());
    }
    let said = refusal(&format!("{url}sslmode=prefer"))?;
    ensure!(said.contains("only if the server likes"), "{said}");
    let said = refusal(&format!("{url}ca=/no/such/file"))?;
    ensure!(said.contains("/no/such/file"), "{said}");
    Ok(())
}

/// Certificates for `localhost` and 127.0.0.1; the server of 127.0.0.2 is another one to them.
fn start(service: Service) -> Result<(Server, TempDir)> {
    let folder = TempDir::new()?;
    receivers::certificates(folder.path())?;
    Ok((service.start_secured(folder.path())?, folder))
}

#[test]
fn to_a_real_postgres() -> Result<()> {
    if !Service::Postgres.gate("collector_tls::to_a_real_postgres").open() {
        return Ok(());
    }
    let (server, certificates) = start(Service::Postgres)?;
    server.database("secured")?;
    let port = server.port();
    // Whoever comes in plain text is sent away: rules are read in their order.
    let rules = "hostnossl all secret all reject\nhost all all all trust\n";
    server.run("CREATE ROLE secret SUPERUSER LOGIN")?;
    server.run(&format!(
        "COPY (SELECT unnest(string_to_array(trim(E'{}'), E'\\n'))) TO PROGRAM 'cat > pg_hba.conf'",
        rules.replace('\n', "\\n")
    ))?;
    server.run("SELECT pg_reload_conf()")?;
    let url = |host: &str| format!("postgres://secret:{HUSH}@{host}:{port}/secured?");
    secured(&url("localhost"), &url("127.0.0.2"), certificates.path())?;
    let said = refusal(&url("localhost"))?;
    ensure!(said.contains("pg_hba.conf"), "{said}");
    Ok(())
}

#[test]
fn to_a_real_mariadb() -> Result<()> {
    if !Service::MariaDb.gate("collector_tls::to_a_real_mariadb").open() {
        return Ok(());
    }
    let (server, certificates) = start(Service::MariaDb)?;
    server.database("secured")?;
    let port = server.port();
    // An account without a name, of this machine alone, would go before one of everywhere.
    for host in ["%", "localhost"] {
        let user = format!("secret@'{host}'");
        server.run(&format!(
            "CREATE USER {user} IDENTIFIED BY '{HUSH}' REQUIRE SSL; GRANT ALL ON *.* TO {user}"
        ))?;
    }
    let url = |host: &str| format!("mysql://secret:{HUSH}@{host}:{port}/secured?");
    secured(&url("localhost"), &url("127.0.0.2"), certificates.path())?;
    let said = refusal(&url("localhost"))?;
    ensure!(said.contains("cannot be used"), "{said}");
    Ok(())
}

#[test]
fn to_a_real_clickhouse() -> Result<()> {
    if !Service::ClickHouse.gate("collector_tls::to_a_real_clickhouse").open() {
        return Ok(());
    }
    let (server, certificates) = start(Service::ClickHouse)?;
    server.database("secured")?;
    let port = server.secured_port();
    let url = |host: &str| format!("clickhouse+https://{host}:{port}/secured?");
    secured(&url("localhost"), &url("127.0.0.2"), certificates.path())?;
    let plain = format!("clickhouse+http://localhost:{port}/secured?ca=x");
    ensure!(refusal(&plain)?.contains("clickhouse+https://"));
    Ok(())
}
