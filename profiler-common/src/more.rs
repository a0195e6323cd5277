//! What the kernel program knows of a site beyond [`crate::ProbeSpec`]: further keys, batches, attributes. Apart, since most sites have
//! none of it. And the extras of a trace, where what was read goes.

use crate::limits::{MAX_ATTRIBUTES, MAX_TEXT_BYTES};
use crate::recipe::{KeyRecipe, Value};

/// How to get one attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct AttributeRecipe {
    /// An [`ExtraKind`].
    pub kind: u8,
    /// Its number in the stage's list of attributes.
    pub index: u8,
    /// Always 0.
    pub reserved: u16,
    /// Always 0.
    pub reserved_too: u32,
    /// The number, or the address of the text.
    pub value: Value,
    /// Bytes of the text; read by [`ExtraKind::Bytes`] exactly, at most for [`ExtraKind::Text`]; cut at [`MAX_TEXT_BYTES`].
    pub len: Value,
}

/// What an extra of a trace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExtraKind {
    /// A number, 8 bytes.
    Number = 0,
    /// Text up to its first zero byte.
    Text = 1,
    /// Text of a known length.
    Bytes = 2,
    /// The record's own time, 8 bytes, in the stage's unit.
    RecordTime = 3,
    /// The record was put into a batch: key of the batch, its serial number, position: 8 bytes each.
    Put = 4,
    /// The batch that the record was in was put into a bigger one: key of that one, its serial number, position of the smaller batch's first
    /// record in it: 8 bytes each.
    Moved = 6,
    /// A stage took the whole batch: key of the batch, its serial number, its size: 8 bytes each.
    Taken = 5,
}

impl ExtraKind {
    /// The kind of a code read from shared memory.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Number),
            1 => Some(Self::Text),
            2 => Some(Self::Bytes),
            3 => Some(Self::RecordTime),
            4 => Some(Self::Put),
            5 => Some(Self::Taken),
            6 => Some(Self::Moved),
            _ => None,
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ProbeMore {
    /// The further key that is bound.
    pub also: KeyRecipe,
    /// The key of the batch that the record is put into.
    pub batch: KeyRecipe,
    /// The name space of `also`.
    pub also_space: u32,
    /// The name space of `batch`.
    pub batch_space: u32,
    /// How many of `attribute` are in use.
    pub attributes: u32,
    /// Always 0.
    pub reserved: u32,
    /// What is read of the record.
    pub attribute: [AttributeRecipe; MAX_ATTRIBUTES + 1],
}

/// Something that was read of a record, or happened to it, beside a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Extra {
    /// The entry of the trace that it belongs to; `max_entries - 1` for the terminal one.
    pub entry: u16,
    /// The site.
    pub probe: u16,
    /// An [`ExtraKind`].
    pub kind: u8,
    /// See [`AttributeRecipe::index`].
    pub index: u8,
    /// Bytes of `bytes` that are used.
    pub len: u16,
    /// Low bits of the slot's generation, written last: an extra that bears another mark was never completed.
    pub mark: u32,
    /// Always 0.
    pub reserved: u32,
    /// What was read.
    pub bytes: [u8; MAX_TEXT_BYTES as usize],
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            entry: 0,
            probe: 0,
            kind: 0,
            index: 0,
            len: 0,
            mark: 0,
            reserved: 0,
            bytes: [0; MAX_TEXT_BYTES as usize],
        }
    }
}

const _: () = assert!(size_of::<AttributeRecipe>() == 8 + 2 * size_of::<Value>());
const _: () = assert!(
    size_of::<ProbeMore>()
        == 2 * size_of::<KeyRecipe>() + 16 + (MAX_ATTRIBUTES + 1) * size_of::<AttributeRecipe>()
);
// The kernel program masks indices with it.
const _: () = assert!(MAX_TEXT_BYTES.is_power_of_two());
const _: () = assert!(size_of::<Extra>() == 16 + MAX_TEXT_BYTES as usize);
