//! ClickHouse as Debian has it: version 18.16.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{as_user, free_port};
use crate::child::Guarded;

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/clickhouse-server";

const USERS: &str = "<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>\
    <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>";

pub(super) fn program() -> Option<PathBuf> {
    Some(PathBuf::from(PROGRAM)).filter(|program| program.is_file())
}

pub(super) fn start(program: &Path, folder: &Path, port: u16, secured_port: Option<u16>) -> Result<Guarded> {
    let at = folder.display();
    let tcp = free_port()?;
    let secured = secured_port.map(|port| {
        format!(
            "<listen_host>127.0.0.2</listen_host><https_port>{port}</https_port><openSSL><server><certificateFile>{at}/server.pem</certificateFile>\
             <privateKeyFile>{at}/server.key</privateKeyFile><verificationMode>none</verificationMode></server></openSSL>"
        )
    });
    let secured = secured.unwrap_or_default();
    let config = format!(
        "<yandex>{secured}<logger><level>warning</level><log>{at}/log</log><errorlog>{at}/errors</errorlog></logger>\
         <http_port>{port}</http_port><tcp_port>{tcp}</tcp_port><listen_host>127.0.0.1</listen_host><path>{at}/data/</path>\
         <tmp_path>{at}/tmp/</tmp_path><user_files_path>{at}/files/</user_files_path><format_schema_path>{at}/schemas/</format_schema_path>\
         <mark_cache_size>67108864</mark_cache_size><users_config>{at}/users.xml</users_config>\
         <default_profile>default</default_profile><default_database>default</default_database></yandex>"
    );
    let file = folder.join("config.xml");
    fs::write(&file, config)?;
    fs::write(folder.join("users.xml"), USERS)?;
    let mut command = as_user("clickhouse", folder, program)?;
    command.arg(format!("--config-file={}", file.display()));
    Guarded::spawn(command.current_dir(folder))
}
