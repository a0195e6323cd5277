//! Predicates: whether a hit counts at all. Data for the kernel's interpreter, like key recipes.
//!
//! A predicate is a list of comparisons in groups: it holds when all comparisons of one group hold. Evaluated from left to
//! right, and no further than its result needs, so that a comparison can guard the memory that the next one reads.

use crate::limits::MAX_COMPARISONS;
use crate::recipe::Value;

/// What a comparison asks of its two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Relation {
    /// `==`
    Equal = 0,
    /// `!=`
    NotEqual = 1,
    /// `<`
    Less = 2,
    /// `<=`
    LessOrEqual = 3,
    /// `>`
    Greater = 4,
    /// `>=`
    GreaterOrEqual = 5,
}

impl Relation {
    /// All relations, in the order of their codes.
    pub const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// The relation as users write it.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The relation of a code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Equal),
            1 => Some(Self::NotEqual),
            2 => Some(Self::Less),
            3 => Some(Self::LessOrEqual),
            4 => Some(Self::Greater),
            5 => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }
}

/// `(left & mask) relation right`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Comparison {
    /// A [`Relation`].
    pub relation: u8,
    /// Bits of [`Comparison::SIGNED`].
    pub flags: u8,
    /// Always 0.
    pub reserved: [u8; 6],
    /// All bits set where the spec has no mask.
    pub mask: u64,
    /// Left side.
    pub left: Value,
    /// Right side.
    pub right: Value,
}

impl Comparison {
    /// The sides are compared as signed numbers.
    pub const SIGNED: u8 = 1;
    /// The last of its group.
    pub const LAST: u8 = 2;

    /// Whether two values are in this relation.
    #[must_use]
    #[inline(always)]
    pub const fn holds(&self, left: u64, right: u64) -> bool {
        let left = left & self.mask;
        // Signed order is unsigned order with the sign bit turned round: one path for both.
        let sign = if self.flags & Self::SIGNED != 0 { 1 << 63 } else { 0 };
        let (l, r) = (left ^ sign, right ^ sign);
        match Relation::from_code(self.relation) {
            Some(Relation::Equal) => l == r,
            Some(Relation::NotEqual) => l != r,
            Some(Relation::Less) => l < r,
            Some(Relation::LessOrEqual) => l <= r,
            Some(Relation::Greater) => l > r,
            Some(Relation::GreaterOrEqual) => l >= r,
            None => false,
        }
    }
}

/// What must hold for a hit to count. In the array of predicates at its probe id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Predicate {
    /// How many of `comparison` are in use.
    pub count: u32,
    /// Always 0.
    pub reserved: u32,
    /// The comparisons, group by group.
    pub comparison: [Comparison; MAX_COMPARISONS],
}

impl Predicate {
    /// The same with one more comparison, or `None` when it has all it can hold.
    #[must_use]
    pub fn then(mut self, comparison: Comparison) -> Option<Self> {
        *self.comparison.get_mut(self.count as usize)? = comparison;
        self.count += 1;
        Some(self)
    }

    /// The comparisons in use.
    #[must_use]
    pub fn comparisons(&self) -> &[Comparison] {
        self.comparison.get(..self.count as usize).unwrap_or(&self.comparison)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// What `read` says of a value that matters and cannot be read.
    #[inline(always)]
    pub fn holds<E>(&self, mut read: impl FnMut(&Value) -> Result<u64, E>) -> Result<bool, E> {
        let mut group = true;
        for (index, comparison) in self.comparison.iter().enumerate() {
            if index >= self.count as usize {
                break;
            }
            if group {
                group = comparison.holds(read(&comparison.left)?, read(&comparison.right)?);
            }
            if comparison.flags & Comparison::LAST != 0 {
                if group {
                    return Ok(true);
                }
                group = true;
            }
        }
        Ok(false)
    }
}

const _: () = assert!(size_of::<Comparison>() == 16 + 2 * size_of::<Value>());
const _: () = assert!(size_of::<Predicate>() == 8 + MAX_COMPARISONS * size_of::<Comparison>());

#[cfg(test)]
mod tests {
    use super::{Comparison, Predicate, Relation};
    use crate::limits::MAX_COMPARISONS;
    use crate::recipe::{Base, Value};

    fn comparison(relation: Relation, right: u64, flags: u8) -> Comparison {
        Comparison {
            relation: relation as u8,
            flags,
            reserved: [0; 6],
            mask: u64::MAX,
            left: Value::of(Base::Register(0)),
            right: Value::constant(right),
        }
    }

    #[test]
    fn codes_are_inverse() {
        for relation in Relation::ALL {
            assert_eq!(Relation::from_code(relation as u8), Some(relation));
        }
        assert_eq!(Relation::from_code(6), None);
    }

    #[test]
    fn each_relation_is_itself() {
        let minus = (-1i64).cast_unsigned();
        for (relation, unsigned, signed) in [
            (Relation::Equal, [false, true, false], [false, true, false]),
            (Relation::NotEqual, [true, false, true], [true, false, true]),
            (Relation::Less, [true, false, false], [true, false, true]),
            (Relation::LessOrEqual, [true, true, false], [true, true, true]),
            (Relation::Greater, [false, false, true], [false, false, false]),
            (Relation::GreaterOrEqual, [false, true, true], [false, true, false]),
        ] {
            for (index, left) in [1, 2, minus].into_iter().enumerate() {
                assert_eq!(comparison(relation, 2, 0).holds(left, 2), unsigned[index], "{relation:?} {left}");
                let found = comparison(relation, 2, Comparison::SIGNED).holds(left, 2);
                assert_eq!(found, signed[index], "signed {relation:?} {left}");
            }
        }
        let masked = Comparison { mask: 0x10, ..comparison(Relation::NotEqual, 0, 0) };
        assert!(masked.holds(0xFF, 0) && !masked.holds(0xEF, 0));
    }

    #[test]
    fn groups_are_alternatives() {
        // r == 1 and r == 2, or r == 3.
        let predicate = [(1, 0), (2, Comparison::LAST), (3, Comparison::LAST)].into_iter().fold(
            Predicate::default(),
            |predicate, (right, flags)| {
                predicate.then(comparison(Relation::Equal, right, flags)).expect("room")
            },
        );
        let with = |register: Option<u64>| {
            predicate.holds(|value| match Base::from_code(value.base) {
                Some(Base::Register(_)) => register.ok_or(()),
                _ => Ok(value.constant),
            })
        };
        assert_eq!([1, 2, 3, 4].map(|r| with(Some(r))), [Ok(false), Ok(false), Ok(true), Ok(false)]);
        assert_eq!(with(None), Err(()));
        assert_eq!(Predicate::default().holds(|_| Err(())), Ok(false));
    }

    #[test]
    fn what_guards_is_asked_first() {
        let predicate = Predicate::default()
            .then(comparison(Relation::NotEqual, 0, 0))
            .and_then(|predicate| predicate.then(comparison(Relation::Equal, 7, Comparison::LAST)))
            .expect("room");
        let mut asked = 0;
        let found = predicate.holds(|_| {
            asked += 1;
            Ok::<_, ()>(0)
        });
        assert_eq!((found, asked), (Ok(false), 2));
    }

    #[test]
    fn it_holds_no_more_than_its_comparisons() {
        let one = comparison(Relation::Equal, 1, Comparison::LAST);
        let full = (0..MAX_COMPARISONS).fold(Predicate::default(), |p, _| p.then(one).expect("room"));
        assert_eq!((full.then(one), full.comparisons().len()), (None, MAX_COMPARISONS));
    }
}
