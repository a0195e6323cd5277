//! Which traces were certainly never seen: what makes a look into the keys rare. Pure.
//!
//! Owns: bits in memory, of a bounded number. Refuses: to forget; what was removed may still be taken for there, which costs a look.

/// Numbers of 64 bits of the first table; each further one has twice as many.
const FIRST: usize = 1 << 16;
/// Numbers of 64 bits of all tables at most: 64 MiB. With more traces than they are made for, more are taken for there that are not.
const MOST: usize = 8 << 20;
/// Traces that a number of 64 bits is for: with four bits each, one in some hundred is taken for there.
const EACH: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filter {
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    words: Vec<u64>,
    held: usize,
}

impl Table {
    fn new(words: usize) -> Self {
        Self { words: vec![0; words], held: 0 }
    }

    /// Where the bits of a trace are, and which.
    fn place(&self, hash: u64) -> (usize, u64) {
        // The upper half says where, the lower which: neither half is more than the number of words.
        let word = ((hash >> 32) * self.words.len() as u64) >> 32;
        let bits = (0..4).fold(0, |bits, one| bits | 1 << ((hash >> (6 * one)) & 63));
        (word as usize, bits)
    }
}

/// Spreads a number over all numbers.
pub(super) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let number = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ (number >> 32)
}

impl Filter {
    /// One with room for so many traces, and then for more.
    pub(super) fn for_traces(count: usize) -> Self {
        let words = (count + count / 4).div_ceil(EACH).clamp(FIRST, MOST);
        Self { tables: vec![Table::new(words)] }
    }

    /// A trace is there from now on.
    pub(super) fn add(&mut self, trace_id: i64) {
        let words: usize = self.tables.iter().map(|table| table.words.len()).sum();
        let (size, is_full) = self
            .tables
            .last()
            .map_or((FIRST / 2, true), |last| (last.words.len(), last.held >= EACH * last.words.len()));
        if is_full && words < MOST {
            self.tables.push(Table::new((2 * size).min(MOST - words)));
        }
        let Some(last) = self.tables.last_mut() else { return };
        let (word, bits) = last.place(mix(trace_id.cast_unsigned()));
        if let Some(word) = last.words.get_mut(word) {
            *word |= bits;
        }
        last.held += 1;
    }

    /// False where a trace was never added.
    pub(super) fn may_have(&self, trace_id: i64) -> bool {
        let hash = mix(trace_id.cast_unsigned());
        self.tables.iter().any(|table| {
            let (word, bits) = table.place(hash);
            table.words.get(word).is_some_and(|word| word & bits == bits)
        })
    }

    /// Traces that were added.
    pub(super) fn held(&self) -> usize {
        self.tables.iter().map(|table| table.held).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn what_was_added_is_there_and_hardly_anything_else() {
        for mut filter in [Filter::default(), Filter::for_traces(600_000)] {
            let id = |number: i64| number.wrapping_mul(0x9e37_79b9) + (number & 3);
            (0..600_000).for_each(|number| filter.add(id(number)));
            assert!((0..600_000).all(|number| filter.may_have(id(number))));
            let wrong = (1_000_000..1_100_000).filter(|number| filter.may_have(id(*number))).count();
            assert!(wrong < 2500, "{wrong} of 100,000");
            assert_eq!(filter.held(), 600_000);
        }
    }
}
