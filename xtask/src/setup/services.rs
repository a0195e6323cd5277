//! Servers that tests are run against: databases, and a broker that takes minutes to build and so is had only when asked for.
//!
//! Owns: packages and pinned versions. Refuses to fail for a database on the way to the tests: those that need it say that they are skipped.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use xtask::{bpf, cargo};

use super::{Set, debian::Debian, receivers::environment, run as set_up};
use crate::run::{quiet, step};

/// A broker that speaks Kafka's protocol, in memory.
const BROKER: [&str; 7] =
    ["tansu", "--locked", "--version", "0.6.0", "--no-default-features", "--features", "dynostore"];

/// A ClickHouse of today as a Python module (half a gigabyte, without what it needs for data frames): Debian's is of 2018, and both are tested.
const CHDB: [&str; 3] = ["--no-deps", "chdb==4.4.0", "chdb-core==26.9.0"];

/// The databases' programs, and Debian's packages of them.
const DATABASES: [(&str, &[&str]); 3] = [
    ("/usr/lib/postgresql/*/bin/postgres", &["postgresql"]),
    ("/usr/sbin/mariadbd", &["mariadb-server"]),
    ("/usr/sbin/clickhouse-server", &["clickhouse-server", "clickhouse-client"]),
];

/// The chore `setup services`: what tests need, and the servers. All must be there at the end.
pub(crate) fn run(root: &Path) -> Result<()> {
    set_up(root, Set::Test)?;
    databases(root)?;
    let folder = folder(root);
    if folder.join("bin/tansu").is_file() {
        return Ok(());
    }
    step("setup", "cargo install a Kafka broker (minutes)", || {
        quiet(cargo::command().arg("install").args(BROKER).arg("--root").arg(&folder))
    })
}

/// The databases, on the way to the tests.
pub(crate) fn ensure_databases(root: &Path) {
    if let Err(error) = databases(root) {
        eprintln!("warning: {error:#}: the tests that need it are skipped");
    }
}

fn folder(root: &Path) -> PathBuf {
    bpf::target_folder(root).join("services")
}

fn databases(root: &Path) -> Result<()> {
    let chdb = environment(&folder(root).join("chdb"), &CHDB, "pip install a ClickHouse to test with");
    let packages = lacking(is_there);
    if packages.is_empty() {
        return chdb;
    }
    let names = packages.join(" ");
    let Some(debian) = Debian::detect() else {
        bail!(
            "databases to test with are missing: install them (on Debian, as root: apt-get install {names})"
        );
    };
    step("setup", &format!("apt-get install {names}"), || debian.install(&packages))?;
    chdb
}

/// The packages of the programs that are not there.
fn lacking(is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let lacking = DATABASES.iter().filter(|(program, _)| !is_there(program));
    lacking.flat_map(|(_, packages)| packages.iter().map(|package| (*package).to_owned())).collect()
}

/// Whether a file is there; a star stands for the name of one folder.
fn is_there(path: &str) -> bool {
    let Some((before, after)) = path.split_once("/*/") else { return Path::new(path).is_file() };
    let folders = fs::read_dir(before).into_iter().flatten().flatten();
    folders.into_iter().any(|folder| folder.path().join(after).is_file())
}

#[cfg(test)]
mod tests {
    use super::{is_there, lacking};

    #[test]
    fn packages_are_those_of_lacking_programs() {
        assert!(lacking(|_| true).is_empty());
        let has = |program: &str| !program.contains("clickhouse");
        assert_eq!(lacking(has), ["clickhouse-server", "clickhouse-client"]);
        assert_eq!(lacking(|_| false).len(), 4);
    }

    #[test]
    fn a_star_stands_for_a_folder() {
        let here = env!("CARGO_MANIFEST_DIR");
        assert!(is_there(&format!("{here}/src/*/services.rs")) && is_there(&format!("{here}/src/main.rs")));
        assert!(!is_there(&format!("{here}/*/services.rs")) && !is_there("/no/such/*/file"));
    }
}
