//! A name to the functions that it means.
//!
//! Owns: exact, path, suffix and glob matching, and the judgement whether a name means one function (of which there may be
//! many copies) or several. Refuses: guessing between several; a miss or a doubt is a value with its reason, not an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::demangle::{self, Variant};
use super::nearest::Nearest;
use super::{Function, Module, glob, names};

/// Candidates that an ambiguous name lists at most.
pub const MAX_CANDIDATES: usize = 20;

/// What a name means.
#[derive(Clone, Debug)]
pub enum Lookup<'m> {
    /// These functions, in the order of the modules and by address. For a plain name: all the copies of one function.
    Found(Vec<Match<'m>>),
    /// Several different functions.
    Ambiguous {
        /// Some of them, sorted, each spelled so that it is not ambiguous.
        candidates: Vec<Candidate>,
        /// How many there are.
        total: usize,
    },
    /// None.
    NotFound {
        /// The names nearest to it, best first.
        nearest: Vec<String>,
        /// Why.
        why: Miss,
    },
}

/// One function that a name means.
#[derive(Clone, Debug)]
pub struct Match<'m> {
    /// The file.
    pub module: &'m Module,
    /// The function.
    pub function: &'m Function,
    /// Which of the function's symbols matched: its `symbol`, or one of its `aliases`.
    pub symbol: &'m str,
    /// Whether that symbol is the source function itself or a compiler's variant of it, whose arguments may differ.
    pub variant: Variant,
}

/// A function among several that a name may mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The readable name, with what tells it from the others.
    pub name: String,
    /// The file that holds it, as the process names it.
    pub file: PathBuf,
    /// The symbol of one of its copies.
    pub symbol: String,
}

/// Why a name was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No file was looked at.
    NoFiles,
    /// No file has any function symbols.
    Stripped {
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The name is an indirect function: its address is chosen when the program starts.
    Indirect {
        /// The file that has it.
        file: PathBuf,
    },
    /// No function has this name.
    Unknown {
        /// Files of which only the exported names are known.
        stripped: Vec<PathBuf>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Exact,
    Suffix,
}

/// The functions of `modules` that `pattern` means. Tried in this order: exact (symbol, readable path with or without generic
/// arguments and parameters, methods by type), the end of a path, glob.
pub fn find<'m>(modules: impl IntoIterator<Item = &'m Module>, pattern: &str) -> Lookup<'m> {
    let modules: Vec<&Module> = modules.into_iter().collect();
    let wanted = Wanted::new(pattern);
    let ranked: Vec<(Rank, Match<'m>)> =
        functions(&modules).filter_map(|(module, function)| wanted.rank(module, function)).collect();
    if let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() {
        return judge(ranked.into_iter().filter(|(rank, _)| *rank == best).map(|(_, found)| found).collect());
    }
    if glob::is_glob(pattern) {
        let found: Vec<_> = functions(&modules).filter_map(|(m, f)| wanted.glob(m, f)).collect();
        if !found.is_empty() {
            return Lookup::Found(found);
        }
    }
    miss(&modules, pattern)
}

fn functions<'m>(modules: &[&'m Module]) -> impl Iterator<Item = (&'m Module, &'m Function)> {
    modules.iter().flat_map(|module| module.functions.iter().map(move |function| (*module, function)))
}

/// A name in the forms that it is compared in.
struct Wanted<'p> {
    pattern: &'p str,
    canonical: String,
    suffix: String,
    /// Every name of the function holds this.
    part: String,
    params: bool,
}

impl<'p> Wanted<'p> {
    fn new(pattern: &'p str) -> Self {
        let canonical = names::canonical(pattern);
        let part = names::last_segment(pattern);
        // An operator's spelling may differ in spaces: then nothing is ruled out beforehand.
        let part = if part.contains("operator") || part.contains(' ') { String::new() } else { part };
        Self { pattern, suffix: format!("::{canonical}"), canonical, part, params: pattern.contains('(') }
    }

    fn rank<'m>(&self, module: &'m Module, function: &'m Function) -> Option<(Rank, Match<'m>)> {
        if self.canonical.is_empty() || !self.may_match(function) {
            return None;
        }
        let ranked =
            symbols(function).filter_map(|symbol| Some((self.rank_symbol(function, symbol)?, symbol)));
        let (rank, symbol) = ranked.min_by_key(|(rank, symbol)| (*rank, *symbol != function.symbol))?;
        Some((rank, matched(module, function, symbol)))
    }

    /// A quick look, right whenever it says no.
    fn may_match(&self, function: &Function) -> bool {
        function.demangled.contains(&self.part)
            || function.symbol.contains(&self.part)
            || function.aliases.iter().any(|alias| alias.contains(&self.part))
            || function.symbol == self.pattern
    }

    fn rank_symbol(&self, function: &Function, symbol: &str) -> Option<Rank> {
        if symbol == self.pattern {
            return Some(Rank::Exact);
        }
        let (base, variant) = demangle::strip_suffix(symbol);
        if variant == Variant::Part {
            return None;
        }
        if base == self.pattern {
            return Some(Rank::Exact);
        }
        let by_name = self.rank_name(&readable(function, symbol));
        let by_params = self.params.then(|| self.rank_name(&demangle::full(symbol))).flatten();
        by_name.into_iter().chain(by_params).min()
    }

    fn rank_name(&self, name: &str) -> Option<Rank> {
        let names::Spellings { exact, loose } = names::spellings(name);
        if exact.contains(&self.canonical) {
            return Some(Rank::Exact);
        }
        let suffix = exact.iter().chain(&loose).any(|name| name.ends_with(&self.suffix))
            || loose.contains(&self.canonical);
        suffix.then_some(Rank::Suffix)
    }

    fn glob<'m>(&self, module: &'m Module, function: &'m Function) -> Option<Match<'m>> {
        let symbol = symbols(function).find(|symbol| self.glob_symbol(function, symbol))?;
        Some(matched(module, function, symbol))
    }

    fn glob_symbol(&self, function: &Function, symbol: &str) -> bool {
        if demangle::strip_suffix(symbol).1 == Variant::Part {
            return false;
        }
        let hit = |name: &str| glob::matches(self.pattern, name);
        let name = readable(function, symbol);
        hit(symbol)
            || hit(&name)
            || (name.contains('<') && names::spellings(&name).exact.iter().any(|name| hit(name)))
            || (self.params && hit(&demangle::full(symbol)))
    }
}

fn symbols(function: &Function) -> impl Iterator<Item = &str> {
    std::iter::once(function.symbol.as_str()).chain(function.aliases.iter().map(String::as_str))
}

fn readable<'f>(function: &'f Function, symbol: &str) -> std::borrow::Cow<'f, str> {
    if symbol == function.symbol {
        function.demangled.as_str().into()
    } else {
        demangle::readable(symbol).into()
    }
}

fn matched<'m>(module: &'m Module, function: &'m Function, symbol: &'m str) -> Match<'m> {
    Match { module, function, symbol, variant: demangle::strip_suffix(symbol).1 }
}

/// One function or several? Copies of a generic, clones and local duplicates are one; overloads, types, and files tell apart.
fn judge(found: Vec<Match<'_>>) -> Lookup<'_> {
    let mut different: BTreeMap<(String, PathBuf), Candidate> = BTreeMap::new();
    for one in &found {
        let file = one.module.name.clone();
        different.entry((identity(one.symbol), file.clone())).or_insert_with(|| Candidate {
            name: names::without_generics(&demangle::full(one.symbol)),
            file,
            symbol: one.symbol.to_owned(),
        });
    }
    if different.len() <= 1 {
        return Lookup::Found(found);
    }
    let total = different.len();
    let mut candidates: Vec<_> = different.into_values().collect();
    candidates.sort();
    candidates.truncate(MAX_CANDIDATES);
    Lookup::Ambiguous { candidates, total }
}

/// What tells source functions apart: the path; and where C++ overloads it, the parameters. The instances of a template have
/// parameters of different types, so that only their number is compared.
fn identity(symbol: &str) -> String {
    let name = demangle::readable(symbol);
    let bare = names::without_generics(&name);
    if !demangle::is_cpp(symbol) {
        return bare;
    }
    let full = demangle::full(symbol);
    if bare == name { full } else { format!("{bare}/{}", names::param_count(&full).unwrap_or_default()) }
}

fn miss<'m>(modules: &[&Module], pattern: &str) -> Lookup<'m> {
    let mut nearest = Nearest::new(pattern);
    for (_, function) in functions(modules) {
        nearest.look(&function.demangled);
        let aliases = function.aliases.iter().filter(|alias| !alias.starts_with('_'));
        aliases.for_each(|alias| nearest.look(alias));
    }
    Lookup::NotFound { nearest: nearest.into_names(), why: why(modules, pattern) }
}

fn why(modules: &[&Module], pattern: &str) -> Miss {
    let files = |test: &dyn Fn(&Module) -> bool| -> Vec<PathBuf> {
        modules.iter().filter(|module| test(module)).map(|module| module.name.clone()).collect()
    };
    if modules.is_empty() {
        return Miss::NoFiles;
    }
    if let Some(module) = modules.iter().find(|m| m.sources.indirect.iter().any(|name| name == pattern)) {
        return Miss::Indirect { file: module.name.clone() };
    }
    if modules.iter().all(|module| module.functions.is_empty()) {
        return Miss::Stripped { files: files(&|_| true) };
    }
    Miss::Unknown { stripped: files(&|module| !module.sources.has_all()) }
}

impl Lookup<'_> {
    /// Whether the name has an answer.
    pub fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}
