//! Which of a session's sets of sites is awake, and how one set follows another without a hit that counts in neither or in both.
//!
//! At each instruction the kernel runs the programs of the new set before those of the old one. If one word simply put one set to sleep and woke the other, a hit
//! that came to the new set before the word changed, and to the old one after it, would be lost. So there is a time of change between the two: the first program of
//! the new set that sees it takes the hit, and leaves a mark for its thread; those that come after it do as the mark says. When all hits that began before have
//! ended, every hit is taken or not by what its first program sees, and the old set can sleep.

/// A set of sites, or the change from one to another: the word that the kernel program compares, [`crate::Config::edition`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Edition(pub u32);

impl Edition {
    /// How many sets can be told apart.
    pub const COUNT: u32 = 7;
    /// What stands in the place of a set's number while sets change: all sites sleep in it, so that those that are awake are not asked any further.
    const CHANGING: u32 = 7;

    /// The change from one set to another. `number`: another one than that of the change before, so that no mark outlives its change.
    #[must_use]
    pub const fn change(from: Self, to: Self, number: u16) -> Self {
        Self(Self::CHANGING | (from.0 & 7) << 3 | (to.0 & 7) << 6 | (number as u32) << 16)
    }

    /// Which sets are awake while they change, the old one and the new; `None` while they do not.
    #[must_use]
    #[inline(always)]
    pub const fn changing(self) -> Option<(Self, Self)> {
        if self.0 & 7 == Self::CHANGING { Some((Self(self.0 >> 3 & 7), Self(self.0 >> 6 & 7))) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Edition;
    use crate::ProbeSpec;

    #[test]
    fn a_change_names_both_sets_and_every_site_sleeps_in_it() {
        for (from, to) in (0..Edition::COUNT).flat_map(|from| (0..Edition::COUNT).map(move |to| (from, to))) {
            let change = Edition::change(Edition(from), Edition(to), u16::MAX);
            assert_eq!(change.changing(), Some((Edition(from), Edition(to))));
            let site = ProbeSpec { sleeps: !(1 << from), ..ProbeSpec::default() };
            assert!(site.sleeps_in(change) && !site.sleeps_in(Edition(from)));
            assert_eq!(site.sleeps_in(Edition(to)), from != to);
            assert_ne!(change, Edition::change(Edition(from), Edition(to), 0));
        }
        assert!((0..Edition::COUNT).all(|set| Edition(set).changing().is_none()));
    }
}
