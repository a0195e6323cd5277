//! What the numbers in payloads stand for, as far as whoever sent them has said. Pure.

use crate::trace::BranchPath;

/// One stage, as its sender names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// Its code.
    pub(super) code: u8,
    /// Its name.
    pub(super) name: String,
    /// What is read of records there, by number.
    pub(super) attributes: Vec<String>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The machine; empty when not known.
    pub(super) host: String,
    /// The stream.
    pub(super) stream: Option<u64>,
    /// The stages, by their index in the spec.
    pub(super) stages: Vec<Stage>,
    /// The spec's own outcomes, by number.
    pub(super) outcomes: Vec<String>,
}

impl Names {
    /// The name of a stage of this index, if that has this code.
    pub(super) fn stage(&self, index: u16, code: u8) -> Option<&str> {
        let stage = self.stages.get(usize::from(index)).filter(|stage| stage.code == code)?;
        Some(stage.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The name of the stage of this code, if there is only one: with several it would be a guess which one is meant.
    pub(super) fn only_stage(&self, code: u8) -> Option<&str> {
        let mut stages = self.stages.iter().filter(|stage| stage.code == code);
        let (first, second) = (stages.next()?, stages.next());
        Some(first.name.as_str()).filter(|name| second.is_none() && !name.is_empty())
    }

    /// The name of an attribute of the stage of this index.
    pub(super) fn attribute(&self, stage: u16, index: usize) -> Option<&str> {
        let name = self.stages.get(usize::from(stage))?.attributes.get(index)?;
        Some(name.as_str()).filter(|name| !name.is_empty())
    }
}

/// The path of a branch as [`BranchPath`] shows it: `0`, `2`, `2.3`.
pub(super) fn branch_of(text: &str) -> Option<BranchPath> {
    if text == "0" {
        return Some(BranchPath::ROOT);
    }
    let ordinals = text.split('.').map(|part| part.parse::<u8>().ok().filter(|ordinal| *ordinal > 0));
    let mut path = 0u64;
    for (level, ordinal) in ordinals.enumerate() {
        path = path << 8 | u64::from(ordinal.filter(|_| level < 8)?);
    }
    Some(BranchPath(path))
}

#[cfg(test)]
mod tests {
    use super::{Names, Stage, branch_of};

    #[test]
    fn a_name_is_told_only_where_there_is_no_doubt() {
        let stage =
            |code, name: &str| Stage { code, name: name.to_owned(), attributes: vec!["size".to_owned()] };
        let names = Names {
            stages: vec![stage(1, "emit"), stage(2, "push"), stage(2, "push again")],
            ..Names::default()
        };
        assert_eq!(
            (names.stage(1, 2), names.stage(2, 2), names.stage(1, 3)),
            (Some("push"), Some("push again"), None)
        );
        assert_eq!(
            (names.only_stage(1), names.only_stage(2), names.only_stage(3)),
            (Some("emit"), None, None)
        );
        assert_eq!(
            (names.attribute(0, 0), names.attribute(0, 1), names.attribute(9, 0)),
            (Some("size"), None, None)
        );
    }

    #[test]
    fn branches_are_read_as_they_are_shown() {
        for path in [0, 1, 255, 0x0201, 0x0102_03ff, u64::MAX] {
            let branch = crate::trace::BranchPath(path);
            assert_eq!(branch_of(&branch.to_string()), Some(branch));
        }
        for text in ["", "0.1", "256", "-1", "1.", "a", "1.2.3.4.5.6.7.8.9"] {
            assert_eq!(branch_of(text), None, "{text}");
        }
    }
}
