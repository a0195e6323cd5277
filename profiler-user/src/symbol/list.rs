//! The functions of files, as `stain symbols` shows them.
//!
//! Owns: which functions a pattern selects, their order, and one line for each (text, JSON). Refuses: printing.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::demangle::Variant;
use super::{Function, Module, demangle, glob, names};

/// One function of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The readable name, with parameters where the scheme has them.
    pub name: String,
    /// The name in the symbol table.
    pub symbol: String,
    /// Other symbols of the same address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The file, as the process names it.
    pub file: PathBuf,
    /// Where it starts in the file's own addresses.
    #[serde(serialize_with = "hex")]
    pub address: u64,
    /// Where it starts in the file.
    #[serde(serialize_with = "hex")]
    pub file_offset: u64,
    /// Bytes of code.
    pub size: u64,
}

/// The functions that a pattern selects, sorted by name, file and address. A pattern with `*` or `?` is a glob over the whole
/// name, any other is looked for inside it; without one, all.
pub fn list<'m>(modules: impl IntoIterator<Item = &'m Module>, pattern: Option<&str>) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for module in modules {
        for function in &module.functions {
            let name = demangle::full(&function.symbol);
            if pattern.is_none_or(|pattern| selects(pattern, function, &name)) {
                listed.push(listed_function(module, function, name));
            }
        }
    }
    listed.sort_by(|a, b| (&a.name, &a.file, a.address).cmp(&(&b.name, &b.file, b.address)));
    listed
}

fn listed_function(module: &Module, function: &Function, name: String) -> Listed {
    Listed {
        name,
        symbol: function.symbol.clone(),
        aliases: function.aliases.clone(),
        file: module.name.clone(),
        address: function.address.0,
        file_offset: module.file_offset(function.address).map_or(0, |offset| offset.0),
        size: module.extent(function),
    }
}

fn selects(pattern: &str, function: &Function, full: &str) -> bool {
    let names = [full, &function.symbol, &function.demangled].into_iter();
    names.chain(function.aliases.iter().map(String::as_str)).any(|name| selects_name(pattern, name))
}

fn selects_name(pattern: &str, name: &str) -> bool {
    if !glob::is_glob(pattern) {
        return name.contains(pattern);
    }
    glob::matches(pattern, name)
        || (name.contains('<')
            && names::spellings(name).exact.iter().any(|name| glob::matches(pattern, name)))
}

impl Listed {
    /// The heading of [`Listed::text`] lines.
    pub const HEADING: &'static str = "         address      size  file                      function";

    /// One line for people: address, size in bytes, file name, function.
    pub fn text(&self) -> String {
        let file = self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy();
        // The same name as the function that it was split off from.
        let is_part = demangle::strip_suffix(&self.symbol).1 == Variant::Part;
        let part = if is_part { " [a part of it, no entry]" } else { "" };
        format!("{:#16x} {:>9}  {file:<24}  {}{part}", self.address, self.size, self.name)
    }

    /// One line for programs.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn hex<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}
