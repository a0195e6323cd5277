//! Notices: what the kernel program tells the agent. Small and few; the stamps stay in their slot.

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum NoticeKind {
    /// A trace ended; `value` is its handle.
    Finished = 1,
    /// A process replaced its image; `value` is its process id. Targets always, others where they may become targets.
    Exec = 2,
    /// A target forked; `value` is the parent's process id.
    Fork = 3,
}

/// One notice, as it lies in the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Notice {
    /// A [`NoticeKind`].
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
    /// See [`NoticeKind`].
    pub value: u64,
}

impl Notice {
    /// Bytes of one notice.
    pub const BYTES: usize = 16;

    /// Reads a notice out of the ring's bytes; `None` when they are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(NoticeKind, u64)> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let [k0, k1, k2, k3, _, _, _, _, v0, v1, v2, v3, v4, v5, v6, v7] = *bytes;
        let kind = match u32::from_ne_bytes([k0, k1, k2, k3]) {
            1 => NoticeKind::Finished,
            2 => NoticeKind::Exec,
            3 => NoticeKind::Fork,
            _ => return None,
        };
        Some((kind, u64::from_ne_bytes([v0, v1, v2, v3, v4, v5, v6, v7])))
    }
}

const _: () = assert!(size_of::<Notice>() == Notice::BYTES);

#[cfg(test)]
mod tests {
    use super::{Notice, NoticeKind};

    #[test]
    fn decodes_what_the_kernel_writes_and_refuses_the_rest() {
        let mut bytes = [0u8; Notice::BYTES];
        bytes[..4].copy_from_slice(&1u32.to_ne_bytes());
        bytes[8..].copy_from_slice(&77u64.to_ne_bytes());
        assert_eq!(Notice::decode(&bytes), Some((NoticeKind::Finished, 77)));
        assert_eq!(Notice::decode(&bytes[1..]), None);
        bytes[0] = 9;
        assert_eq!(Notice::decode(&bytes), None);
    }
}
