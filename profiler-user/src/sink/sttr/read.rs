//! Reads fixed-size fields off bytes, and says what was missing.

use super::DecodeError;

/// Where reading has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }

    /// The same, as if the bytes ended `length` bytes from the first one.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn cut(self, length: usize, what: &'static str) -> Result<(Self, &'a [u8]), DecodeError> {
        match self.all.split_at_checked(length) {
            Some((all, rest)) => Ok((Self { all, at: self.at }, rest)),
            None => Err(DecodeError::TooShort { what, length: self.all.len(), needed: length }),
        }
    }

    pub(super) fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self.at.saturating_add(count);
        match self.all.get(self.at..end) {
            Some(bytes) => {
                self.at = end;
                Ok(bytes)
            }
            None => Err(DecodeError::TooShort { what, length: self.all.len(), needed: end }),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes(N, what)?;
        Ok(*bytes.first_chunk::<N>().unwrap_or(&[0; N]))
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(i64::from_be_bytes)
    }
}
