//! Value expressions: how to get a number out of a stopped thread, as users write it.
//!
//! Owns: the expression, its one spelling (`Display`) and what can be said of it alone. Refuses: registers, which are `plan`'s.

mod parse;
#[cfg(test)]
pub(in crate::spec) mod tests;

use std::fmt;

pub use parse::MAX_EXPR_BYTES;
pub(in crate::spec) use parse::{Parsed, Parser, check_steps};

/// An expression for a value of a stopped thread. Parsed from and shown as `*(u64*)(arg1+8)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// The n-th integer argument of the function (0..=5), at its entry even in a `%return` point.
    Arg(u8),
    /// The return value.
    Ret,
    /// The kernel's thread id.
    Thread,
    /// A constant.
    Constant(u64),
    /// A value plus a constant offset in bytes.
    Add(Box<Expr>, i64),
    /// The memory at an address.
    Deref {
        /// Bytes to read: 1, 2, 4, 8.
        width: u8,
        /// Whether to sign-extend.
        signed: bool,
        /// The address.
        address: Box<Expr>,
    },
    /// The low bytes of a value: what a function sees of an argument of that type.
    Cast {
        /// Bytes to keep: 1, 2, 4, 8.
        width: u8,
        /// Whether to sign-extend.
        signed: bool,
        /// The value.
        value: Box<Expr>,
    },
    /// A hash of bytes in memory.
    Bytes {
        /// Address of the first byte.
        pointer: Box<Expr>,
        /// Number of bytes; no more than [`profiler_common::limits::MAX_HASHED_BYTES`] are read.
        len: Box<Expr>,
    },
}

impl Expr {
    /// What the expression starts from: an argument, the return value, the thread or a constant; the pointer's for `bytes`.
    #[must_use]
    pub fn base(&self) -> &Self {
        let mut expr = self;
        loop {
            match expr {
                Self::Add(inner, _)
                | Self::Deref { address: inner, .. }
                | Self::Cast { value: inner, .. }
                | Self::Bytes { pointer: inner, .. } => {
                    expr = inner;
                }
                Self::Arg(_) | Self::Ret | Self::Thread | Self::Constant(_) => return expr,
            }
        }
    }

    /// The numbers that must be computed: the expression itself, or pointer and length of `bytes`.
    pub fn values(&self) -> impl Iterator<Item = &Self> {
        let (first, second) = match self {
            Self::Bytes { pointer, len } => (pointer.as_ref(), Some(len.as_ref())),
            value => (value, None),
        };
        std::iter::once(first).chain(second)
    }

    /// Whether it, or a part of it, starts from the return value.
    #[must_use]
    pub fn uses_ret(&self) -> bool {
        self.values().any(|value| *value.base() == Self::Ret)
    }

    /// Whether it, or a part of it, starts from an argument.
    #[must_use]
    pub fn uses_args(&self) -> bool {
        self.values().any(|value| matches!(value.base(), Self::Arg(_)))
    }

    /// Whether it was last read or cast as a signed number.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        match self {
            Self::Add(inner, _) => inner.is_signed(),
            Self::Deref { signed, .. } | Self::Cast { signed, .. } => *signed,
            Self::Arg(_) | Self::Ret | Self::Thread | Self::Constant(_) | Self::Bytes { .. } => false,
        }
    }

    /// Whether memory is read.
    #[must_use]
    pub fn reads_memory(&self) -> bool {
        match self {
            Self::Add(inner, _) | Self::Cast { value: inner, .. } => inner.reads_memory(),
            Self::Deref { .. } | Self::Bytes { .. } => true,
            Self::Arg(_) | Self::Ret | Self::Thread | Self::Constant(_) => false,
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arg(index) => write!(f, "arg{index}"),
            Self::Ret => f.write_str("ret"),
            Self::Thread => f.write_str("thread"),
            Self::Constant(value) if *value < 1 << 16 => write!(f, "{value}"),
            Self::Constant(value) => write!(f, "{value:#x}"),
            Self::Add(value, offset) if *offset < 0 => write!(f, "{value}-{}", offset.unsigned_abs()),
            Self::Add(value, offset) => write!(f, "{value}+{offset}"),
            Self::Deref { width, signed, address } => {
                let kind = if *signed { 'i' } else { 'u' };
                write!(f, "*({kind}{}*)({address})", u16::from(*width) * 8)
            }
            Self::Cast { width, signed, value } => {
                let kind = if *signed { 'i' } else { 'u' };
                write!(f, "({kind}{})({value})", u16::from(*width) * 8)
            }
            Self::Bytes { pointer, len } => write!(f, "bytes({pointer}, {len})"),
        }
    }
}
