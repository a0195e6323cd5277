//! Which numbers a side of a comparison can be, by the width and the sign that it was last read with, what is added to it, and its mask.
//!
//! Owns: sets that hold each of these numbers, and few others. Refuses: what the numbers are compared with, which is `judge`'s.

use crate::spec::expr::Expr;

/// The bit that makes a number negative. With it turned round, unsigned order is signed order.
pub(super) const SIGN: u64 = 1 << 63;

/// Numbers that a side can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// This number and so many after it; after the largest one comes 0.
    Row {
        /// The first of them.
        first: u64,
        /// How many there are besides.
        more: u64,
    },
    /// All that have no bits but these.
    Bits(u64),
}

impl Numbers {
    /// What a value can be.
    pub(super) fn of(value: &Expr) -> Self {
        match value {
            Expr::Constant(number) => Self::Row { first: *number, more: 0 },
            Expr::Thread => of_type(4, false),
            Expr::Add(inner, offset) => match Self::of(inner) {
                Self::Row { first, more } => Self::Row { first: first.wrapping_add_signed(*offset), more },
                Self::Bits(_) => of_type(8, false),
            },
            Expr::Deref { width, signed, .. } => of_type(*width, *signed),
            Expr::Cast { width, signed, value } => Self::of(value).cast(*width, *signed),
            Expr::Arg(_) | Expr::Ret | Expr::Bytes { .. } => of_type(8, false),
        }
    }

    /// What is left of them by a mask.
    pub(super) fn masked(self, mask: u64) -> Self {
        let Self::Row { first, more } = self else { return self };
        let most = first.saturating_add(more);
        let bits = mask & u64::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        match more {
            0 => Self::Row { first: first & mask, more },
            _ if bits == 0 => Self::Row { first: 0, more: 0 },
            _ => Self::Bits(bits),
        }
    }

    /// The one number that it is.
    pub(super) const fn only(self) -> Option<u64> {
        match self {
            Self::Row { first, more: 0 } => Some(first),
            _ => None,
        }
    }

    /// Whether a number is among them.
    pub(super) const fn holds(self, number: u64) -> bool {
        match self {
            Self::Row { first, more } => number.wrapping_sub(first) <= more,
            Self::Bits(bits) => number & !bits == 0,
        }
    }

    /// The least and the largest, by signed order or by unsigned order.
    pub(super) const fn bounds(self, signed: bool) -> (u64, u64) {
        let turn = if signed { SIGN } else { 0 };
        match self {
            Self::Row { first, more } => match (first ^ turn).checked_add(more) {
                Some(last) => (first, last ^ turn),
                None => (turn, u64::MAX ^ turn),
            },
            Self::Bits(bits) => (bits & turn, bits & !turn),
        }
    }

    /// Its low bytes, extended to 64 bits.
    fn cast(self, width: u8, signed: bool) -> Self {
        let all = of_type(width, signed);
        let (Self::Row { first, more }, Self::Row { first: least, more: most }) = (self, all) else {
            return all;
        };
        // How far the first one lies from the least of its type; the rest of them follow, if none goes round.
        let from_least = first.wrapping_sub(least) & most;
        if from_least.checked_add(more).is_none_or(|last| last > most) {
            return all;
        }
        Self::Row { first: least.wrapping_add(from_least), more }
    }
}

/// All numbers of a type of so many bytes.
fn of_type(width: u8, signed: bool) -> Numbers {
    let more = u64::MAX.checked_shr(64_u32.saturating_sub(8 * u32::from(width))).unwrap_or(0);
    let first = if signed { (more >> 1).wrapping_neg().wrapping_sub(1) } else { 0 };
    Numbers::Row { first, more }
}
