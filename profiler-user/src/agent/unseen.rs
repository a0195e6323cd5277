//! Stages that are not seen at every exit of their function: the user is told of each, once.
//!
//! Owns: the sentences. Refuses: finding that out (that is `plan`'s).

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Site, UnseenExits};
use crate::spec::Stage;

use super::events::{Event, Observer};
use super::session::Running;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// Sites that have been looked at.
    looked: usize,
    told: BTreeSet<usize>,
}

impl Unseen {
    /// What is to be told of the sites that have come since the last look; these are all.
    fn look(&mut self, sites: &[Site], stages: &[Stage]) -> Vec<String> {
        let new = sites.get(self.looked..).unwrap_or_default();
        self.looked = sites.len();
        let mut found: BTreeMap<usize, BTreeMap<&str, UnseenExits>> = BTreeMap::new();
        for site in new.iter().filter(|site| site.unseen != UnseenExits::default()) {
            found.entry(site.stage).or_default().insert(&site.function, site.unseen);
        }
        found.retain(|stage, _| self.told.insert(*stage));
        let told = found.iter().filter_map(|(stage, functions)| {
            let (function, exits) = functions.first_key_value()?;
            Some(sentence(&stages.get(*stage)?.label(), function, functions.len() - 1, *exits))
        });
        told.collect()
    }
}

/// `more` other functions of the stage are like this one.
fn sentence(stage: &str, function: &str, more: usize, exits: UnseenExits) -> String {
    let others = if more == 0 { String::new() } else { format!(" (and {more} more of its functions)") };
    let UnseenExits { jumps, unclear } = exits;
    let how = match (jumps, unclear) {
        (0, unclear) => format!("may be left by {unclear} indirect jump(s) into other functions"),
        (jumps, 0) => format!("is left by {jumps} jump(s) into other functions, too (tail calls)"),
        (jumps, unclear) => {
            format!(
                "is left by {jumps} jump(s) into other functions, too (tail calls), and maybe by {unclear} indirect one(s)"
            )
        }
    };
    format!(
        "stage {stage}: `{function}`{others} {how}; calls that end so are not seen at this stage. If records take that way, use the entry of the function, or \
         of the function that it goes over into"
    )
}

impl Running {
    /// Tells of stages that are not seen at every exit.
    pub(super) fn tell_unseen(&mut self, observer: &mut dyn Observer) {
        for sentence in self.unseen.look(self.registry.sites(), &self.spec.stages) {
            observer.event(&Event::Warning(sentence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UnseenExits, sentence};

    #[test]
    fn the_sentence_says_how_and_what_to_do() {
        for (more, jumps, unclear, beginning) in [
            (
                0,
                2,
                0,
                "stage W! sent: `send` is left by 2 jump(s) into other functions, too (tail calls); calls that end so",
            ),
            (
                2,
                0,
                1,
                "stage W! sent: `send` (and 2 more of its functions) may be left by 1 indirect jump(s) into other functions; calls",
            ),
            (
                0,
                1,
                3,
                "stage W! sent: `send` is left by 1 jump(s) into other functions, too (tail calls), and maybe by 3 indirect one(s); calls",
            ),
        ] {
            let told = sentence("W! sent", "send", more, UnseenExits { jumps, unclear });
            assert!(told.starts_with(beginning) && told.contains("use the entry"), "{told}");
        }
    }
}
