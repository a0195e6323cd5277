//! What the user may have meant.
//!
//! Owns: the nearest names to one that was not found. Refuses: unbounded work: most names are ruled out by their letters alone.

use std::collections::BTreeMap;

use super::names;

/// Names suggested at most.
pub(super) const SUGGESTIONS: usize = 5;
/// Distances computed at most; the letters rule out nearly all names before.
const MAX_DISTANCES: usize = 20_000;
/// Characters of a name that are compared.
const MAX_COMPARED: usize = 96;

/// Collects the nearest names.
pub(super) struct Nearest {
    wanted: String,
    whole_path: bool,
    letters: u64,
    max_edits: usize,
    distances: usize,
    /// Best score of each name, in thousandths.
    found: BTreeMap<String, u32>,
}

impl Nearest {
    /// Looks for names like `pattern`.
    pub(super) fn new(pattern: &str) -> Self {
        let whole_path = pattern.contains("::");
        let wanted: String = key(pattern, whole_path);
        let max_edits = (wanted.chars().count() / 4).clamp(1, 6);
        Self {
            letters: letters(&wanted),
            wanted,
            whole_path,
            max_edits,
            distances: 0,
            found: BTreeMap::new(),
        }
    }

    /// Looks at one readable name.
    pub(super) fn look(&mut self, name: &str) {
        let own = key(name, self.whole_path);
        if let Some(score) = self.score(&own) {
            let best = self.found.entry(names::without_generics(name)).or_default();
            *best = (*best).max(score);
            self.prune();
        }
    }

    /// The best names, best first.
    pub(super) fn into_names(self) -> Vec<String> {
        let mut names: Vec<_> = self.found.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        names.into_iter().take(SUGGESTIONS).map(|(name, _)| name).collect()
    }

    fn score(&mut self, own: &str) -> Option<u32> {
        if own.is_empty() || self.wanted.is_empty() {
            return None;
        }
        if self.wanted.len() >= 4 && own.contains(&self.wanted) {
            return Some(600 + 350 * u32::try_from(self.wanted.len() * 100 / own.len()).ok()? / 100);
        }
        // Each edit puts at most one letter out of the set and one into it.
        let differ = (letters(own) ^ self.letters).count_ones() as usize;
        let apart = own.len().abs_diff(self.wanted.len());
        if differ > 2 * self.max_edits || apart > self.max_edits * 2 || self.distances >= MAX_DISTANCES {
            return None;
        }
        self.distances += 1;
        let edits = strsim::osa_distance(&self.wanted, own);
        let longest = self.wanted.len().max(own.len());
        (edits <= self.max_edits)
            .then(|| 1000u32.saturating_sub(u32::try_from(edits * 1000 / longest).unwrap_or(1000)))
    }

    /// Keeps memory bounded where very many names are alike.
    fn prune(&mut self) {
        if self.found.len() > 256 {
            let mut scores: Vec<u32> = self.found.values().copied().collect();
            scores.sort_unstable_by(|a, b| b.cmp(a));
            let least = scores.get(2 * SUGGESTIONS).copied().unwrap_or_default();
            let mut room = 128usize;
            self.found.retain(|_, score| {
                let keep = *score >= least && room > 0;
                room -= usize::from(keep);
                keep
            });
        }
    }
}

/// What of a name is compared: lower case, the whole path or its last segment, not more than [`MAX_COMPARED`] characters.
fn key(name: &str, whole_path: bool) -> String {
    let name =
        if whole_path && !name.contains('<') { name.to_owned() } else { names::without_generics(name) };
    let name = if whole_path { name.as_str() } else { name.rsplit("::").next().unwrap_or_default() };
    name.chars().take(MAX_COMPARED).flat_map(char::to_lowercase).collect()
}

/// The set of a name's letters.
fn letters(name: &str) -> u64 {
    name.bytes().fold(0, |set, byte| set | 1 << (byte & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(pattern: &str, names: &[&str]) -> Vec<String> {
        let mut nearest = Nearest::new(pattern);
        names.iter().for_each(|name| nearest.look(name));
        nearest.into_names()
    }

    #[test]
    fn slips_of_the_pen_are_found() {
        let names = [
            "ngx_http_process_request",
            "ngx_http_handler",
            "ngx_http_free_request",
            "main",
            "demo::sink::write",
        ];
        for (pattern, first) in [
            ("ngx_http_proces_request", "ngx_http_process_request"),
            ("ngx_http_hanlder", "ngx_http_handler"),
            ("process_request", "ngx_http_process_request"),
            ("NGX_HTTP_HANDLER", "ngx_http_handler"),
            ("wirte", "demo::sink::write"),
            ("demo::snik::write", "demo::sink::write"),
        ] {
            assert_eq!(nearest(pattern, &names).first().map(String::as_str), Some(first), "{pattern}");
        }
        assert!(nearest("completely_different", &names).is_empty());
        assert!(nearest("", &names).is_empty());
    }

    #[test]
    fn a_hundred_thousand_names_are_bounded_work() {
        let mut nearest = Nearest::new("function_with_a_long_name_number_xxxxx");
        (0..100_000).for_each(|n| nearest.look(&format!("function_with_a_long_name_number_{n:05}")));
        assert!(nearest.distances <= MAX_DISTANCES);
        assert!(nearest.found.len() <= 257);
        assert_eq!(nearest.into_names().len(), SUGGESTIONS);
    }
}
